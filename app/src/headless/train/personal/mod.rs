//! `vernier train lora` and `dreambooth`: a subject or a style from a few pictures.

mod args;

use std::path::{Path, PathBuf};
use std::time::Duration;

use vernier_engine::control_training::Schedule;
use vernier_engine::personalization::{ClassPlan, PersonalEnd, PersonalRequest, personalize};
use vernier_engine::recipe::ModelRef;
use vernier_engine::train::personal::LoraOptions;
use vernier_engine::{EngineError, Result, user_folders};

use super::tell::Teller;
use super::{REPORT_EVERY, catch_interrupts, checked_name, command};
use crate::assets;
use crate::failure::Failure;

pub(in super::super) use args::{DreamBoothArgs, LoraArgs};
use args::{PersonalArgs, PriorArgs};

/// Trains what `vernier train lora` says.
pub(super) fn run_lora(args: &LoraArgs) -> std::result::Result<(), Failure> {
    let class = args.class.as_ref().map(|prompt| class(prompt, args.prior));
    run(&args.personal, class)
}

/// Trains what `vernier train dreambooth` says.
pub(super) fn run_dreambooth(args: &DreamBoothArgs) -> std::result::Result<(), Failure> {
    run(&args.personal, Some(class(&args.class, args.prior)))
}

fn class(prompt: &str, prior: PriorArgs) -> ClassPlan {
    ClassPlan {
        prompt: prompt.to_owned(),
        count: prior.class_pictures.into(),
        weight: prior.prior_weight,
    }
}

fn run(args: &PersonalArgs, class: Option<ClassPlan>) -> std::result::Result<(), Failure> {
    let mut teller = Teller::new(args.json);
    let outcome = train(args, class, &mut teller);
    if let Err(failure) = &outcome {
        teller.failed(failure);
    }
    outcome
}

fn train(
    args: &PersonalArgs,
    class: Option<ClassPlan>,
    teller: &mut Teller,
) -> std::result::Result<(), Failure> {
    let request = request(args, class)?;
    let schedule = schedule(args, &request.name)?;
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

fn request(
    args: &PersonalArgs,
    class: Option<ClassPlan>,
) -> std::result::Result<PersonalRequest, Failure> {
    let (model, model_folder) = match &args.model {
        Some(folder) => (ModelRef::at(folder), folder.clone()),
        None => (ModelRef::embedded(), assets::require_embedded_model()?),
    };
    Ok(PersonalRequest {
        name: name_of(&args.out)?,
        command: command::of_this_run(),
        model,
        model_folder,
        out: args.out.clone(),
        format: args.layout.parse()?,
        data: args.data.clone(),
        instance: args.instance.clone(),
        class,
        lora: LoraOptions {
            layers: args.layers,
            rank: args.rank,
            alpha: args.alpha.unwrap_or_else(|| f64::from(args.rank)),
            text_encoder: args.text_encoder,
        },
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

fn schedule(args: &PersonalArgs, name: &str) -> Result<Schedule> {
    let minutes = args.strips_every;
    Ok(Schedule {
        steps: args.steps,
        workers: args.workers.map(usize::from),
        learning_rate: args.lr,
        decay: args.decay,
        betas: (0.9, 0.999),
        weight_decay: args.weight_decay,
        work: work_folder(args, name)?,
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
