//! What waits for the engine.
//!
//! The engine is given one job at a time, so that the rest can still be reordered here.

use std::collections::VecDeque;

use vernier_engine::recipe::Recipe;
use vernier_engine::service::{JobId, MeasureRequest};

/// Why a job is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobKind {
    /// The bench as it is now; its picture takes the place of the last such one.
    Live,
    /// Asked for; its pictures are kept.
    Batch,
    /// The cells of a sweep.
    Sweep,
    /// What a control of the library does.
    Preview,
    /// What a control does along its range.
    ContactSheet,
    /// A control is measured; it cannot be interrupted and gone on with.
    Measure,
}

/// Pictures to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedJob {
    /// Its number.
    pub id: JobId,
    /// Why it is there.
    pub kind: JobKind,
    /// What is still to be rendered.
    pub recipes: Vec<Recipe>,
    /// What is to be measured.
    pub measure: Option<Box<MeasureRequest>>,
}

/// How far the running job is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Pictures done.
    pub picture: usize,
    /// About how many there are, where only the engine knows; else 0.
    pub pictures: usize,
    /// Model calls done for the present picture.
    pub step: usize,
    /// Model calls that it takes.
    pub steps: usize,
    /// Model calls per second; 0 while unknown.
    pub its_per_sec: f64,
    /// Seconds until the job ends, where that can be said.
    pub eta_secs: Option<f64>,
}

/// The job that the engine has.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningJob {
    /// Which.
    pub job: QueuedJob,
    /// How far it is.
    pub progress: Progress,
    /// Whether it has been told to stop.
    pub is_cancelled: bool,
    /// Whether what is left of it shall wait in the queue once it has stopped.
    pub comes_back: bool,
}

/// Jobs in the order in which they will run.
#[derive(Debug, Default)]
pub struct Queue {
    running: Option<RunningJob>,
    pending: VecDeque<QueuedJob>,
    last_id: u64,
}

impl Queue {
    /// The job that the engine has.
    pub fn running(&self) -> Option<&RunningJob> {
        self.running.as_ref()
    }

