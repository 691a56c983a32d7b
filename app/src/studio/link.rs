//! The window's end of the engine thread.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use vernier_engine::service::{Command, Event, Service};
use vernier_engine::{EngineError, Result};

/// How long a window that is closed waits for its engine.
const LONGEST_END: Duration = Duration::from_secs(20);

/// Sends commands without waiting, and hands over what the engine tells.
#[derive(Debug)]
pub(crate) struct EngineLink {
    commands: Sender<Command>,
    events: Receiver<Event>,
    thread: JoinHandle<()>,
}

impl EngineLink {
    /// Starts the engine; `wake` is called after every event, so that a frame is drawn for it.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(wake: impl Fn() + Send + 'static) -> Result<Self> {
        let service = Service::spawn()?;
        let commands = service.sender();
        let (outbox, events) = mpsc::channel();
        let thread = Builder::new()
            .name("vernier-events".to_owned())
            .spawn(move || {
                // Holds the service until the engine thread has ended or the window has gone.
                while let Ok(event) = service.events().recv() {
                    if outbox.send(event).is_err() {
                        return;
                    }
                    wake();
                }
            })
            .map_err(|e| EngineError::io(std::path::Path::new("event thread"), e))?;
        Ok(Self {
            commands,
            events,
            thread,
        })
    }

    /// Sends a command.
    pub(crate) fn send(&self, command: Command) {
        self.commands.send(command).ok();
    }

    /// The next thing that the engine tells within `pause`.
    pub(crate) fn wait_for_event(&self, pause: Duration) -> Option<Event> {
        self.events.recv_timeout(pause).ok()
    }

    /// The next thing that the engine told, if there is one.
    pub(crate) fn next_event(&self) -> Option<Event> {
        self.events.try_recv().ok()
    }
}

impl Drop for EngineLink {
    fn drop(&mut self) {
        self.send(Command::Shutdown);
        // A program that ends while its engine computes takes the ground from under it. The engine
        // ends within one step; where a step takes long, nobody waits longer than this.
        let asked = Instant::now();
        while !self.thread.is_finished() && asked.elapsed() < LONGEST_END {
            // What it still tells is read, so that its thread goes on to the end.
            self.events.recv_timeout(Duration::from_millis(10)).ok();
        }
    }
}
