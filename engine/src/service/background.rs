//! What goes on beside the renders: trainings and readings, one after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::worker::internal_error;
use super::{Event, JobId, ReadRequest, RenderOptions, SceneRequest, readings, scene};
use crate::control_training::{TrainingEnd, TrainingNews, TrainingTask};
use crate::{EngineError, Result, device, picture};

pub(super) const THREAD_NAME: &str = "vernier-background";

/// Something that takes long.
pub(super) enum Work {
    Train(Box<TrainingTask>),
    Read(ReadRequest, Box<RenderOptions>),
    Scene(Box<SceneRequest>, Box<RenderOptions>),
}

/// The queue, shared by the thread that works it off and the one that fills it.
#[derive(Clone)]
pub(super) struct Background {
    shared: Arc<(Mutex<State>, Condvar)>,
    events: Sender<Event>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(JobId, Work)>,
    running: Option<JobId>,
    /// Set to end the running job.
    stop: Arc<AtomicBool>,
    is_over: bool,
}

impl Background {
    /// An empty queue that tells of its jobs in `events`.
    pub(super) fn new(events: Sender<Event>) -> Self {
        Self {
            shared: Arc::default(),
            events,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a job at the end.
    pub(super) fn queue(&self, job: JobId, work: Work) {
        self.events.send(Event::Queued { job }).ok();
        self.state().waiting.push_back((job, work));
        self.shared.1.notify_one();
    }

    /// Stops a job; `false` where there is no such one here.
    pub(super) fn cancel(&self, job: JobId) -> bool {
        let mut state = self.state();
        if state.running == Some(job) {
            state.stop.store(true, Ordering::Relaxed);
            return true;
        }
        let before = state.waiting.len();
        state.waiting.retain(|(id, _)| *id != job);
        let is_ours = state.waiting.len() < before;
        if is_ours {
            self.events.send(Event::Cancelled { job }).ok();
        }
        is_ours
    }

    /// Stops everything; [`Background::run`] returns once the running job has ended.
    pub(super) fn shut_down(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.stop.store(true, Ordering::Relaxed);
        for (job, _) in std::mem::take(&mut state.waiting) {
            self.events.send(Event::Cancelled { job }).ok();
        }
        self.shared.1.notify_one();
    }

    /// Works the queue off until it is shut down.
    pub(super) fn run(self) {
        device::use_all_cores();
        while let Some((job, work, stop)) = self.next() {
            let attempt = || match &work {
                Work::Train(task) => self.train(job, task, stop),
                Work::Read(request, options) => {
                    readings::read(job, request, options, &stop, &self.events)
                }
                Work::Scene(request, options) => scene::read(job, request, options, &self.events),
            };
            let outcome = catch_unwind(AssertUnwindSafe(attempt));
            // A panic may have left the threads as a training wants them.
            device::use_all_cores();
            let outcome = outcome.unwrap_or_else(|panic| Err(internal_error(panic.as_ref())));
            self.state().running = None;
            let event = match outcome {
                Ok(()) => Event::Finished { job },
                Err(EngineError::Cancelled) => Event::Cancelled { job },
                Err(error) => Event::Failed {
                    job,
                    is_usage: error.is_usage(),
                    message: error.to_string(),
                },
            };
            self.events.send(event).ok();
        }
    }

    /// Waits for a job; `None` ends the thread.
    fn next(&self) -> Option<(JobId, Work, Arc<AtomicBool>)> {
        let mut state = self.state();
        loop {
            if state.is_over {
                return None;
            }
            if let Some((job, work)) = state.waiting.pop_front() {
                state.running = Some(job);
                state.stop = Arc::default();
                return Some((job, work, Arc::clone(&state.stop)));
            }
            let waited = self.shared.1.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn train(&self, job: JobId, task: &TrainingTask, stop: Arc<AtomicBool>) -> Result<()> {
        self.events.send(Event::Started { job, pictures: 0 }).ok();
        let asked = Arc::clone(&stop);
        let mut tell = |news| {
            let event = match news {
                TrainingNews::Strip { step, path } => match picture::read_pixels(&path) {
                    Ok(picture) => Event::Strip { job, step, picture },
                    Err(error) => Event::Training {
                        job,
                        news: TrainingNews::Note(error.to_string()),
                    },
                },
                news => Event::Training { job, news },
            };
            if self.events.send(event).is_err() {
                // Nobody listens any more; what was learnt is kept.
                asked.store(true, Ordering::Relaxed);
            }
        };
        let last = match task.run(stop, &mut tell)? {
            TrainingEnd::Done(_) => Event::Trained {
                job,
                saved: task.out().to_owned(),
            },
            TrainingEnd::Stopped { step, total_steps } => {
                let stopped = Event::TrainingStopped {
                    job,
                    step,
                    total_steps,
                };
                self.events.send(stopped).ok();
                return Err(EngineError::Cancelled);
            }
        };
        self.events.send(last).ok();
        Ok(())
    }
}
