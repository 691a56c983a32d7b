//! A data-parallel training loop: one single-threaded replica a worker, parameters shared in
//! memory, gradients averaged every step, each worker updating its own slice.
//!
//! On a CPU several single-threaded workers are much faster than one multi-threaded one for small
//! models; on a GPU there is one worker.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tch::{Device, Kind, Tensor};

use super::clock::Clock;
use super::worker::{Shared, Worker, slice};
use super::{AdamW, AdamWState, FlatParams, LearningRate};
use crate::{EngineError, Result};

/// One worker's copy of the model, with its own stream of data.
pub trait Replica {
    /// Every trainable parameter, in the same order in every replica.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// The loss (a scalar with a graph) of a fresh batch for step `step` (counted from 0), and
    /// figures to show.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)>;
}

/// Looks on while a model is trained.
pub trait Watch {
    /// Hears how far the training is, every [`TrainOptions::report_every`].
    fn report(&mut self, report: &StepReport);

    /// Sees the averaged parameters (fp32, by name) after `step` steps, every
    /// [`TrainOptions::show_every`]. The workers wait meanwhile.
    ///
    /// # Errors
    /// What goes wrong here ends the training, its last saved state kept.
    fn averages(&mut self, step: u64, averages: Vec<(String, Tensor)>) -> Result<()>;
}

