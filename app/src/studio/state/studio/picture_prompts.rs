//! Picture prompts on the bench.

use vernier_engine::adapters::FoundAdapter;
use vernier_engine::recipe::{PicturePromptUse, PictureRef, PictureTakes};

use super::super::{PictureRow, ToastKind};
use super::{Shown, Studio};
use crate::studio::command::UiCommand;

impl Studio {
    /// The picture prompts on the bench, in its order.
    pub fn picture_rows(&self) -> Vec<PictureRow> {
        self.adapters.picture_rows(&self.bench, self.model_family())
    }

    /// Puts an IP-Adapter on the bench, switched off until it has a picture.
    pub(super) fn add_picture_adapter(&mut self, found: &FoundAdapter, path: Option<String>) {
        let waits = |own: &PicturePromptUse| own.name == found.name && own.pictures.is_empty();
        if !self.bench.muted_picture_prompts.iter().any(waits) {
            self.bench.muted_picture_prompts.push(PicturePromptUse {
                path,
                hash: found.hash.clone(),
                ..PicturePromptUse::new(&found.name, Vec::new(), 1.0)
            });
        }
    }

    /// Gives the picture prompt at `at` one more picture; one that waited for it goes to work.
    pub fn give_prompt_picture(&mut self, at: usize, picture: PictureRef) {
        let rows = self.bench.picture_prompts();
        let waited = rows.get(at).is_some_and(|(own, _)| own.pictures.is_empty());
        self.bench.add_prompt_picture(at, picture);
        if waited {
            self.bench.toggle_picture_prompt_mute(at);
        }
        self.shown = Shown::Bench;
    }

    /// Gives it the picture that is shown; told where there is none.
    pub fn give_prompt_shown(&mut self, at: usize) {
        let Some((picture, _)) = self.shown_picture() else {
            let text = "There is no picture yet: render one, or open a file";
            self.toasts.push(ToastKind::Note, text, None);
            return;
        };
        let picture = self.options.pictures.insert_shared(picture);
        self.give_prompt_picture(at, picture);
    }

    /// Takes a picture from the picture prompt at `at`.
    pub fn remove_prompt_picture(&mut self, at: usize, index: usize) {
        self.bench.remove_prompt_picture(at, index);
        self.shown = Shown::Bench;
    }

    /// Weighs the pictures of the picture prompt at `at`.
    pub fn weigh_picture_prompt(&mut self, at: usize, weight: f64) {
        self.bench.weigh_picture_prompt(at, weight);
        self.shown = Shown::Bench;
    }

    /// Says what the picture prompt at `at` takes of its pictures.
    pub fn set_picture_takes(&mut self, at: usize, takes: PictureTakes) {
        self.bench.set_picture_takes(at, takes);
        self.shown = Shown::Bench;
    }

    /// Switches a picture prompt off, or on again; one without a picture stays off.
    pub fn toggle_picture_prompt_mute(&mut self, at: usize) {
        let rows = self.bench.picture_prompts();
        if rows.get(at).is_some_and(|(own, _)| own.pictures.is_empty()) {
            let text = "It has no picture yet";
            self.toasts.push(ToastKind::Note, text, None);
            return;
        }
        self.bench.toggle_picture_prompt_mute(at);
        self.shown = Shown::Bench;
    }

    /// Takes a picture prompt off the bench.
    pub fn remove_picture_prompt(&mut self, at: usize) {
        self.bench.remove_picture_prompt(at);
        self.shown = Shown::Bench;
        let text = "The picture prompt is off the bench";
        self.toasts
            .push(ToastKind::Done, text, Some(UiCommand::Undo));
    }

    /// Asks for a picture from a file for the picture prompt at `at`.
    pub fn ask_for_prompt_picture(&mut self, at: usize) {
        self.wanted_prompt_picture = Some(at);
    }

    /// The picture prompt that wants a picture from a file; the wish is gone from here.
    pub fn take_prompt_picture_wish(&mut self) -> Option<usize> {
        self.wanted_prompt_picture.take()
    }

    /// The pointer is over the row of the picture prompt at `at`.
    pub fn point_at_picture_prompt(&mut self, at: usize) {
        self.pointed_picture_prompt = Some(at);
    }

    /// The picture prompt that a dropped picture is for: the one under the pointer, else one that
    /// waits for its first. What was pointed at is forgotten.
    pub fn take_picture_drop_place(&mut self) -> Option<usize> {
        let pointed = self.pointed_picture_prompt.take();
        let rows = self.bench.picture_prompts();
        let waits = rows.iter().position(|(own, _)| own.pictures.is_empty());
        pointed.filter(|at| *at < rows.len()).or(waits)
    }
}
