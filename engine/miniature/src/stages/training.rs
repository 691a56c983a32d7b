//! A stage's network through the training loop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tch::{Device, Tensor};
use vernier_engine::EngineError;
use vernier_engine::Result;
use vernier_engine::train::{
    AdamW, LearningRate, Replica, StepReport, TrainLoop, TrainOptions, Watch,
};
use vernier_engine::weights::SafetensorsFile;

use super::Session;
use super::console::say;
use crate::cli::Schedule;

/// Time between saves of the training state.
const SAVE_EVERY: Duration = Duration::from_mins(2);
/// Time between lines of progress.
const REPORT_EVERY: Duration = Duration::from_secs(15);
/// Steps over which the learning rate rises at the start.
const WARMUP_STEPS: u64 = 100;

/// How a stage trains where the command line does not say.
pub(super) struct Recipe {
    /// The stage's name, which is its state's too.
    pub(super) name: &'static str,
    /// Peak learning rate.
    pub(super) learning_rate: f64,
    /// The optimiser.
    pub(super) optimizer: AdamW,
}

/// Looks at averaged parameters (fp32, by name) after some steps.
pub(super) type Look<'a> = dyn FnMut(u64, &[(String, Tensor)]) -> Result<()> + 'a;

/// A [`Look`] and the time between two.
pub(super) type Looks<'a> = (Duration, &'a mut Look<'a>);

/// The averaged parameters of a network, and whether all its steps are done.
pub(super) struct Outcome {
    pub(super) averages: Vec<(String, Tensor)>,
    pub(super) complete: bool,
}

impl Outcome {
    /// Fails where the training was stopped early; what it has become is exported by then.
    pub(super) fn require_complete(&self) -> Result<()> {
        if self.complete {
            Ok(())
        } else {
            Err(EngineError::Cancelled)
        }
    }
}

impl Session {
    /// Trains until all steps of `schedule` are done or the artist stops it.
    pub(super) fn train<R: Replica + Send>(
        &self,
        recipe: &Recipe,
        schedule: &Schedule,
        looks: Option<Looks<'_>>,
        build: impl Fn() -> Result<R>,
    ) -> Result<Outcome> {
        let Recipe { name, .. } = *recipe;
        let workers = if self.device == Device::Cpu {
            // Several single-threaded workers beat one with several threads.
            tch::set_num_threads(1);
            schedule.workers.into()
        } else {
            1
        };
        let (show_every, look) = match looks {
            Some((every, look)) => (Some(every), Some(look)),
            None => (None, None),
        };
        let options = TrainOptions {
            workers,
            optimizer: recipe.optimizer,
            learning_rate: LearningRate {
                peak: schedule.lr.unwrap_or(recipe.learning_rate),
                warmup_steps: WARMUP_STEPS,
                total_steps: schedule.steps,
                decay_fraction: schedule.decay,
            },
            state_file: self.place.state(name),
            save_every: SAVE_EVERY,
            report_every: REPORT_EVERY,
            show_every,
        };
        say(&format!(
            "{name}: to step {} in {:?} on {:?} ({}), workers: {workers}, state: {}",
            schedule.steps,
            self.kind,
            self.device,
            self.why_device,
            options.state_file.display()
        ));
        let mut lines = Lines { name, look };
        let start = match &schedule.from {
            Some(path) if options.state_file.exists() => {
                say(&format!(
                    "{name}: goes on from its state; {} is not read",
                    path.display()
                ));
                None
            }
            from => from.as_deref(),
        };
        let build = || {
            let replica = build()?;
            if let Some(path) = start {
                start_from(path, &replica.parameters())?;
            }
            Ok(replica)
        };
        let trained =
            TrainLoop::new(options, Arc::clone(&self.stop)).run(|_| build(), &mut lines)?;
        let complete = trained.step >= schedule.steps;
        if !complete {
            say(&format!(
                "{name}: stopped after step {} of {}; the same command goes on from there",
                trained.step, schedule.steps
            ));
        }
        Ok(Outcome {
            averages: trained.averages,
            complete,
        })
    }
}

/// Sets `parameters` to the tensors of the same names in `path`.
fn start_from(path: &Path, parameters: &[(String, Tensor)]) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let file = SafetensorsFile::open(path)?;
    for (name, parameter) in parameters {
        let stored = file.tensor(name, parameter.kind(), parameter.device())?;
        let stored = stored.filter(|stored| stored.size() == parameter.size());
        let Some(stored) = stored else {
            let shape = parameter.size();
            let problem =
                format!("holds no \"{name}\" of shape {shape:?}: it is another network's");
            return Err(EngineError::bad_file(path, problem));
        };
        parameter.shallow_clone().f_copy_(&stored)?;
    }
    Ok(())
}

/// Tells the progress line by line, and passes the averages on.
struct Lines<'a> {
    name: &'static str,
    look: Option<&'a mut Look<'a>>,
}

impl Watch for Lines<'_> {
    fn report(&mut self, report: &StepReport) {
        say(&progress_line(self.name, report));
    }

    fn averages(&mut self, step: u64, averages: Vec<(String, Tensor)>) -> Result<()> {
        match &mut self.look {
            Some(look) => look(step, &averages),
            None => Ok(()),
        }
    }
}

fn progress_line(name: &str, report: &StepReport) -> String {
    let figures: Vec<String> = report
        .figures
        .iter()
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    let left = (report.total_steps - report.step) as f64 / report.steps_per_sec.max(1e-9);
    format!(
        "{name} {}/{} {:.2} it/s, {:.0} min left: {}",
        report.step,
        report.total_steps,
        report.steps_per_sec,
        left / 60.0,
        figures.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use tch::Tensor;
    use vernier_engine::train::StepReport;
    use vernier_engine::weights::save;

    use super::{progress_line, start_from};

    #[test]
    fn a_network_starts_from_exported_weights_of_its_own_shape_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let named = |values: &[f32]| vec![("w".to_owned(), Tensor::from_slice(values))];
        save(&path, &named(&[1.0, 2.0]), &[]).unwrap();
        let parameters = named(&[0.0, 0.0]);
        start_from(&path, &parameters).unwrap();
        assert_eq!(parameters[0].1, Tensor::from_slice(&[1.0_f32, 2.0]));
        let error = start_from(&path, &named(&[0.0; 3])).unwrap_err();
        assert!(error.to_string().contains("holds no \"w\""), "{error}");
    }

    #[test]
    fn a_line_tells_step_speed_time_left_and_figures() {
        let report = StepReport {
            step: 400,
            total_steps: 1000,
            figures: vec![("loss", 0.123_45), ("top1", 0.5)],
            latest: Vec::new(),
            steps_per_sec: 2.0,
        };
        assert_eq!(
            progress_line("clip", &report),
            "clip 400/1000 2.00 it/s, 5 min left: loss 0.1235 top1 0.5000"
        );
    }
}
