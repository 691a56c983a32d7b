//! A data-parallel training loop: one single-threaded replica a worker, parameters shared in
//! memory, gradients averaged every step, each worker updating its own slice.
//!
//! On a CPU several single-threaded workers are much faster than one multi-threaded one for small
//! models; on a GPU there is one worker.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use tch::{Kind, Tensor};

use super::{AdamW, AdamWState, FlatParams, LearningRate};
use crate::{EngineError, Result};

/// One worker's copy of the model, with its own stream of data.
pub trait Replica {
    /// Every trainable parameter, in the same order in every replica.
    fn parameters(&self) -> Vec<(String, Tensor)>;

    /// The loss (a scalar with a graph) of a fresh batch, and figures to show.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)>;
}

/// What one step did, averaged over the workers and smoothed over steps.
#[derive(Debug, Clone)]
pub struct StepReport {
    /// Steps done, over all runs.
    pub step: u64,
    /// Steps asked for.
    pub total_steps: u64,
    /// Smoothed figures, the loss first.
    pub figures: Vec<(&'static str, f64)>,
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
}

/// The loop.
#[derive(Debug)]
pub struct TrainLoop {
    options: TrainOptions,
    stop: Arc<AtomicBool>,
}

struct Shared {
    barrier: Barrier,
    norms: Mutex<Vec<f64>>,
    figures: Mutex<Vec<(&'static str, f64)>>,
    failure: Mutex<Option<EngineError>>,
    failed: AtomicBool,
}

struct Worker<R> {
    index: usize,
    replica: R,
    params: FlatParams,
    gradients: Vec<Tensor>,
    state: AdamWState,
}

impl TrainLoop {
    /// A loop; setting `stop` ends it after the present step, with its state saved.
    pub fn new(options: TrainOptions, stop: Arc<AtomicBool>) -> Self {
        Self { options, stop }
    }

    /// Trains until all steps are done or a stop is asked for, and gives the averaged (EMA)
    /// parameters by name, in fp32.
    ///
    /// # Errors
    /// A replica fails, the loss stops being finite (the last saved state is kept), or the state
    /// cannot be written.
    pub fn run<R: Replica + Send>(
        &self,
        build: impl Fn(usize) -> Result<R>,
        mut report: impl FnMut(&StepReport) + Send,
    ) -> Result<Vec<(String, Tensor)>> {
        let count = self.options.workers.max(1);
        let first = build(0)?;
        let params = FlatParams::gather(first.parameters())?;
        let device = params.buffer().device();
        let mut state = AdamWState::new(params.buffer())?;
        if self.options.state_file.exists() {
            state.load(&self.options.state_file, &params.layout(), device)?;
            let _guard = tch::no_grad_guard();
            params.buffer().shallow_clone().f_copy_(&state.master)?;
        }
        let buffers = (0..count)
            .map(|_| Tensor::f_zeros([params.len()], (Kind::Float, device)))
            .collect::<Result<Vec<_>, _>>()?;
        let clones = || {
            buffers
                .iter()
                .map(Tensor::shallow_clone)
                .collect::<Vec<_>>()
        };
        let whole = params.len();
        let slice = |index: usize| {
            let start = whole * index as i64 / count as i64;
            let end = whole * (index as i64 + 1) / count as i64;
            (start, end - start)
        };
        let mut workers = Vec::with_capacity(count);
        for index in 1..count {
            let replica = build(index)?;
            let shared = params.share(replica.parameters())?;
            let (start, len) = slice(index);
            let state = state.slice(start, len)?;
            workers.push(Worker {
                index,
                replica,
                params: shared,
                gradients: clones(),
                state,
            });
        }
        let (start, len) = slice(0);
        let mine = state.slice(start, len)?;
        let lead = Worker {
            index: 0,
            replica: first,
            params,
            gradients: clones(),
            state: mine,
        };
        let shared = Shared {
            barrier: Barrier::new(count),
            norms: Mutex::new(vec![0.0; count]),
            figures: Mutex::new(Vec::new()),
            failure: Mutex::new(None),
            failed: AtomicBool::new(false),
        };
        let lead = std::thread::scope(|scope| {
            for mut worker in workers {
                let shared = &shared;
                scope.spawn(move || {
                    tch::set_num_threads(1);
                    self.work(&mut worker, shared, slice, &mut |_, _| Ok(()));
                });
            }
            let mut lead = lead;
            let mut clock = Clock::new(lead.state.step, lead.params.layout());
            let whole_state = &mut state;
            self.work(&mut lead, &shared, slice, &mut |step, figures| {
                whole_state.step = step;
                clock.tick(&self.options, step, figures, &mut report, whole_state)
            });
            lead
        });
        if let Some(error) = shared
            .failure
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
        {
            return Err(error);
        }
        state.save(&self.options.state_file, &lead.params.layout())?;
        lead.params.split(&state.ema, Kind::Float)
    }

