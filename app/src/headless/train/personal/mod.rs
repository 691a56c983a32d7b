//! `vernier train lora`, `dreambooth`, `textual-inversion` and `custom`: a subject or a style from
//! a few pictures.

mod args;

use std::path::{Path, PathBuf};
use std::time::Duration;

use vernier_engine::control_training::Schedule;
use vernier_engine::personalization::{
    ClassPlan, PersonalEnd, PersonalOutput, PersonalRequest, personalize,
};
use vernier_engine::train::personal::{Learnt, LoraOptions, WordOptions};
use vernier_engine::{EngineError, Result, user_folders};

use super::tell::Teller;
use super::{REPORT_EVERY, catch_interrupts, checked_name, command};
use crate::assets;
use crate::failure::Failure;

use args::{BranchArgs, PersonalArgs, PriorArgs, SemanticArgs};
pub(in super::super) use args::{CustomArgs, DreamBoothArgs, LoraArgs, TextualInversionArgs};

/// What is trained, how it is kept in its class, and how it is written.
struct Method {
    learnt: Learnt,
    class: Option<ClassPlan>,
    semantic: Option<f64>,
    output: PersonalOutput,
    learning_rate: f64,
}

/// Usual learning rates.
const BRANCHES_RATE: f64 = 1e-3;
const WORD_RATE: f64 = 5e-3;
const KEY_VALUES_RATE: f64 = 1e-4;

/// Trains what `vernier train lora` says.
pub(super) fn run_lora(args: &LoraArgs) -> std::result::Result<(), Failure> {
    let class = args.class.as_ref().map(|prompt| class(prompt, args.prior));
    run(&args.personal, || {
        branches(&args.branches, class, args.semantic)
    })
}

/// Trains what `vernier train dreambooth` says.
pub(super) fn run_dreambooth(args: &DreamBoothArgs) -> std::result::Result<(), Failure> {
    let class = Some(class(&args.class, args.prior));
    run(&args.personal, || {
        branches(&args.branches, class, args.semantic)
    })
}

/// Trains what `vernier train textual-inversion` says.
pub(super) fn run_textual_inversion(
    args: &TextualInversionArgs,
) -> std::result::Result<(), Failure> {
    run(&args.personal, || {
        let word = match &args.word {
            Some(word) => word.clone(),
            None => name_of(&args.personal.out)?,
        };
        Ok(Method {
            learnt: Learnt {
                word: Some(WordOptions {
                    word,
                    vectors: args.vectors.vectors.into(),
                    init: args.vectors.init.clone(),
                }),
                ..Learnt::default()
            },
            class: args.class.as_ref().map(|prompt| ClassPlan {
                prompt: prompt.clone(),
                count: 0,
                weight: 0.0,
            }),
            semantic: args.semantic.weight,
            output: match args.layout.as_str() {
                "kohya" => PersonalOutput::KohyaWord,
                _ => PersonalOutput::Word,
            },
            learning_rate: WORD_RATE,
        })
    })
}

/// Trains what `vernier train custom` says.
pub(super) fn run_custom(args: &CustomArgs) -> std::result::Result<(), Failure> {
    run(&args.personal, || {
        let word = args.word.as_ref().zip(args.init.as_ref());
        Ok(Method {
            learnt: Learnt {
                lora: None,
                key_values: true,
                word: word.map(|(word, init)| WordOptions {
                    word: word.clone(),
                    vectors: args.vectors.into(),
                    init: init.clone(),
                }),
            },
            class: args.class.as_ref().map(|prompt| class(prompt, args.prior)),
            semantic: args.semantic.weight,
            output: match args.rank {
                Some(rank) => PersonalOutput::Lora(args.layout.parse()?, rank),
                None => PersonalOutput::Full,
            },
            learning_rate: KEY_VALUES_RATE,
        })
    })
}

