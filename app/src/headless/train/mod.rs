//! `vernier train`: makes controls from prompts or pictures.

mod args;
mod att_adapter;
pub(super) mod command;
mod pictures;
mod tell;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vernier_engine::checkpoint::ModelFolder;
use vernier_engine::control_training::{
    DirectionMethod, LearnedDirection, Schedule, TrainingEnd, TrainingRequest, train_direction,
    train_slider,
};
use vernier_engine::controls::ControlFile;
use vernier_engine::recipe::ModelRef;
use vernier_engine::render::Defaults;
use vernier_engine::train::direction::{
    DirectionOptions, PairTemplates, PromptPair, read_pairs, read_slider_pairs,
};
use vernier_engine::train::slider::SliderOptions;
use vernier_engine::{EngineError, Result as EngineResult, user_folders};

use crate::assets;
use crate::failure::Failure;

use args::{CommonArgs, DirectionArgs, Method, ScheduleArgs, SliderArgs};
pub(super) use args::{TrainCommand, below_one};
use tell::Teller;

/// Trains what the command line says.
pub(super) fn run(command: &TrainCommand) -> Result<(), Failure> {
    let json = match command {
        TrainCommand::Direction(args) => args.common.json,
        TrainCommand::Slider(args) => args.common.json,
        TrainCommand::Value(args) => args.pictures.json,
        TrainCommand::AttAdapter(args) => args.pictures.json,
    };
    let mut teller = Teller::new(json);
    let outcome = match command {
        TrainCommand::Direction(args) => direction(args, &mut teller),
        TrainCommand::Slider(args) => slider(args, &mut teller),
        TrainCommand::Value(args) => value::run(args, &mut teller),
        TrainCommand::AttAdapter(args) => att_adapter::run(args, &mut teller),
    };
    if let Err(failure) = &outcome {
        teller.failed(failure);
    }
    outcome
}

fn direction(args: &DirectionArgs, teller: &mut Teller) -> Result<(), Failure> {
    let pairs = match &args.common.pairs {
        Some(path) => read_pairs(path)?,
        None => pairs(&args.common)?,
    };
    let request = request(&args.common, pairs, 0.2)?;
    if is_done(
        args.common.unless_done,
        &request.out,
        &request.command,
        &request.model_folder,
    )? {
        teller.done_already(&request.out);
        return Ok(());
    }
    let defaults = Defaults::of(&request.model_folder)?;
    let method = match args.method {
        Method::Difference => DirectionMethod::Difference,
        Method::Learned => DirectionMethod::Learned(LearnedDirection {
            options: DirectionOptions {
                loss: args.loss.parse()?,
                walks: args.schedule.walks.into(),
                sampling_steps: args.schedule.sampling_steps(&defaults),
                guidance_scale: args.schedule.guidance.unwrap_or(defaults.guidance_scale),
                scales: args.scales.into(),
                scale_range: args.scale_range,
                seed: args.schedule.seed,
            },
            from_difference: args.from_difference,
            schedule: schedule(&args.schedule, &request.name, args.steps, args.lr)?,
        }),
    };
    let stop = catch_interrupts()?;
    let end = train_direction(&request, &method, stop, &mut |news| teller.tell(&news))?;
    finish(&end, &request.out, teller)
}

fn slider(args: &SliderArgs, teller: &mut Teller) -> Result<(), Failure> {
    let (pairs, eta) = match &args.common.pairs {
        Some(path) => {
            let read = read_slider_pairs(path)?;
            for warning in &read.warnings {
                eprintln!("{warning}");
            }
            (read.pairs, read.eta)
        }
        None => (pairs(&args.common)?, 4.0),
    };
    let request = request(&args.common, pairs, 0.25)?;
    if is_done(
        args.common.unless_done,
        &request.out,
        &request.command,
        &request.model_folder,
    )? {
        teller.done_already(&request.out);
        return Ok(());
    }
    let defaults = Defaults::of(&request.model_folder)?;
    let options = SliderOptions {
        layers: args.layers.parse()?,
        rank: args.rank,
        alpha: args.alpha,
        eta: args.eta.unwrap_or(eta),
        walks: args.schedule.walks.into(),
        sampling_steps: args.schedule.sampling_steps(&defaults),
        // The published programs' own, whatever pictures are made with.
        guidance_scale: args.schedule.guidance.unwrap_or(3.0),
        seed: args.schedule.seed,
    };
    let schedule = schedule(&args.schedule, &request.name, args.steps, args.lr)?;
    let stop = catch_interrupts()?;
    let preserved = &args.preserve;
    let end = train_slider(
        &request,
        &options,
        preserved,
        &schedule,
        stop,
        &mut |news| {
            teller.tell(&news);
        },
    )?;
    finish(&end, &request.out, teller)
}

fn finish(end: &TrainingEnd, out: &Path, teller: &mut Teller) -> Result<(), Failure> {
    match end {
        TrainingEnd::Done(_) => {
            teller.saved(out);
            Ok(())
        }
        TrainingEnd::Stopped { step, total_steps } => Err(Failure::Cancelled(format!(
            "stopped after step {step} of {total_steps}; the same command goes on from there"
        ))),
    }
}

