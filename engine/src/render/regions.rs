//! A recipe's regions, with their texts encoded and their masks on the layers' grids.

use std::rc::Rc;

use tch::Device;

use super::phases::text_context;
use super::source::{Frame, coverage_tensor, soft_mask};
use crate::Result;
use crate::conditioning::{Conditioning, PictureSizes};
use crate::controls::{RegionWeights, RegionalAttention};
use crate::models::unet::{TextContext, UNet};
use crate::picture::{Mask, PictureShelf};
use crate::prompt::TextStage;
use crate::recipe::Recipe;

/// One text, encoded, with its keys and values.
#[derive(Debug)]
pub(super) struct RegionText {
    prompt: String,
    conditioning: Conditioning,
    context: TextContext,
}

/// The regions of one recipe that do something.
#[derive(Debug)]
pub(super) struct Regions {
    texts: Vec<Rc<RegionText>>,
    weights: Rc<RegionWeights>,
}

/// The texts of the last recipe's regions, which serve the next one.
#[derive(Debug, Default)]
pub(super) struct RegionTexts {
    kept: Vec<Rc<RegionText>>,
}

impl RegionTexts {
    /// The regions of `recipe` on latents of `latent_shape` `[1, channels, h, w]`; `None` where no
    /// region does anything. `notes` hears of those that do nothing.
    ///
    /// # Errors
    /// A mask is missing, a text cannot be encoded, or memory runs out.
    pub(super) fn regions(
        &mut self,
        recipe: &Recipe,
        frame: Frame,
        pictures: &PictureShelf,
        (text, unet, sizes): (&TextStage, &UNet, Option<PictureSizes>),
        (latent_shape, device): ([i64; 4], Device),
        notes: &mut Vec<String>,
    ) -> Result<Option<Regions>> {
        let mut texts = Vec::new();
        let mut weights = Vec::new();
        for (index, region) in recipe.regions.iter().enumerate() {
            if region.weight == 0.0 {
                continue;
            }
            let mask: Mask = frame.mask(&soft_mask(&region.mask, recipe, pictures)?);
            if mask.is_empty() {
                notes.push(format!(
                    "region {}: its mask is black, so its words do nothing",
                    index + 1
                ));
                continue;
            }
            let weight = coverage_tensor(&mask)?.f_mul_scalar(region.weight)?;
            weights.push(weight.f_to_device(device)?);
            texts.push(self.text(&region.prompt, text, unet, sizes)?);
        }
        self.kept.clone_from(&texts);
        if texts.is_empty() {
            return Ok(None);
        }
        let [_, _, height, width] = latent_shape;
        Ok(Some(Regions {
            texts,
            weights: Rc::new(RegionWeights::new(&weights, height, width)?),
        }))
    }

    fn text(
        &self,
        prompt: &str,
        text: &TextStage,
        unet: &UNet,
        sizes: Option<PictureSizes>,
    ) -> Result<Rc<RegionText>> {
        let same =
            |known: &&Rc<RegionText>| known.prompt == prompt && known.conditioning.sizes == sizes;
        if let Some(known) = self.kept.iter().find(same) {
            return Ok(Rc::clone(known));
        }
        let mut conditioning = text.encode(prompt, 1)?;
        conditioning.sizes = sizes;
        Ok(Rc::new(RegionText {
            prompt: prompt.to_owned(),
            context: text_context(unet, &conditioning)?,
            conditioning,
        }))
    }
}

impl Regions {
    /// The texts, to be changed by controls.
    pub(super) fn conditionings(&self) -> Vec<Conditioning> {
        let texts = self.texts.iter();
        texts.map(|t| t.conditioning.shallow_clone()).collect()
    }

    /// Keys and values of the texts as they are.
    pub(super) fn contexts(&self) -> Vec<TextContext> {
        let texts = self.texts.iter();
        texts.map(|t| t.context.shallow_clone()).collect()
    }

    /// The hook that lets each region attend to its text of `texts`.
    pub(super) fn hook(&self, texts: Vec<TextContext>) -> RegionalAttention {
        RegionalAttention::new(Rc::clone(&self.weights), texts)
    }
}