    fn work<R: Replica>(
        &self,
        worker: &mut Worker<R>,
        shared: &Shared,
        slice: impl Fn(usize) -> (i64, i64),
        after_step: &mut dyn FnMut(u64, &[(&'static str, f64)]) -> Result<()>,
    ) {
        let total = self.options.learning_rate.total_steps;
        loop {
            if worker.index == 0
                && (self.stop.load(Ordering::Relaxed) || worker.state.step >= total)
            {
                shared.failed.store(true, Ordering::SeqCst);
            }
            shared.barrier.wait();
            if shared.failed.load(Ordering::SeqCst) {
                return;
            }
            let fail = |error: EngineError| {
                let mut slot = shared
                    .failure
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                slot.get_or_insert(error);
                shared.failed.store(true, Ordering::SeqCst);
            };
            // Every worker passes the same barriers whether or not it failed.
            if let Err(error) = backward(worker, shared) {
                fail(error);
            }
            shared.barrier.wait();
            if !shared.failed.load(Ordering::SeqCst)
                && let Err(error) = average(worker, shared, &slice)
            {
                fail(error);
            }
            shared.barrier.wait();
            if !shared.failed.load(Ordering::SeqCst)
                && let Err(error) = self.apply(worker, shared, &slice)
            {
                fail(error);
            }
            shared.barrier.wait();
            if shared.failed.load(Ordering::SeqCst) {
                return;
            }
            if worker.index == 0 {
                let figures = std::mem::take(
                    &mut *shared
                        .figures
                        .lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner),
                );
                if let Err(error) = after_step(worker.state.step, &figures) {
                    fail(error);
                }
            }
        }
    }

    fn apply<R>(
        &self,
        worker: &mut Worker<R>,
        shared: &Shared,
        slice: &impl Fn(usize) -> (i64, i64),
    ) -> Result<()> {
        let norm = {
            let norms = shared
                .norms
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            norms.iter().sum::<f64>().sqrt()
        };
        if !norm.is_finite() {
            return Err(EngineError::NotFinite {
                place: format!("training step {}", worker.state.step + 1),
                problem: "the gradients are not finite; lower the learning rate and resume from the last saved state".to_owned(),
            });
        }
        let (start, len) = slice(worker.index);
        let _guard = tch::no_grad_guard();
        let mut grad = worker.gradients[0].f_narrow(0, start, len)?;
        let limit = self.options.optimizer.max_grad_norm;
        if norm > limit {
            let _ = grad.f_mul_scalar_(limit / norm)?;
        }
        let rate = self.options.learning_rate.at(worker.state.step);
        let mut params = worker.params.buffer().f_narrow(0, start, len)?;
        worker
            .state
            .update(&self.options.optimizer, rate, &grad, &mut params)
    }
}

/// Forward and backward pass; leaves this worker's gradients in its own buffer.
fn backward<R: Replica>(worker: &mut Worker<R>, shared: &Shared) -> Result<()> {
    let (loss, figures) = worker.replica.loss(worker.state.step)?;
    loss.f_backward()?;
    worker
        .params
        .take_gradients(&mut worker.gradients[worker.index])?;
    let mut all = vec![(
        "loss",
        f64::try_from(loss.f_detach()?.f_to_kind(Kind::Double)?)?,
    )];
    all.extend(figures);
    shared
        .figures
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .extend(all);
    Ok(())
}

/// Averages this worker's slice over all workers into the first buffer and notes its square norm.
fn average<R>(
    worker: &mut Worker<R>,
    shared: &Shared,
    slice: &impl Fn(usize) -> (i64, i64),
) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let (start, len) = slice(worker.index);
    let count = worker.gradients.len();
    let mut sum = worker.gradients[0].f_narrow(0, start, len)?;
    for other in &worker.gradients[1..] {
        let _ = sum.f_add_(&other.f_narrow(0, start, len)?)?;
    }
    if count > 1 {
        let _ = sum.f_div_scalar_(count as f64)?;
    }
    let square = f64::try_from(sum.f_dot(&sum)?)?;
    shared
        .norms
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)[worker.index] = square;
    Ok(())
}

/// Smooths figures, reports and saves by the clock.
struct Clock {
    start: Instant,
    first_step: u64,
    last_report: Instant,
    last_save: Instant,
    smooth: Vec<(&'static str, f64)>,
    layout: String,
}

impl Clock {
    fn new(first_step: u64, layout: String) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            first_step,
            last_report: now,
            last_save: now,
            smooth: Vec::new(),
            layout,
        }
    }

