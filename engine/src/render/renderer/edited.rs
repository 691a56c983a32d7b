//! A renderer's way to an edit.

use super::super::OnStep;
use super::super::edit::Editor;
use super::{Rendered, Renderer};
use crate::Result;
use crate::recipe::{Edit, Recipe};

impl Renderer {
    /// Makes the edit of `recipe`, whose pictures are resolved.
    pub(super) fn edited(
        &mut self,
        mut recipe: Recipe,
        on_step: &mut OnStep<'_>,
    ) -> Result<Rendered> {
        let edit = recipe.edit.clone().unwrap_or_else(|| Edit::new(Vec::new()));
        let mut notes = Vec::new();
        let controls = self.resolve(&recipe, &mut notes)?;
        self.apply_adapters(&mut recipe, &mut notes)?;
        let scheduler = self.scheduler_for(&recipe)?;
        let editor = Editor {
            text: &self.text,
            unet: self.halves.unet(),
            vae: &self.vae,
            space: &self.space,
            scheduler: &scheduler,
            pictures: &self.pictures,
            device: self.device,
            sizes: self.sizes(&recipe),
        };
        let edited = editor.run(&recipe, &edit, &controls, on_step)?;
        notes.push(edited.report.leakage.sentence());
        recipe.model.hash.clone_from(&self.hash);
        recipe.controls = controls.into_iter().map(|c| c.wanted).collect();
        Ok(Rendered {
            picture: edited.picture,
            recipe,
            latents: edited.latents,
            notes,
            edit: Some(edited.report),
        })
    }
}
