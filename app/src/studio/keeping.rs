//! When the project is saved.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::keeper::{Keeper, KeeperCommand};
use super::state::Studio;

/// A change is on its way to the disk after so long at most, unless a hand is on a slider.
const SAVE_AFTER: Duration = Duration::from_millis(1200);
/// What could not be saved is tried again after so long.
const RETRY_AFTER: Duration = Duration::from_secs(15);

/// The open project's file, and what is on its way to it.
#[derive(Debug)]
pub(crate) struct Keeping {
    keeper: Keeper,
    path: Option<PathBuf>,
    is_untitled: bool,
    is_saving: bool,
    not_before: Instant,
}

impl Keeping {
    /// Nothing is open yet.
    pub(crate) fn new(keeper: Keeper) -> Self {
        Self {
            keeper,
            path: None,
            is_untitled: true,
            is_saving: false,
            not_before: Instant::now(),
        }
    }

    /// Asks the keeper for something else than saving.
    pub(crate) fn send(&self, command: KeeperCommand) {
        self.keeper.send(command);
    }

    /// The file of the open project, where an artist has given it a place.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref().filter(|_| !self.is_untitled)
    }

    /// A project was opened.
    pub(crate) fn opened(&mut self, path: PathBuf, is_untitled: bool) {
        self.path = Some(path);
        self.is_untitled = is_untitled;
        self.is_saving = false;
    }

    /// The project is on the disk.
    pub(crate) fn saved(&mut self, path: PathBuf) {
        if self.path.as_ref() != Some(&path) {
            self.is_untitled = false;
        }
        self.path = Some(path);
        self.is_saving = false;
        self.not_before = Instant::now() + SAVE_AFTER;
    }

    /// It is not.
    pub(crate) fn not_saved(&mut self) {
        self.is_saving = false;
        self.not_before = Instant::now() + RETRY_AFTER;
    }

    /// Saves what has changed, now and then. Gives the time after which it wants to look again.
    pub(crate) fn look(
        &mut self,
        studio: &mut Studio,
        layout: impl FnOnce() -> serde_json::Value,
    ) -> Option<Duration> {
        if self.path.is_none() || self.is_saving || !studio.needs_saving() {
            return None;
        }
        let now = Instant::now();
        if now < self.not_before {
            return Some(self.not_before - now);
        }
        self.save(studio, layout(), false);
        None
    }

    /// Saves now, where there is a file.
    pub(crate) fn save(&mut self, studio: &mut Studio, layout: serde_json::Value, is_asked: bool) {
        let Some(path) = self.path.clone() else {
            return;
        };
        let (project, pictures) = studio.hand_over(layout);
        self.is_saving = true;
        self.keeper.send(KeeperCommand::Save {
            path,
            project: Box::new(project),
            pictures,
            is_asked,
        });
    }

    /// Saves under another name, and goes on there.
    pub(crate) fn save_as(
        &mut self,
        studio: &mut Studio,
        layout: serde_json::Value,
        path: PathBuf,
    ) {
        let (project, pictures) = studio.hand_over(layout);
        self.is_saving = true;
        self.keeper.send(KeeperCommand::SaveAs {
            path,
            project: Box::new(project),
            pictures,
        });
    }
}