    /// Jobs that wait, the next one first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &QueuedJob> {
        self.pending.iter()
    }

    /// The job that runs, and those that wait, the next one first.
    pub fn jobs(&self) -> impl Iterator<Item = &QueuedJob> {
        let running = self.running.iter().map(|running| &running.job);
        running.chain(&self.pending)
    }

    /// Puts `recipes` at the end of the queue.
    pub fn push_as(&mut self, kind: JobKind, recipes: Vec<Recipe>) -> JobId {
        self.push_job(kind, recipes, None)
    }

    /// Puts something to measure at the end of the queue.
    pub fn push_measure(&mut self, request: MeasureRequest) -> JobId {
        self.push_job(JobKind::Measure, Vec::new(), Some(Box::new(request)))
    }

    fn push_job(
        &mut self,
        kind: JobKind,
        recipes: Vec<Recipe>,
        measure: Option<Box<MeasureRequest>>,
    ) -> JobId {
        let id = self.next_id();
        self.pending.push_back(QueuedJob {
            id,
            kind,
            recipes,
            measure,
        });
        id
    }

    /// The job that shall run now: a live one before all others. `None` while one runs or nothing
    /// waits.
    pub fn start_next(&mut self, live: Option<Recipe>) -> Option<&QueuedJob> {
        if self.running.is_some() {
            return None;
        }
        let job = match live {
            Some(recipe) => QueuedJob {
                id: self.next_id(),
                kind: JobKind::Live,
                recipes: vec![recipe],
                measure: None,
            },
            None => self.pending.pop_front()?,
        };
        let running = self.running.insert(RunningJob {
            job,
            progress: Progress::default(),
            is_cancelled: false,
            comes_back: false,
        });
        Some(&running.job)
    }

    /// Notes how far the running job is.
    pub fn progress(&mut self, id: JobId, progress: Progress) {
        if let Some(running) = self.running.as_mut().filter(|r| r.job.id == id) {
            running.progress = progress;
        }
    }

    /// Marks the running job as told to stop; `None` where none runs or it was told before. With
    /// `comes_back`, what is left of a batch goes on later.
    pub fn cancel_running(&mut self, comes_back: bool) -> Option<JobId> {
        let running = self.running.as_mut()?;
        running.comes_back &= comes_back;
        if running.is_cancelled {
            return None;
        }
        running.is_cancelled = true;
        running.comes_back = comes_back;
        Some(running.job.id)
    }

    /// The running job has ended, `done` of its pictures made; what is left of it waits again
    /// where it was only interrupted.
    pub fn ended(&mut self, id: JobId, done: usize) {
        let Some(running) = self.running.take_if(|r| r.job.id == id) else {
            return;
        };
        let mut job = running.job;
        job.recipes.drain(..done.min(job.recipes.len()));
        if running.comes_back && job.kind != JobKind::Live && !job.recipes.is_empty() {
            job.id = self.next_id();
            self.pending.push_front(job);
        }
    }

    /// Takes a waiting job out.
    pub fn remove(&mut self, id: JobId) {
        self.pending.retain(|job| job.id != id);
    }

    /// Takes all waiting jobs out.
    pub fn clear_pending(&mut self) {
        self.pending.clear();
    }

    /// Moves a waiting job by `by` places; negative ones bring it forward.
    pub fn shift(&mut self, id: JobId, by: isize) {
        let Some(at) = self.pending.iter().position(|job| job.id == id) else {
            return;
        };
        let to = at.saturating_add_signed(by).min(self.pending.len() - 1);
        if let Some(job) = self.pending.remove(at) {
            self.pending.insert(to, job);
        }
    }

    /// A number for a job that does not stand in this queue.
    pub fn fresh_id(&mut self) -> JobId {
        self.next_id()
    }

    fn next_id(&mut self) -> JobId {
        self.last_id += 1;
        JobId(self.last_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::state::testing;

    fn recipe(seed: u64) -> Recipe {
        testing::recipe("", seed)
    }

    fn seeds(queue: &Queue) -> Vec<Vec<u64>> {
        let seeds = |job: &QueuedJob| job.recipes.iter().map(|r| r.seed).collect();
        queue.pending().map(seeds).collect()
    }

    #[test]
    fn a_slider_goes_before_a_batch_which_goes_on_where_it_was() {
        let mut queue = Queue::default();
        queue.push_as(JobKind::Batch, vec![recipe(1), recipe(2), recipe(3)]);
        let batch = queue.start_next(None).unwrap().id;
        assert_eq!(queue.cancel_running(true), Some(batch));
        assert_eq!(queue.cancel_running(true), None, "it was told");
        assert!(
            queue.start_next(Some(recipe(9))).is_none(),
            "it has not ended yet"
        );
        queue.ended(batch, 1);
        let live = queue.start_next(Some(recipe(9))).unwrap();
        assert_eq!(live.kind, JobKind::Live);
        let live = live.id;
        queue.ended(live, 1);
        assert_eq!(seeds(&queue), [vec![2, 3]]);
    }

    #[test]
    fn a_job_that_was_cancelled_for_good_does_not_come_back() {
        let mut queue = Queue::default();
        queue.push_as(JobKind::Batch, vec![recipe(1), recipe(2)]);
        let id = queue.start_next(None).unwrap().id;
        queue.cancel_running(true);
        queue.cancel_running(false);
        queue.ended(id, 0);
        assert_eq!(queue.pending().len(), 0);
    }

    #[test]
    fn waiting_jobs_change_places() {
        let mut queue = Queue::default();
        let ids: Vec<JobId> = (1..=3)
            .map(|seed| queue.push_as(JobKind::Batch, vec![recipe(seed)]))
            .collect();
        queue.shift(ids[2], -1);
        assert_eq!(seeds(&queue), [[1], [3], [2]]);
        queue.shift(ids[0], 9);
        assert_eq!(seeds(&queue), [[3], [2], [1]]);
        queue.remove(ids[1]);
        queue.shift(ids[1], 1);
        assert_eq!(seeds(&queue), [[3], [1]]);
        queue.clear_pending();
        assert!(queue.start_next(None).is_none());
    }
}
