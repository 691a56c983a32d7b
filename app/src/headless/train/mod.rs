//! `vernier train`: makes controls from prompts or pictures, and LoRAs of subjects and styles.

mod args;
mod att_adapter;
pub(super) mod command;
mod personal;
mod pictures;
mod plan;
mod tell;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vernier_engine::checkpoint::Checkpoint;
pub(super) use vernier_engine::control_training::checked_name;
use vernier_engine::control_training::{Places, TrainingEnd, TrainingPlan, TrainingTask};
use vernier_engine::controls::ControlFile;
use vernier_engine::{EngineError, Result as EngineResult, user_folders};

use crate::assets;
use crate::failure::Failure;

use args::ControlTraining;
pub(super) use args::{TrainCommand, below_one, positive};
use tell::Teller;

/// Time between lines of progress.
const REPORT_EVERY: Duration = Duration::from_secs(15);

/// Trains what the command line says.
pub(super) fn run(command: &TrainCommand) -> Result<(), Failure> {
    match command {
        TrainCommand::Lora(args) => personal::run_lora(args),
        TrainCommand::Dreambooth(args) => personal::run_dreambooth(args),
        TrainCommand::TextualInversion(args) => personal::run_textual_inversion(args),
        TrainCommand::Custom(args) => personal::run_custom(args),
        TrainCommand::Control(control) => run_control(control),
    }
}

fn run_control(command: &ControlTraining) -> Result<(), Failure> {
    let passing = command.passing();
    let mut teller = Teller::new(passing.json);
    let outcome = command
        .plan()
        .map_err(Failure::from)
        .and_then(|plan| train(&plan, passing, &mut teller));
    if let Err(failure) = &outcome {
        teller.failed(failure);
    }
    outcome
}

/// How this run goes, rather than what comes out.
#[derive(Debug, Clone, Copy)]
struct Passing {
    unless_done: bool,
    fresh: bool,
    json: bool,
}

fn train(plan: &TrainingPlan, passing: Passing, teller: &mut Teller) -> Result<(), Failure> {
    let task = plan.task(&places(plan)?)?;
    if passing.unless_done && is_done(&task)? {
        teller.done_already(task.out());
        return Ok(());
    }
    if passing.fresh {
        task.begin_anew()?;
    }
    let stop = catch_interrupts()?;
    match task.run(stop, &mut |news| teller.tell(&news))? {
        TrainingEnd::Done(_) => {
            teller.saved(task.out());
            Ok(())
        }
        TrainingEnd::Stopped { step, total_steps } => Err(Failure::Cancelled(format!(
            "stopped after step {step} of {total_steps}; the same command goes on from there"
        ))),
    }
}

/// Where things lie for trainings from the command line.
fn places(plan: &TrainingPlan) -> Result<Places, Failure> {
    let embedded_model = match &plan.model {
        Some(_) => assets::embedded_model(),
        None => assets::require_embedded_model()?,
    };
    Ok(Places {
        embedded_model,
        own_controls: assets::user_controls(),
        work: cache_folder(),
        command: Some(command::of_this_run()),
        report_every: REPORT_EVERY,
    })
}

/// `vernier/training/controls` in the user's cache.
fn cache_folder() -> Option<PathBuf> {
    Some(user_folders::cache()?.join("training").join("controls"))
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

/// Whether the file to be written is there, made by the same command for the same model.
fn is_done(task: &TrainingTask) -> EngineResult<bool> {
    let out: &Path = task.out();
    if !out.exists() {
        return Ok(false);
    }
    let made = ControlFile::open(out)?.info;
    let model = Checkpoint::open(task.model_folder())?.hash()?;
    Ok(made.command == task.command() && made.model.hash == model)
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
