//! What the canvas shows.

use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::recipe::Recipe;

use super::Studio;
use crate::studio::gpu::Pixels;
use crate::studio::state::{EditOutcome, ResultItem};

/// What the canvas shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The bench's own picture.
    Bench,
    /// A kept one, by its id.
    Result(String),
}

/// How the shown picture is compared with the pinned one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Not at all.
    Off,
    /// Left of the fraction it is the pinned one.
    Wipe(f32),
    /// How much each pixel differs, so many times enlarged.
    Heat(f32),
}

/// A look at the picture that is being made.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The pixels, or latents that the GPU colours.
    pub pixels: Pixels,
    /// What it is, for people.
    pub note: String,
}

impl Studio {
    /// The kept picture that is shown.
    pub fn shown_result(&self) -> Option<&ResultItem> {
        let Shown::Result(id) = &self.shown else {
            return None;
        };
        self.results().find(|result| result.id == *id)
    }

    /// The recipe of the shown picture, or of the bench.
    pub fn shown_recipe(&self) -> &Recipe {
        match self.shown_result() {
            Some(result) => &result.recipe,
            None => &self.bench.recipe,
        }
    }

    /// What the canvas shows, and whether it is what the bench asks for, in full.
    pub fn shown_pixels(&self) -> Option<(Pixels, bool)> {
        if let Some((picture, true)) = self.shown_picture() {
            return Some((Pixels::Picture(picture), true));
        }
        if let (Shown::Bench, Some(preview)) = (&self.shown, &self.preview) {
            return Some((preview.pixels.clone(), false));
        }
        let (picture, _) = self.shown_picture()?;
        Some((Pixels::Picture(picture), false))
    }

    /// The picture that is shown, and whether it is what the bench asks for; the last one of the
    /// bench where that is still being made.
    pub fn shown_picture(&self) -> Option<(Arc<Picture>, bool)> {
        if let Some(result) = self.shown_result() {
            return Some((result.picture.clone()?, true));
        }
        if let Some(made) = self.bench_pictures.get(&self.bench.recipe) {
            return Some((made.picture.clone(), true));
        }
        Some((self.last_bench_picture.clone()?, false))
    }

    /// What the edit on the bench did, once it was made and while it is shown.
    pub fn edit_outcome(&self) -> Option<Arc<EditOutcome>> {
        let made = self.bench_pictures.get(&self.bench.recipe)?;
        let outcome = made.edit.as_ref()?;
        let (shown, _) = self.shown_picture()?;
        Arc::ptr_eq(&shown, &made.picture).then(|| outcome.clone())
    }

    /// The prompt of the bench's picture, where the bench's own leaves something open.
    pub fn chosen_prompt(&self) -> Option<&str> {
        let made = self.bench_pictures.get(&self.bench.recipe)?;
        let chosen = &made.recipe.prompt;
        (*chosen != self.bench.recipe.prompt).then_some(chosen.as_str())
    }

    /// What the look at the unfinished picture is, where one is shown.
    pub fn preview_note(&self) -> Option<&str> {
        Some(self.preview.as_ref()?.note.as_str())
    }

    /// The picture to compare with.
    pub fn pinned(&self) -> Option<&Arc<Picture>> {
        self.pinned.as_ref()
    }
}
