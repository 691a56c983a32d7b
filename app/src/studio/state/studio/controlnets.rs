//! ControlNets on the bench.

use std::path::{Path, PathBuf};

use vernier_engine::checkpoint::FoundControlNet;
use vernier_engine::recipe::{ControlNetUse, PictureRef, Preprocessor};

use super::super::{ControlNetRow, MapFor, ToastKind};
use super::{Shown, Studio};
use crate::studio::command::UiCommand;

impl Studio {
    /// The ControlNets at hand.
    pub fn controlnets(&self) -> &[FoundControlNet] {
        &self.controlnets.at_hand
    }

    /// The ControlNets that there are.
    pub fn set_controlnets(&mut self, at_hand: Vec<FoundControlNet>) {
        self.controlnets.at_hand = at_hand;
    }

    /// The ControlNets on the bench.
    pub fn controlnet_rows(&mut self) -> Vec<ControlNetRow> {
        if self.bench.recipe.controlnets.is_empty() {
            return Vec::new();
        }
        let family = self.model_family().cloned();
        let shelf = &self.options.pictures;
        self.controlnets
            .rows(&self.bench.recipe, family.as_ref(), shelf)
    }

    /// The sentence of the first ControlNet at work that cannot work.
    pub(super) fn unfit_controlnet(&self) -> Option<String> {
        let family = self.model_family();
        self.controlnets.misfit(&self.bench.recipe, family)
    }

    /// The ControlNet in the file or folder `path` is to work, as soon as it has a picture.
    pub fn take_controlnet(&mut self, path: &Path) {
        let mut at_hand = self.controlnets.at_hand.iter();
        let found = at_hand.find(|found| found.path == path).cloned();
        let found = found.unwrap_or_else(|| FoundControlNet::look(path));
        match &found.kind {
            Ok(_) => self.wait_for_map(Some(MapFor::New(found))),
            Err(sentence) => self.toasts.push(ToastKind::Trouble, sentence, None),
        }
    }

    /// What waits for a picture to follow.
    pub fn waiting_for_map(&self) -> Option<&MapFor> {
        self.controlnets.waiting.as_ref()
    }

    /// The next picture that comes is for `place`; at `None` it is a picture to start from.
    pub fn wait_for_map(&mut self, place: Option<MapFor>) {
        self.controlnets.waiting = place;
        self.shown = Shown::Bench;
    }

    /// Asks for a picture's file.
    pub fn ask_for_map_file(&mut self) {
        self.controlnets.wants_file = true;
    }

    /// Whether a picture's file was asked for; it is told once.
    pub fn take_asks_for_map_file(&mut self) -> bool {
        std::mem::take(&mut self.controlnets.wants_file)
    }

    /// The picture that is shown is the one to follow; told where there is none.
    pub fn follow_shown(&mut self) {
        let Some((picture, _)) = self.shown_picture() else {
            let text = "There is no picture to follow yet: render one or open one";
            self.toasts.push(ToastKind::Note, text, None);
            return;
        };
        let picture = self.options.pictures.insert_shared(picture);
        self.follow(picture);
    }

    /// What waits for a picture follows `picture`.
    pub fn follow(&mut self, picture: PictureRef) {
        let text = match self.controlnets.waiting.take() {
            None => return,
            Some(MapFor::Row(index)) => {
                let Some(used) = self.bench.recipe.controlnets.get_mut(index) else {
                    return;
                };
                used.picture = picture;
                format!("{} follows another picture", used.name)
            }
            Some(MapFor::New(found)) => {
                let used = self.used(&found, picture);
                self.bench.recipe.controlnets.push(used);
                format!("{} is among the ControlNets", found.name)
            }
        };
        self.shown = Shown::Bench;
        self.toasts
            .push(ToastKind::Done, text, Some(UiCommand::Undo));
    }

    fn used(&self, found: &FoundControlNet, picture: PictureRef) -> ControlNetUse {
        let is_at_hand = self.controlnets.at_hand.contains(found);
        let absolute: PathBuf =
            std::path::absolute(&found.path).unwrap_or_else(|_| found.path.clone());
        ControlNetUse {
            // One of the library is found by its name on every machine.
            path: (!is_at_hand).then(|| absolute.to_string_lossy().into_owned()),
            ..ControlNetUse::new(&found.name, picture)
        }
    }

    /// Changes how the ControlNet at `index` is used.
    pub fn change_controlnet(&mut self, index: usize, change: impl FnOnce(&mut ControlNetUse)) {
        if let Some(used) = self.bench.recipe.controlnets.get_mut(index) {
            change(used);
            self.shown = Shown::Bench;
        }
    }

    /// Sets what is made of the picture of the ControlNet at `index`.
    pub fn preprocess_controlnet(&mut self, index: usize, preprocessor: Preprocessor) {
        self.change_controlnet(index, |used| used.preprocessor = preprocessor);
    }

    /// Takes the ControlNet at `index` off the bench.
    pub fn remove_controlnet(&mut self, index: usize) {
        if index < self.bench.recipe.controlnets.len() {
            self.bench.recipe.controlnets.remove(index);
            self.controlnets.waiting = None;
            self.shown = Shown::Bench;
        }
    }
}