/// What the options of both kinds of control say, for these pairs.
fn request(
    args: &CommonArgs,
    pairs: Vec<PromptPair>,
    start: f64,
) -> Result<TrainingRequest, Failure> {
    let (model, model_folder) = match &args.model {
        Some(folder) => (ModelRef::at(folder), folder.clone()),
        None => (ModelRef::embedded(), assets::require_embedded_model()?),
    };
    let mut subjects: Vec<String> = args.subjects.clone();
    if subjects.is_empty() {
        for pair in &pairs {
            if !pair.subject.is_empty() && !subjects.contains(&pair.subject) {
                subjects.push(pair.subject.clone());
            }
        }
    }
    Ok(TrainingRequest {
        name: checked_name(&args.name)?,
        attribute: args.attribute.clone().unwrap_or_else(|| args.name.clone()),
        subjects,
        about: args.about.clone(),
        start: args.start.unwrap_or(start),
        command: command::of_this_run(),
        model,
        model_folder,
        out: out_file(args.out.as_deref(), &args.name)?,
        pairs,
        device: args.device.parse()?,
        dtype: args.dtype.parse()?,
    })
}

/// The pairs that the command line gives itself.
fn pairs(args: &CommonArgs) -> EngineResult<Vec<PromptPair>> {
    let templates = PairTemplates {
        target: args.target.clone(),
        positive: args.positive.clone(),
        negative: args.negative.clone(),
        subjects: args.subjects.clone(),
        prefixes: args.prefix.clone(),
    };
    templates.pairs()
}

/// Names become file names, and recipes tell them from attributes and subjects by signs.
pub(super) fn checked_name(name: &str) -> EngineResult<String> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.chars().all(plain) && name.starts_with(char::is_alphanumeric) {
        return Ok(name.to_owned());
    }
    Err(EngineError::request(
        format!("name \"{name}\""),
        "use letters, digits, _, - and ., beginning with a letter or digit",
    ))
}

fn checked_out(path: &Path) -> EngineResult<PathBuf> {
    if path.extension().is_some_and(|e| e == "safetensors") {
        return Ok(path.to_owned());
    }
    Err(EngineError::request(
        "out",
        format!("{} must end in .safetensors", path.display()),
    ))
}

/// The file to write: `asked`, or one of the control's name among the artist's own.
fn out_file(asked: Option<&Path>, name: &str) -> EngineResult<PathBuf> {
    match asked {
        Some(path) => checked_out(path),
        None => Ok(own_folder()?.join(format!("{name}.safetensors"))),
    }
}

/// The folder of the artist's own controls.
pub(super) fn own_folder() -> EngineResult<PathBuf> {
    assets::user_controls().ok_or_else(|| {
        EngineError::request(
            "out",
            "the environment names no home folder for your controls; name a file",
        )
    })
}

/// Whether that is asked (`unless_done`) and the file to be written is there, made by this command
/// for this model.
fn is_done(
    unless_done: bool,
    out: &Path,
    command: &str,
    model_folder: &Path,
) -> EngineResult<bool> {
    if !(unless_done && out.exists()) {
        return Ok(false);
    }
    let made = ControlFile::open(out)?.info;
    let model = ModelFolder::open(model_folder)?.hash()?;
    Ok(made.command == command && made.model.hash == model)
}

fn schedule(args: &ScheduleArgs, name: &str, steps: u64, lr: f64) -> Result<Schedule, Failure> {
    Ok(Schedule {
        steps,
        workers: args.workers.map(usize::from),
        learning_rate: lr,
        decay: args.decay,
        betas: args.betas,
        weight_decay: args.weight_decay,
        work: work_folder(args.work.as_deref(), name, args.fresh)?,
        strip_every: (args.strips_every > 0.0)
            .then(|| Duration::from_secs_f64(60.0 * args.strips_every)),
    })
}

/// The folder of a training's state: `asked`, or one of the control's name; a stored state is
/// deleted where it shall begin `fresh`.
fn work_folder(asked: Option<&Path>, name: &str, fresh: bool) -> EngineResult<PathBuf> {
    let work = match asked {
        Some(folder) => folder.to_owned(),
        None => cache_folder()?.join(name),
    };
    let state = work.join("state.safetensors");
    if fresh && state.exists() {
        std::fs::remove_file(&state).map_err(|e| EngineError::io(state, e))?;
    }
    Ok(work)
}

/// `vernier/training/controls` in the user's cache.
fn cache_folder() -> EngineResult<PathBuf> {
    let cache = user_folders::cache().ok_or_else(|| {
        EngineError::request(
            "work",
            "the environment names no home folder for training states; name a folder",
        )
    })?;
    Ok(cache.join("training").join("controls"))
}

/// From now on Ctrl-C asks the training to stop, and a second one kills.
fn catch_interrupts() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
    })
    .map_err(|e| Failure::Failed(format!("Ctrl-C cannot be caught: {e}")))?;
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::{checked_name, checked_out};
    use std::path::Path;

    #[test]
    fn names_that_a_recipe_could_not_tell_are_refused() {
        for good in ["smile", "car_age", "my-age.2"] {
            assert_eq!(checked_name(good).unwrap(), good);
        }
        for bad in ["", "a/b", "smile@man", "age=1", "-age", "../x"] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
        assert!(checked_out(Path::new("x.pt")).is_err());
    }
}
