//! A client's end of the engine thread.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};

use super::{Command, Event, worker};
use crate::{EngineError, Result};

/// The running engine thread; dropping it cancels all jobs and waits for the thread to end.
#[derive(Debug)]
pub struct Service {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the engine thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn spawn() -> Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let (outbox, events) = mpsc::channel();
        worker::silence_panics();
        let thread = Builder::new()
            .name(worker::THREAD_NAME.to_owned())
            .spawn(move || worker::run(inbox, outbox))
            .map_err(|e| EngineError::io(Path::new("engine thread"), e))?;
        Ok(Self {
            commands,
            events,
            thread: Some(thread),
        })
    }

    /// Sends a command. It is lost where the thread has ended, which [`Service::events`] shows.
    pub fn send(&self, command: Command) {
        self.commands.send(command).ok();
    }

    /// Another end to send commands through, for signal handlers and other threads.
    pub fn sender(&self) -> Sender<Command> {
        self.commands.clone()
    }

    /// What the thread tells, in order.
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.commands.send(Command::Shutdown).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
