//! What every worker does at each step, and where the workers meet.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};

use tch::{Kind, Tensor};

use super::{AdamW, AdamWState, FlatParams, LearningRate, Replica};
use crate::{EngineError, Result};

/// A figure's name and value.
pub(super) type Figure = (&'static str, f64);

/// What the workers of one run have in common.
pub(super) struct Shared {
    barrier: Barrier,
    square_norms: Mutex<Vec<f64>>,
    figures: Mutex<Vec<Figure>>,
    failure: Mutex<Option<EngineError>>,
    /// Written by the first worker alone, and only while the others are on their way to the
    /// barrier after which all read it: so they all read the same.
    over: AtomicBool,
}

impl Shared {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            barrier: Barrier::new(workers),
            square_norms: Mutex::new(vec![0.0; workers]),
            figures: Mutex::new(Vec::new()),
            failure: Mutex::new(None),
            over: AtomicBool::new(false),
        }
    }

    /// The first failure of any worker.
    pub(super) fn outcome(self) -> Result<()> {
        let failure = self.failure.into_inner();
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Does `part` unless something failed before; an error or panic in it fails the run.
    fn attempt(&self, part: impl FnOnce() -> Result<()>) {
        if locked(&self.failure).is_some() {
            return;
        }
        // A worker that panicked would leave the others waiting at the barrier for ever.
        let result = catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|_| {
            let problem = "a worker stopped in a way that it never should; \
                           resume from the last saved state and report this";
            Err(EngineError::request("training", problem))
        });
        if let Err(error) = result {
            locked(&self.failure).get_or_insert(error);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Start and length of the elements that worker `index` of `count` updates.
pub(super) fn slice(elements: i64, index: usize, count: usize) -> (i64, i64) {
    let edge = |index: usize| elements * index as i64 / count as i64;
    (edge(index), edge(index + 1) - edge(index))
}

/// One replica and its share of the update.
pub(super) struct Worker<R> {
    pub(super) index: usize,
    pub(super) replica: R,
    pub(super) params: FlatParams,
    /// Every worker's gradients, `[elements]` each.
    pub(super) gradients: Vec<Tensor>,
    /// The slice of the state that this worker updates.
    pub(super) state: AdamWState,
    pub(super) optimizer: AdamW,
    pub(super) learning_rate: LearningRate,
}

impl<R: Replica> Worker<R> {
    /// Steps until all are done; the first worker alone listens to `stop`, and calls `after_step`
    /// while the others wait.
    pub(super) fn work(
        &mut self,
        shared: &Shared,
        stop: impl Fn() -> bool,
        mut after_step: impl FnMut(u64, &FlatParams, &[Figure]) -> Result<()>,
    ) {
        let lead = self.index == 0;
        loop {
            if lead {
                let done = self.state.step >= self.learning_rate.total_steps;
                let over = done || stop() || locked(&shared.failure).is_some();
                shared.over.store(over, Ordering::SeqCst);
            }
            shared.barrier.wait();
            if shared.over.load(Ordering::SeqCst) {
                return;
            }
            shared.attempt(|| self.backward(shared));
            shared.barrier.wait();
            shared.attempt(|| self.average(shared));
            shared.barrier.wait();
            shared.attempt(|| self.apply(shared));
            shared.barrier.wait();
            if lead {
                let figures = std::mem::take(&mut *locked(&shared.figures));
                shared.attempt(|| after_step(self.state.step, &self.params, &figures));
            }
        }
    }

    /// Forward and backward pass; leaves this worker's gradients in its own buffer.
    fn backward(&mut self, shared: &Shared) -> Result<()> {
        let (loss, figures) = self.replica.loss(self.state.step)?;
        let value = f64::try_from(loss.f_detach()?.f_to_kind(Kind::Double)?)?;
        if !value.is_finite() {
            return Err(self.not_finite("loss is"));
        }
        loss.f_backward()?;
        self.params
            .take_gradients(&mut self.gradients[self.index])?;
        let mut all = locked(&shared.figures);
        all.push(("loss", value));
        all.extend(figures);
        Ok(())
    }

    /// Averages this worker's slice over all workers into the first buffer and notes its square
    /// norm.
    fn average(&mut self, shared: &Shared) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let (start, len) = self.slice();
        let count = self.gradients.len();
        let mut sum = self.gradients[0].f_narrow(0, start, len)?;
        for other in &self.gradients[1..] {
            let _ = sum.f_add_(&other.f_narrow(0, start, len)?)?;
        }
        if count > 1 {
            let _ = sum.f_div_scalar_(count as f64)?;
        }
        let square = f64::try_from(sum.f_dot(&sum)?)?;
        locked(&shared.square_norms)[self.index] = square;
        Ok(())
    }

    /// Clips this worker's slice of the average by the norm of the whole, and takes the step.
    fn apply(&mut self, shared: &Shared) -> Result<()> {
        let norm = locked(&shared.square_norms).iter().sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(self.not_finite("gradients are"));
        }
        let (start, len) = self.slice();
        let _guard = tch::no_grad_guard();
        let mut grad = self.gradients[0].f_narrow(0, start, len)?;
        let limit = self.optimizer.max_grad_norm;
        if norm > limit {
            let _ = grad.f_mul_scalar_(limit / norm)?;
        }
        let rate = self.learning_rate.at(self.state.step);
        let mut params = self.params.buffer().f_narrow(0, start, len)?;
        self.state.update(&self.optimizer, rate, &grad, &mut params)
    }

    fn slice(&self) -> (i64, i64) {
        slice(self.params.len(), self.index, self.gradients.len())
    }

    fn not_finite(&self, what: &str) -> EngineError {
        EngineError::NotFinite {
            place: format!("training step {}", self.state.step + 1),
            problem: format!(
                "the {what} not finite; what was saved last is whole, so train again with a lower \
                 learning rate"
            ),
        }
    }
}
