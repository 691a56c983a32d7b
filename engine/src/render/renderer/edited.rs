//! A renderer's way to an edit.

use super::super::edit::Editor;
use super::super::picture_prompts::PromptScene;
use super::super::source::Frame;
use super::super::{OnStep, Plan};
use super::{Rendered, Renderer};
use crate::recipe::{Edit, Recipe};
use crate::{EngineError, Result};

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
        let scene = PromptScene {
            unet: self.halves.unet(),
            pictures: &self.pictures,
            frame: Frame::whole(&recipe),
            latent_shape: Plan::compile(&recipe, &self.space, &scheduler)?.latent_shape,
        };
        let picture_prompts = self
            .picture_prompts
            .resolve(&mut recipe, scene, &mut notes)?;
        if recipe
            .picture_prompts
            .iter()
            .any(|own| own.start > 0.0 || own.end < 1.0)
        {
            let problem = "works over all steps of an edit; take its start and end away";
            return Err(EngineError::request("picture prompt", problem));
        }
        let editor = Editor {
            text: &self.text,
            unet: self.halves.unet(),
            vae: &self.vae,
            space: &self.space,
            scheduler: &scheduler,
            pictures: &self.pictures,
            picture_prompts: &picture_prompts,
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
