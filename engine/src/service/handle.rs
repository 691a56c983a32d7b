//! A client's end of the engine thread.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};

use super::background::Background;
use super::{Command, Event, background, post, worker};
use crate::{EngineError, Result};

/// The running engine; dropping it cancels all jobs and waits for its threads to end.
#[derive(Debug)]
pub struct Service {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the engine's threads.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn spawn() -> Result<Self> {
        let (commands, letters) = mpsc::channel();
        let (engine, inbox) = mpsc::channel();
        let (outbox, events) = mpsc::channel();
        worker::silence_panics();
        let no_thread = |e| EngineError::io(Path::new("engine thread"), e);
        let background = Background::new(outbox.clone());
        let at_work = background.clone();
        let behind = Builder::new()
            .name(background::THREAD_NAME.to_owned())
            .spawn(move || at_work.run())
            .map_err(no_thread)?;
        let front = Builder::new()
            .name(worker::THREAD_NAME.to_owned())
            .spawn(move || worker::run(inbox, outbox))
            .map_err(no_thread)?;
        let thread = Builder::new()
            .name("vernier-post".to_owned())
            .spawn(move || {
                post::run(&letters, &engine, &background);
                front.join().ok();
                behind.join().ok();
            })
            .map_err(no_thread)?;
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
