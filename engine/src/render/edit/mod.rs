//! Edits of a picture that do not leak: attribute-leakage-free editing (arXiv 2412.04715) on a
//! virtual inversion of the source, and older ways of editing beside it.

mod alignment;
mod attention;
mod ddim_walk;
mod detail;
mod inversion;
mod maps;
mod masks;
mod prepared;
mod prompt_to_prompt;
mod virtual_walk;
mod words;

use tch::{Device, Kind, Tensor};

use super::denoise::proceed;
use super::picture_prompts::PictureBranch;
use super::plan::LatentSpace;
use super::shelf::Resolved;
use super::source::composite;
use super::{OnStep, to_picture};
use crate::conditioning::PictureSizes;
use crate::layers::AttentionHook;
use crate::measure::Leakage;
use crate::models::unet::{TextContext, UNet};
use crate::models::vae::Vae;
use crate::picture::{Mask, Picture, PictureShelf};
use crate::prompt::TextStage;
use crate::recipe::{Edit, EditMethod, EditPart, Recipe};
use crate::sampling::SchedulerConfig;
use crate::{EngineError, Result};

/// A model that edits.
pub(super) struct Editor<'a> {
    pub(super) text: &'a TextStage,
    pub(super) unet: &'a UNet,
    pub(super) vae: &'a Vae,
    pub(super) space: &'a LatentSpace,
    pub(super) scheduler: &'a SchedulerConfig,
    pub(super) pictures: &'a PictureShelf,
    /// Beside the target's words; the source is what it is.
    pub(super) picture_prompts: &'a [PictureBranch],
    pub(super) device: Device,
    /// Sizes, for models that are told them.
    pub(super) sizes: Option<PictureSizes>,
}

/// An edit that was made.
pub(super) struct Edited {
    pub(super) picture: Picture,
    pub(super) latents: Tensor,
    pub(super) report: EditReport,
}

/// What an edit did, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct EditReport {
    /// The prompt that it led to.
    pub prompt: String,
    /// What changed outside of the masks.
    pub leakage: Leakage,
    /// Where each change was made, with its place among the edit's changes.
    pub masks: Vec<(usize, Mask)>,
    /// The picture as the model drew it, before the source was put back outside of the masks.
    pub drawn: Picture,
}

impl Editor<'_> {
    /// Makes `edit` on the source of `recipe`, whose `controls` act on the things that change.
    ///
    /// # Errors
    /// A mask is missing or black, a control cannot act on an edit, the numbers stop being finite,
    /// or `on_step` cancelled.
    pub(super) fn run(
        &self,
        recipe: &Recipe,
        edit: &Edit,
        controls: &[Resolved],
        on_step: &mut OnStep<'_>,
    ) -> Result<Edited> {
        if self.space.inpaints {
            return Err(EngineError::request(
                "edit",
                "this model is one for inpainting; take the model that it was made from",
            ));
        }
        let edited = edit.edited_prompt(&recipe.prompt)?;
        let prepared = self.prepare(recipe, edit, &edited, controls)?;
        let latents = match edit.method {
            EditMethod::Ale | EditMethod::AlePublished | EditMethod::PromptToPrompt => {
                self.walk_virtually(edit, &prepared, on_step)?
            }
            EditMethod::DdimInversion => self.walk_by_ddim(edit, &prepared, on_step)?,
        };
        let calls = prepared.steps.len();
        proceed(on_step, calls, calls)?;
        let mut image = self.vae.decode(&self.vae.unscale(&latents)?)?;
        if edit.method == EditMethod::Ale && edit.has(EditPart::Detail) {
            image = self.with_detail(&image, &latents, &prepared)?;
        }
        let drawn = to_picture(&image)?;
        let (source, whole) = (&prepared.source, &prepared.whole);
        let picture = composite(source, &drawn, whole);
        Ok(Edited {
            report: EditReport {
                prompt: edited.text,
                leakage: Leakage::of(source, &drawn, &picture, whole)?,
                masks: prepared.masks,
                drawn,
            },
            picture,
            latents,
        })
    }

    /// The U-Net's outputs in fp32.
    fn call(
        &self,
        input: &Tensor,
        timestep: f64,
        context: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let options = (Kind::Float, self.device);
        let timesteps = Tensor::f_full([input.size()[0]], timestep, options)?;
        let output = self
            .unet
            .forward(input, &timesteps, context, context.added(), hook)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }
}