/// How far a training is.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Steps done, over all runs.
    pub step: u64,
    /// Steps asked for.
    pub total_steps: u64,
    /// Figures smoothed over workers and steps, the loss first.
    pub figures: Vec<(&'static str, f64)>,
    /// The same, averaged over the workers and the steps since the last report only.
    pub latest: Vec<(&'static str, f64)>,
    /// Steps a second in this run.
    pub steps_per_sec: f64,
}

/// Settings of a run.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Number of replicas.
    pub workers: usize,
    /// Optimiser settings.
    pub optimizer: AdamW,
    /// Learning rate over the steps.
    pub learning_rate: LearningRate,
    /// Where the training state is kept; an existing one is resumed.
    pub state_file: PathBuf,
    /// Time between saves.
    pub save_every: Duration,
    /// Time between reports.
    pub report_every: Duration,
    /// Time between looks at the averaged parameters; `None` for never.
    pub show_every: Option<Duration>,
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Trained {
    /// The averaged (EMA) parameters by name, in fp32.
    pub averages: Vec<(String, Tensor)>,
    /// Steps done, over all runs: fewer than asked for where the run was stopped.
    pub step: u64,
}

/// The loop.
#[derive(Debug)]
pub struct TrainLoop {
    options: TrainOptions,
    stop: Arc<AtomicBool>,
}

impl TrainLoop {
    /// A loop; setting `stop` ends it after the present step, with its state saved.
    pub fn new(options: TrainOptions, stop: Arc<AtomicBool>) -> Self {
        Self { options, stop }
    }

    /// Trains until all steps are done or a stop is asked for.
    ///
    /// # Errors
    /// The stored state belongs to another model or has taken more steps than are asked for, a
    /// replica fails, the loss or its gradients stop being finite (the last saved state is kept),
    /// or the state cannot be written, which shows before the first step.
    pub fn run<R: Replica + Send>(
        &self,
        build: impl Fn(usize) -> Result<R>,
        watch: &mut impl Watch,
    ) -> Result<Trained> {
        let count = self.options.workers.max(1);
        let first = build(0)?;
        let params = FlatParams::gather(first.parameters())?;
        let device = params.buffer().device();
        let mut state = self.begin(&params, device)?;
        let buffers = (0..count)
            .map(|_| Tensor::f_zeros([params.len()], (Kind::Float, device)))
            .collect::<Result<Vec<_>, _>>()?;
        let worker = |index: usize, replica: R, params: FlatParams, state: &AdamWState| {
            let (start, len) = slice(params.len(), index, count);
            Ok::<_, EngineError>(Worker {
                index,
                replica,
                params,
                gradients: buffers.iter().map(Tensor::shallow_clone).collect(),
                state: state.slice(start, len)?,
                optimizer: self.options.optimizer,
                learning_rate: self.options.learning_rate,
            })
        };
        let mut others = Vec::with_capacity(count - 1);
        for index in 1..count {
            let replica = build(index)?;
            let shared = params.share(replica.parameters())?;
            others.push(worker(index, replica, shared, &state)?);
        }
        let mut lead = worker(0, first, params, &state)?;
        let mut clock = Clock::new(&self.options, state.step, lead.params.layout());
        let shared = Shared::new(count);
        std::thread::scope(|scope| {
            for mut other in others {
                let shared = &shared;
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    other.work(shared, || false, |_, _, _| Ok(()));
                });
            }
            lead.work(
                &shared,
                || self.stop.load(Ordering::Relaxed),
                |step, params, figures| {
                    state.step = step;
                    clock.tick(figures, params, &state, watch)
                },
            );
        });
        shared.outcome()?;
        state.save(&self.options.state_file, &lead.params.layout())?;
        Ok(Trained {
            averages: lead.params.split(&state.ema, Kind::Float)?,
            step: state.step,
        })
    }

    /// The stored state with `params` set to it, or a fresh one of `params`, written at once.
    fn begin(&self, params: &FlatParams, device: Device) -> Result<AdamWState> {
        let (path, layout) = (&self.options.state_file, params.layout());
        let mut state = AdamWState::new(params.buffer())?;
        if !path.exists() {
            state.save(path, &layout)?;
            return Ok(state);
        }
        state.load(path, &layout, device)?;
        let total = self.options.learning_rate.total_steps;
        if state.step > total {
            let done = state.step;
            let problem = format!(
                "{total} is too few, for {} has taken {done} already; ask for {done} or more",
                path.display()
            );
            return Err(EngineError::request("steps", problem));
        }
        let _guard = tch::no_grad_guard();
        params.buffer().shallow_clone().f_copy_(&state.master)?;
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use tch::{Device, Kind, Tensor};

    use super::{Replica, StepReport, TrainLoop, TrainOptions, Trained, Watch};
    use crate::train::{AdamW, LearningRate};
    use crate::{EngineError, Result};

    const TARGET: [f32; 3] = [1.0, -2.0, 3.0];

    /// What goes wrong at a step.
    #[derive(Debug, Clone, Copy)]
    enum Mishap {
        None,
        NotANumber(u64),
        Panic(u64),
    }

    /// Fits `weight` to the target by least squares, on inputs that depend on step and worker only.
    struct Line {
        weight: Tensor,
        worker: i64,
        mishap: Mishap,
    }

    impl Replica for Line {
        fn parameters(&self) -> Vec<(String, Tensor)> {
            vec![("weight".to_owned(), self.weight.shallow_clone())]
        }

        fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
            let phase = step as f64 + self.worker as f64;
            let input = (Tensor::arange(3, (Kind::Float, Device::Cpu)) + phase).sin();
            let error = (&self.weight - Tensor::from_slice(&TARGET)) * input;
            let loss = error.square().mean(Kind::Float);
            match self.mishap {
                Mishap::NotANumber(at) if at == step => Ok((loss * f64::NAN, Vec::new())),
                Mishap::Panic(at) if at == step && self.worker == 1 => panic!("on purpose"),
                _ => Ok((loss, vec![("worker", self.worker as f64)])),
            }
        }
    }

    /// Stops the run at its first report, and keeps the averages that it is shown.
    #[derive(Default)]
    struct Witness {
        stop_at: Option<(u64, Arc<AtomicBool>)>,
        reports: Vec<StepReport>,
        shown: Vec<(u64, Vec<f32>)>,
    }

    impl Watch for Witness {
        fn report(&mut self, report: &StepReport) {
            self.reports.push(report.clone());
            if let Some((step, stop)) = &self.stop_at
                && report.step == *step
            {
                stop.store(true, Ordering::Relaxed);
            }
        }

        fn averages(&mut self, step: u64, averages: Vec<(String, Tensor)>) -> Result<()> {
            let values = Vec::try_from(&averages[0].1)?;
            self.shown.push((step, values));
            Ok(())
        }
    }

    fn run(
        folder: &Path,
        workers: usize,
        steps: u64,
        mishap: Mishap,
        witness: &mut Witness,
    ) -> Result<Trained> {
        let options = TrainOptions {
            workers,
            optimizer: AdamW {
                ema_decay: 0.0,
                weight_decay: 0.0,
                ..AdamW::default()
            },
            learning_rate: LearningRate {
                peak: 0.1,
                warmup_steps: 1,
                total_steps: steps,
                decay_fraction: 0.0,
            },
            state_file: folder.join("state.safetensors"),
            save_every: Duration::ZERO,
            report_every: Duration::ZERO,
            show_every: Some(Duration::ZERO),
        };
        let stop = match &witness.stop_at {
            Some((_, stop)) => Arc::clone(stop),
            None => Arc::default(),
        };
        TrainLoop::new(options, stop).run(
            |worker| {
                Ok(Line {
                    weight: Tensor::f_zeros([3], (Kind::Float, Device::Cpu))?,
                    worker: worker as i64,
                    mishap,
                })
            },
            witness,
        )
    }

    fn train(folder: &Path, workers: usize, steps: u64, mishap: Mishap) -> Result<Vec<f32>> {
        let trained = run(folder, workers, steps, mishap, &mut Witness::default())?;
        Ok(Vec::try_from(&trained.averages[0].1)?)
    }

    #[test]
    fn stopping_and_resuming_gives_the_same_parameters() {
        let (once, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let straight = train(once.path(), 2, 60, Mishap::None).unwrap();
        let mut witness = Witness {
            stop_at: Some((25, Arc::default())),
            ..Witness::default()
        };
        let stopped = run(twice.path(), 2, 60, Mishap::None, &mut witness).unwrap();
        assert_eq!(stopped.step, 25);
        let resumed = train(twice.path(), 2, 60, Mishap::None).unwrap();
        assert_eq!(straight, resumed);
    }

    #[test]
    fn two_workers_learn_and_agree_on_one_model() {
        let folder = tempfile::tempdir().unwrap();
        let fitted = train(folder.path(), 2, 400, Mishap::None).unwrap();
        for (got, want) in fitted.iter().zip(TARGET) {
            assert!((got - want).abs() < 0.05, "{fitted:?}");
        }
    }

    #[test]
    fn the_watch_hears_of_every_step_and_sees_the_averages() {
        let folder = tempfile::tempdir().unwrap();
        let mut witness = Witness::default();
        let trained = run(folder.path(), 2, 20, Mishap::None, &mut witness).unwrap();
        let last = witness.reports.last().unwrap();
        assert_eq!((last.step, last.total_steps), (20, 20));
        assert_eq!(last.figures[0].0, "loss");
        // Figures are averaged over the workers, which are 0 and 1.
        let worker = last.figures.iter().find(|f| f.0 == "worker").unwrap().1;
        assert!(worker > 0.0 && worker < 1.0, "{worker}");
        let (step, values) = witness.shown.last().unwrap();
        let kept: Vec<f32> = Vec::try_from(&trained.averages[0].1).unwrap();
        assert_eq!((*step, values), (20, &kept));
    }

    #[test]
    fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_state() {
        let folder = tempfile::tempdir().unwrap();
        let error = train(folder.path(), 2, 50, Mishap::NotANumber(30)).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
        // The saved state is from before the bad step: training goes on from there.
        let mut witness = Witness::default();
        run(folder.path(), 2, 50, Mishap::None, &mut witness).unwrap();
        assert_eq!(witness.reports[0].step, 31);
    }

    #[test]
    fn a_panic_in_one_worker_ends_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let error = train(folder.path(), 2, 50, Mishap::Panic(10)).unwrap_err();
        assert!(error.to_string().starts_with("training: a worker"));
    }

    #[test]
    fn fewer_steps_than_are_done_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        train(folder.path(), 1, 20, Mishap::None).unwrap();
        let error = train(folder.path(), 1, 10, Mishap::None).unwrap_err();
        let sentence = error.to_string();
        assert!(sentence.starts_with("steps: 10 is too few"), "{sentence}");
        assert!(sentence.ends_with("ask for 20 or more"), "{sentence}");
    }

    #[test]
    fn a_folder_that_cannot_be_written_shows_before_the_first_step() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let mut witness = Witness::default();
        let error = run(&missing, 1, 10, Mishap::None, &mut witness).unwrap_err();
        assert!(matches!(error, EngineError::Io { .. }), "{error}");
        assert!(witness.reports.is_empty());
    }
}