fn branches(args: &BranchArgs, class: Option<ClassPlan>, semantic: SemanticArgs) -> Result<Method> {
    Ok(Method {
        learnt: Learnt {
            lora: Some(LoraOptions {
                layers: args.layers,
                rank: args.rank,
                alpha: args.alpha.unwrap_or_else(|| f64::from(args.rank)),
                text_encoder: args.text_encoder,
                up_only: args.up_only,
            }),
            ..Learnt::default()
        },
        class,
        semantic: semantic.weight,
        output: PersonalOutput::Lora(args.layout.parse()?, args.rank),
        learning_rate: BRANCHES_RATE,
    })
}

fn class(prompt: &str, prior: PriorArgs) -> ClassPlan {
    ClassPlan {
        prompt: prompt.to_owned(),
        count: prior.class_pictures.into(),
        weight: prior.prior_weight,
    }
}

fn run(
    args: &PersonalArgs,
    method: impl FnOnce() -> Result<Method>,
) -> std::result::Result<(), Failure> {
    let mut teller = Teller::new(args.json);
    let outcome = method()
        .map_err(Failure::from)
        .and_then(|method| train(args, method, &mut teller));
    if let Err(failure) = &outcome {
        teller.failed(failure);
    }
    outcome
}

fn train(
    args: &PersonalArgs,
    method: Method,
    teller: &mut Teller,
) -> std::result::Result<(), Failure> {
    let schedule = schedule(args, method.learning_rate)?;
    let request = request(args, method)?;
    if args.fresh {
        begin_anew(&schedule.work)?;
    }
    let stop = catch_interrupts()?;
    match personalize(&request, &schedule, stop, &mut |news| teller.tell(&news))? {
        PersonalEnd::Done(path) => {
            teller.saved(&path);
            Ok(())
        }
        PersonalEnd::Stopped { step, total_steps } => Err(Failure::Cancelled(format!(
            "stopped after step {step} of {total_steps}; the same command goes on from there"
        ))),
    }
}

fn request(args: &PersonalArgs, method: Method) -> std::result::Result<PersonalRequest, Failure> {
    let (model, model_folder) = assets::chosen_model(args.model.as_deref())?;
    Ok(PersonalRequest {
        name: name_of(&args.out)?,
        command: command::of_this_run(),
        model,
        model_folder,
        out: args.out.clone(),
        output: method.output,
        data: args.data.clone(),
        instance: args.instance.clone(),
        class: method.class,
        learnt: method.learnt,
        semantic: method.semantic,
        batch: args.batch.into(),
        accumulate: args.accumulate.into(),
        caption_dropout: args.caption_dropout,
        ema_decay: args.ema,
        sample_prompts: args.sample.clone(),
        seed: args.seed,
        device: args.device.parse()?,
        dtype: args.dtype.parse()?,
        must_resume: args.resume,
    })
}

fn schedule(args: &PersonalArgs, learning_rate: f64) -> Result<Schedule> {
    let name = name_of(&args.out)?;
    let minutes = args.strips_every;
    Ok(Schedule {
        steps: args.steps,
        workers: args.workers.map(usize::from),
        learning_rate: args.lr.unwrap_or(learning_rate),
        decay: args.decay,
        betas: (0.9, 0.999),
        weight_decay: args.weight_decay,
        work: work_folder(args, &name)?,
        strip_every: (minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * minutes)),
        report_every: REPORT_EVERY,
    })
}

/// The stem of the file to write, which recipes call it by.
fn name_of(out: &Path) -> Result<String> {
    if out.extension().is_none_or(|e| e != "safetensors") {
        let problem = format!("{} must end in .safetensors", out.display());
        return Err(EngineError::request("out", problem));
    }
    checked_name(&out.file_stem().unwrap_or_default().to_string_lossy())
}

fn work_folder(args: &PersonalArgs, name: &str) -> Result<PathBuf> {
    if let Some(work) = &args.work {
        return Ok(work.clone());
    }
    let cache = user_folders::cache().ok_or_else(|| {
        EngineError::request(
            "work",
            "the environment names no home folder for training states; name a folder",
        )
    })?;
    Ok(cache.join("training").join("personal").join(name))
}

/// Forgets the stored state.
fn begin_anew(work: &Path) -> Result<()> {
    let state = work.join("state.safetensors");
    match std::fs::remove_file(&state) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(EngineError::Io {
            path: state,
            source: e,
        }),
        _ => Ok(()),
    }
}
