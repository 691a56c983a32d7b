//! The thread that reads and writes the project file, so that the window never waits for a disk.

#[cfg(test)]
mod tests;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::{Builder, JoinHandle};

use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::controls::ControlLibrary;
use vernier_engine::picture::PictureShelf;
use vernier_engine::project::Project;
use vernier_engine::{EngineError, Result};

use self::thread::run;
use super::files::FileEvent;
use super::state::NewPicture;

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum KeeperCommand {
    /// Go on with a project that nobody has given a place, or begin one with what is given.
    Untitled {
        /// Where such projects lie.
        folder: PathBuf,
        /// What a new one holds.
        fresh: Box<Project>,
        /// Whether one with work in it is passed over.
        wants_new: bool,
    },
    /// Open a project.
    Open(PathBuf),
    /// Save the open one.
    Save {
        /// Its file: another project may have been opened since, and must not be written over.
        path: PathBuf,
        /// As it is now.
        project: Box<Project>,
        /// Pictures that the file does not hold.
        pictures: Vec<NewPicture>,
        /// Whether the artist has asked for it.
        is_asked: bool,
    },
    /// Save it under another name, and go on there.
    SaveAs {
        /// The new file.
        path: PathBuf,
        /// As it is now.
        project: Box<Project>,
        /// Pictures that the file does not hold.
        pictures: Vec<NewPicture>,
    },
    /// Read a result's pixels.
    Read(String),
}

/// Controls and adapters that travel inside projects.
#[derive(Debug, Clone, Default)]
pub(crate) struct ControlPlaces {
    /// Those that a project keeps: all but those that every machine has.
    pub(crate) own: ControlLibrary,
    /// Where those go that came in a project; `None` leaves them in there.
    pub(crate) from_projects: Option<PathBuf>,
    /// Where adapters and embeddings are found that a project keeps.
    pub(crate) adapters: AdapterLibrary,
    /// Where those go that came in a project; `None` leaves them in there.
    pub(crate) adapters_from_projects: Option<PathBuf>,
}

/// The window's end of the thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    commands: Option<Sender<KeeperCommand>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread; it tells what came of everything through `tell`. Pictures that recipes
    /// name go from the project to `shelf` when it is opened, and from there to it when it is
    /// saved.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        shelf: PictureShelf,
        controls: ControlPlaces,
        tell: impl Fn(FileEvent) + Send + 'static,
    ) -> Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let thread = Builder::new()
            .name("vernier-project".to_owned())
            .spawn(move || run(&inbox, &shelf, &controls, &tell))
            .map_err(|e| EngineError::io(Path::new("project thread"), e))?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Asks for something.
    pub(crate) fn send(&self, command: KeeperCommand) {
        if let Some(commands) = &self.commands {
            commands.send(command).ok();
        }
    }
}

/// Waits until everything that was asked for is on the disk.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
