//! What the engine thread is told, and whom it tells.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Instant;

use super::{Job, Work};
use crate::render::{Flow, StepAhead};
use crate::service::pace::Pace;
use crate::service::{Command, Event, JobId, RenderOptions};
use crate::{EngineError, Result};

pub(in crate::service) struct Inbox {
    commands: Receiver<Command>,
    pub(super) events: Sender<Event>,
    waiting: VecDeque<Job>,
    pub(super) running: Option<JobId>,
    pub(super) cancel_running: bool,
    shutdown: bool,
}

impl Inbox {
    pub(super) fn new(commands: Receiver<Command>, events: Sender<Event>) -> Self {
        Self {
            commands,
            events,
            waiting: VecDeque::new(),
            running: None,
            cancel_running: false,
            shutdown: false,
        }
    }

    /// Waits for a job; `None` ends the thread.
    pub(super) fn next_job(&mut self) -> Option<Job> {
        loop {
            self.drain();
            if self.shutdown {
                return None;
            }
            if let Some(job) = self.waiting.pop_front() {
                return Some(job);
            }
            match self.commands.recv() {
                Ok(command) => self.take(command),
                Err(_) => return None,
            }
        }
    }

    /// Takes in all commands that have come, without waiting.
    fn drain(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.shutdown = true;
                    return;
                }
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Render {
                job: id,
                recipes,
                options,
            } => self.queue(id, Work::Render(recipes), options),
            Command::Measure {
                job: id,
                request,
                options,
            } => self.queue(id, Work::Measure(request), options),
            Command::Cancel(id) if self.running == Some(id) => self.cancel_running = true,
            Command::Cancel(id) => {
                let before = self.waiting.len();
                self.waiting.retain(|job| job.id != id);
                if self.waiting.len() < before {
                    self.tell(Event::Cancelled { job: id });
                }
            }
            // These go elsewhere before they come here.
            Command::Train { .. } | Command::ReadPictures { .. } | Command::ReadScene { .. } => {}
            Command::Shutdown => {
                self.shutdown = true;
                for job in std::mem::take(&mut self.waiting) {
                    self.tell(Event::Cancelled { job: job.id });
                }
            }
        }
    }

    fn queue(&mut self, id: JobId, work: Work, options: RenderOptions) {
        self.tell(Event::Queued { job: id });
        self.waiting.push_back(Job { id, work, options });
    }

    /// Tells the client; where nobody listens any more, there is nobody to work for.
    pub(in crate::service) fn tell(&mut self, event: Event) {
        if self.events.send(event).is_err() {
            self.shutdown = true;
        }
    }

    pub(super) fn flow(&mut self) -> Flow {
        self.drain();
        if self.cancel_running || self.shutdown {
            Flow::Cancel
        } else {
            Flow::Continue
        }
    }

    /// Tells how far picture `index` of `pictures` has come, and answers whether to go on.
    pub(in crate::service) fn tell_progress(
        &mut self,
        job: JobId,
        (picture, pictures): (usize, usize),
        ahead: StepAhead,
        pace: &mut Pace,
    ) -> Flow {
        if ahead.done > 0 {
            pace.step(Instant::now());
            let calls_left = ahead.steps - ahead.done + ahead.steps * (pictures - picture - 1);
            let eta = pace.eta(calls_left, pictures - picture);
            self.tell(Event::Progress {
                job,
                picture,
                pictures,
                step: ahead.done,
                steps: ahead.steps,
                its_per_sec: pace.its_per_sec(),
                eta_secs: eta.map(|eta| eta.as_secs_f64()),
            });
        }
        self.flow()
    }

    pub(in crate::service) fn check_cancelled(&mut self) -> Result<()> {
        match self.flow() {
            Flow::Continue => Ok(()),
            Flow::Cancel => Err(EngineError::Cancelled),
        }
    }
}
