//! Steering of personalized models (arXiv 2508.00319): the negative half of guidance has the adapters
//! at a share of their weights.

use crate::Result;
use crate::adapters::{Adapter, Changes, Component};
use crate::prompt::TextStage;
use crate::recipe::Recipe;

/// The share of their weights that the adapters have in the negative half; `None` where it is the
/// other's, with a note where something else was asked for. `is_plain` where no adapter is at work.
pub(super) fn share(recipe: &Recipe, is_plain: bool, notes: &mut Vec<String>) -> Option<f64> {
    let share = recipe.walk.steering?;
    let problem = if recipe.edit.is_some() {
        "does nothing in edits by words"
    } else if is_plain {
        "does nothing without a LoRA at work"
    } else if recipe.guidance_scale <= 1.0 {
        "does nothing without guidance; raise the guidance scale above 1"
    } else {
        return Some(share);
    };
    notes.push(format!("steering: {problem}"));
    None
}

/// What `adapters` make of each text encoder.
pub(super) fn on_text(text: &TextStage, adapters: &[(&Adapter, f64)]) -> Result<Vec<Changes>> {
    let components = [Component::TextEncoder, Component::TextEncoder2];
    let encoders = components.into_iter().zip(text.encoders());
    encoders
        .map(|(component, encoder)| Changes::of_text(encoder, component, adapters))
        .collect()
}

pub(super) fn put_on_text(changes: &[Changes], text: &TextStage) {
    for (changes, encoder) in changes.iter().zip(text.encoders()) {
        changes.put_on_text(encoder);
    }
}
