//! What undo goes back to.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Shown, Studio};
use crate::studio::state::{Bench, Sheet};

/// What undo goes back to. Pictures that were made are never undone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scene {
    pub(super) bench: Bench,
    pub(super) shown: Shown,
    pub(super) removed: BTreeSet<String>,
    pub(super) starred: BTreeSet<String>,
    pub(super) sheet: Option<Arc<Sheet>>,
}

impl Studio {
    pub(super) fn scene(&self) -> Scene {
        Scene {
            bench: self.bench.clone(),
            shown: self.shown.clone(),
            removed: self.removed.clone(),
            starred: self.starred.clone(),
            sheet: self.training.sheet().cloned(),
        }
    }

    pub(super) fn go_to(&mut self, scene: Scene) {
        self.bench = scene.bench;
        self.shown = scene.shown;
        self.removed = scene.removed;
        self.starred = scene.starred;
        self.training.set_sheet(scene.sheet);
    }
}