    fn tick(
        &mut self,
        options: &TrainOptions,
        step: u64,
        figures: &[(&'static str, f64)],
        report: &mut impl FnMut(&StepReport),
        state: &AdamWState,
    ) -> Result<()> {
        for &(name, value) in figures {
            match self.smooth.iter_mut().find(|(n, _)| *n == name) {
                Some((_, s)) => *s += 0.03 * (value - *s),
                None => self.smooth.push((name, value)),
            }
        }
        if self.last_report.elapsed() >= options.report_every {
            self.last_report = Instant::now();
            report(&StepReport {
                step,
                total_steps: options.learning_rate.total_steps,
                figures: self.smooth.clone(),
                steps_per_sec: (step - self.first_step) as f64 / self.start.elapsed().as_secs_f64(),
            });
        }
        if self.last_save.elapsed() >= options.save_every {
            self.last_save = Instant::now();
            state.save(&options.state_file, &self.layout)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use tch::{Device, Kind, Tensor};

    use super::{Replica, TrainLoop, TrainOptions};
    use crate::train::{AdamW, LearningRate};
    use crate::{EngineError, Result};

    /// Fits `w` to `target` by least squares on inputs that depend on step and worker only.
    struct Line {
        weight: Tensor,
        worker: i64,
        poison_at: Option<u64>,
    }

    impl Replica for Line {
        fn parameters(&self) -> Vec<(String, Tensor)> {
            vec![("weight".to_owned(), self.weight.shallow_clone())]
        }

        fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
            let target = Tensor::from_slice(&[1.0_f32, -2.0, 3.0]);
            let phase = step as f64 + self.worker as f64;
            let input = Tensor::f_arange(3, (Kind::Float, Device::Cpu))?
                .f_add_scalar(phase)?
                .f_sin()?;
            let error = (&self.weight - target) * input;
            let loss = error.square().mean(Kind::Float);
            let poisoned = self.poison_at == Some(step);
            Ok((if poisoned { loss * f64::NAN } else { loss }, Vec::new()))
        }
    }

    fn train(
        folder: &std::path::Path,
        workers: usize,
        steps: u64,
        poison_at: Option<u64>,
    ) -> Result<Vec<f32>> {
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
            save_every: Duration::from_secs(0),
            report_every: Duration::from_secs(3600),
        };
        let named = TrainLoop::new(options, Arc::new(AtomicBool::new(false))).run(
            |worker| {
                let weight = Tensor::f_zeros([3], (Kind::Float, Device::Cpu))?;
                Ok(Line {
                    weight,
                    worker: worker as i64,
                    poison_at,
                })
            },
            |_| {},
        )?;
        Ok(Vec::try_from(&named[0].1)?)
    }

    #[test]
    fn stopping_and_resuming_gives_the_same_parameters() {
        let (once, twice) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let straight = train(once.path(), 1, 60, None).unwrap();
        train(twice.path(), 1, 25, None).unwrap();
        assert_eq!(straight, train(twice.path(), 1, 60, None).unwrap());
    }

    #[test]
    fn two_workers_learn_and_agree_on_one_model() {
        let folder = tempfile::tempdir().unwrap();
        let fitted = train(folder.path(), 2, 400, None).unwrap();
        for (got, want) in fitted.iter().zip([1.0, -2.0, 3.0]) {
            assert!((got - want).abs() < 0.05, "{fitted:?}");
        }
    }

    #[test]
    fn a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_state() {
        let folder = tempfile::tempdir().unwrap();
        let error = train(folder.path(), 2, 50, Some(30)).unwrap_err();
        assert!(matches!(error, EngineError::NotFinite { .. }), "{error}");
        // The saved state is from before the bad step: training goes on from there.
        train(folder.path(), 2, 50, None).unwrap();
    }
}
