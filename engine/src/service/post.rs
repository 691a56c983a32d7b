//! Hands commands to the thread that they are for.

use std::sync::mpsc::{Receiver, Sender};

use super::Command;
use super::background::{Background, Work};

/// Runs until [`Command::Shutdown`] comes or all senders are gone, and passes that on.
pub(super) fn run(letters: &Receiver<Command>, engine: &Sender<Command>, background: &Background) {
    while let Ok(command) = letters.recv() {
        let command = match command {
            Command::Train { job, task } => {
                background.queue(job, Work::Train(task));
                continue;
            }
            Command::ReadPictures {
                job,
                request,
                options,
            } => {
                background.queue(job, Work::Read(request, Box::new(options)));
                continue;
            }
            Command::ReadScene {
                job,
                request,
                options,
            } => {
                background.queue(job, Work::Scene(request, Box::new(options)));
                continue;
            }
            Command::Cancel(job) if background.cancel(job) => continue,
            command => command,
        };
        let is_last = matches!(command, Command::Shutdown);
        if is_last || engine.send(command).is_err() {
            break;
        }
    }
    background.shut_down();
    engine.send(Command::Shutdown).ok();
}
