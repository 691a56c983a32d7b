//! One training from its start to its control.

use std::path::PathBuf;
use std::sync::Arc;

use vernier_engine::control_training::{TrainingNews, TrainingPlan};
use vernier_engine::picture::Picture;
use vernier_engine::service::{Event, JobId};

use super::{Losses, RunRecord};

/// Lines of the log that are kept.
const LOG_LINES: usize = 400;
/// Strips that are kept.
const STRIPS: usize = 24;

/// Where a training stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// The engine has it; what it does before the first step, in words.
    Starting(String),
    /// It takes steps.
    Running,
    /// It was told to stop and to keep its state.
    Pausing,
    /// It was told to stop for good.
    Stopping,
    /// It can be gone on with.
    Paused,
    /// It ended early; one sentence. What was saved last can be gone on with.
    Failed(String),
    /// The control is made, in this file.
    Done(PathBuf),
}

/// A training.
#[derive(Debug, Clone)]
pub struct Run {
    /// What is trained, and how; its work folder is said.
    pub plan: TrainingPlan,
    /// The engine's number for it, while it has it.
    pub job: Option<JobId>,
    /// Where it stands.
    pub state: RunState,
    /// Steps done.
    pub step: u64,
    /// Steps per second in this run; 0 while unknown.
    pub its_per_sec: f64,
    /// Losses so far.
    pub losses: Losses,
    /// Other figures of the last report, with their names.
    pub figures: Vec<(String, f64)>,
    /// Lines that it told, the oldest first.
    pub log: Vec<String>,
    /// Steps and pictures, the oldest first.
    pub strips: Vec<(u64, Arc<Picture>)>,
    /// Step of the last saved state, where it failed.
    pub saved_step: Option<u64>,
}

impl Run {
    /// A training that the engine is given as `job`.
    pub fn start(plan: TrainingPlan, job: JobId) -> Self {
        Self {
            plan,
            job: Some(job),
            state: RunState::Starting("waits for its turn".to_owned()),
            step: 0,
            its_per_sec: 0.0,
            losses: Losses::default(),
            figures: Vec::new(),
            log: Vec::new(),
            strips: Vec::new(),
            saved_step: None,
        }
    }

    /// A training of another day.
    pub fn of(record: RunRecord) -> Self {
        let state = record.failure.map_or(RunState::Paused, RunState::Failed);
        Self {
            job: None,
            state,
            step: record.step,
            its_per_sec: 0.0,
            losses: record.losses,
            figures: Vec::new(),
            log: record.log,
            strips: Vec::new(),
            saved_step: Some(record.step),
            plan: record.plan,
        }
    }

    /// What is kept of it.
    pub fn record(&self) -> RunRecord {
        RunRecord {
            plan: self.plan.clone(),
            step: self.step,
            losses: self.losses.clone(),
            log: self.log.clone(),
            failure: match &self.state {
                RunState::Failed(sentence) => Some(sentence.clone()),
                _ => None,
            },
        }
    }

    /// Its work folder.
    pub fn work(&self) -> PathBuf {
        self.plan.work.clone().unwrap_or_default()
    }

    /// Whether the engine has it.
    pub fn is_active(&self) -> bool {
        self.job.is_some()
    }

    /// Whether it can be gone on with.
    pub fn can_resume(&self) -> bool {
        matches!(self.state, RunState::Paused | RunState::Failed(_))
    }

    /// Seconds until it ends, once its steps are timed.
    pub fn eta_secs(&self) -> Option<f64> {
        let left = self.plan.steps.saturating_sub(self.step) as f64;
        let is_known = self.its_per_sec > 0.0 && self.state == RunState::Running;
        is_known.then(|| left / self.its_per_sec)
    }

