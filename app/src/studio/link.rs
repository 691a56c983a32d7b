//! The window's end of the engine thread.

use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::Builder;
use std::time::Duration;

use vernier_engine::service::{Command, Event, Service};
use vernier_engine::{EngineError, Result};

/// Sends commands without waiting, and hands over what the engine tells.
#[derive(Debug)]
pub(crate) struct EngineLink {
    commands: Sender<Command>,
    events: Receiver<Event>,
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
        Builder::new()
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
        Ok(Self { commands, events })
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
    }
}