    /// Takes in an event of its job. Gives whether what is kept of it shall be written.
    pub fn receive(&mut self, event: Event) -> bool {
        match event {
            Event::Started { .. } => self.set_phase("reads the model"),
            Event::Training { news, .. } => self.take_news(news),
            Event::Strip { step, picture, .. } => {
                self.strips.push((step, Arc::new(picture)));
                if self.strips.len() > STRIPS {
                    self.strips.remove(0);
                }
            }
            Event::TrainingStopped { step, .. } => {
                self.step = step;
                self.losses.forget_after(step);
            }
            Event::Trained { saved, .. } => {
                self.step = self.plan.steps;
                self.tell(format!("saved as {}", saved.display()));
                self.state = RunState::Done(saved);
            }
            Event::Finished { .. } => self.job = None,
            Event::Cancelled { .. } => {
                self.job = None;
                if self.state != RunState::Stopping {
                    self.state = RunState::Paused;
                    self.tell(format!("paused after step {}", self.step));
                }
                return true;
            }
            Event::Failed { message, .. } => {
                self.job = None;
                self.tell(message.clone());
                self.state = RunState::Failed(message);
                return true;
            }
            _ => {}
        }
        false
    }

    fn take_news(&mut self, news: TrainingNews) {
        match news {
            TrainingNews::Note(text) => self.tell(text),
            TrainingNews::Encoded { done, total } => {
                self.set_phase(&format!("reads prompts, {done} of {total}"));
            }
            TrainingNews::Pictures { done, total } => {
                self.set_phase(&format!("reads pictures, {done} of {total}"));
            }
            TrainingNews::Progress(report) => {
                if matches!(self.state, RunState::Starting(_)) {
                    self.state = RunState::Running;
                    self.losses.forget_after(report.step.saturating_sub(1));
                }
                self.step = report.step;
                self.its_per_sec = report.steps_per_sec;
                let mut latest = report.latest.iter();
                if let Some((_, loss)) = latest.find(|(name, _)| *name == "loss") {
                    self.losses.push(report.step, *loss);
                }
                let named = |(name, value): &(&str, f64)| ((*name).to_owned(), *value);
                self.figures = report.figures.iter().map(named).collect();
            }
            TrainingNews::Strip { .. } => {}
        }
    }

    fn set_phase(&mut self, phase: &str) {
        if let RunState::Starting(known) = &mut self.state {
            phase.clone_into(known);
        }
    }

    fn tell(&mut self, line: String) {
        self.log.push(line);
        let more = self.log.len().saturating_sub(LOG_LINES);
        self.log.drain(..more);
    }
}

#[cfg(test)]
mod tests {
    use vernier_engine::control_training::{DirectionPlan, TrainingMethod};
    use vernier_engine::train::StepReport;

    use super::*;

    const JOB: JobId = JobId(7);

    fn run() -> Run {
        let method = TrainingMethod::Direction(DirectionPlan::default());
        let mut run = Run::start(TrainingPlan::new("age", method), JOB);
        for step in 1..=4 {
            let news = TrainingNews::Progress(StepReport {
                step,
                total_steps: 200,
                figures: vec![("loss", 1.0), ("unexplained", 0.5)],
                latest: vec![("loss", f64::from(step as u32))],
                steps_per_sec: 2.0,
            });
            run.receive(Event::Training { job: JOB, news });
        }
        run
    }

    #[test]
    fn steps_are_timed_and_losses_taken() {
        let run = run();
        assert_eq!(run.state, RunState::Running);
        assert_eq!(run.eta_secs(), Some(98.0));
        assert_eq!(
            run.losses.raw(),
            [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [4.0, 4.0]]
        );
    }

    #[test]
    fn a_pause_is_kept_a_stop_is_not_and_a_failure_says_why() {
        let mut paused = run();
        let stopped = Event::TrainingStopped {
            job: JOB,
            step: 3,
            total_steps: 200,
        };
        paused.receive(stopped);
        assert!(paused.receive(Event::Cancelled { job: JOB }));
        assert!(paused.can_resume() && paused.losses.len() == 3);
        assert_eq!(Run::of(paused.record()).state, RunState::Paused);

        let mut failed = run();
        failed.receive(Event::Failed {
            job: JOB,
            message: "the loss is not finite".to_owned(),
            is_usage: false,
        });
        let again = Run::of(failed.record());
        assert_eq!(
            again.state,
            RunState::Failed("the loss is not finite".to_owned())
        );
        assert!(again.can_resume());
    }
}
