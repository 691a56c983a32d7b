//! Which model a single file holds.

use std::path::Path;

use super::stored::Stored;
use crate::{EngineError, Result};

/// Where the original code keeps its U-Net, autoencoder and text encoders.
pub(in crate::checkpoint) const UNET: &str = "model.diffusion_model.";
pub(in crate::checkpoint) const VAE: &str = "first_stage_model.";
pub(in crate::checkpoint) const CLIP_1: &str = "cond_stage_model.transformer.";
pub(in crate::checkpoint) const OPEN_CLIP_2: &str = "cond_stage_model.model.";
pub(in crate::checkpoint) const CLIP_XL: &str = "conditioner.embedders.0.transformer.";
pub(in crate::checkpoint) const OPEN_CLIP_XL: &str = "conditioner.embedders.1.model.";
/// The refiner's only text encoder.
const OPEN_CLIP_REFINER: &str = "conditioner.embedders.0.model.";

/// The families of Stable Diffusion whose single files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::checkpoint) enum Family {
    /// 1.x: CLIP ViT-L.
    Sd1,
    /// 2.x: OpenCLIP ViT-H.
    Sd2,
    /// XL base: both CLIP ViT-L and OpenCLIP ViT-bigG.
    SdXl,
}

impl Family {
    /// The family of `stored`, by the names in it.
    ///
    /// # Errors
    /// It holds another model, or only a part of one.
    pub(super) fn of(stored: &Stored, path: &Path) -> Result<Self> {
        let refuse = |problem: &str| Err(EngineError::bad_file(path, problem));
        if stored.has_under("model.diffusion_model.joint_blocks.") {
            return refuse("holds Stable Diffusion 3, which is not supported; take 1.x, 2.x or XL");
        }
        if stored.has_under("model.diffusion_model.double_blocks.")
            || stored.has_under("double_blocks.")
        {
            return refuse(
                "holds FLUX, which is not supported; take Stable Diffusion 1.x, 2.x or XL",
            );
        }
        if !stored.has("model.diffusion_model.input_blocks.0.0.weight") {
            return refuse(what_instead(stored));
        }
        if stored.has("edm_mean") {
            return refuse(
                "holds Playground v2.5, whose noise schedule is not supported; take Stable \
                 Diffusion XL",
            );
        }
        let family = if stored.has_under(OPEN_CLIP_XL) {
            Self::SdXl
        } else if stored.has_under(OPEN_CLIP_REFINER) {
            return refuse(
                "holds the refiner of Stable Diffusion XL, which is not supported; take the base \
                 model",
            );
        } else if stored.has_under(OPEN_CLIP_2) {
            Self::Sd2
        } else if stored.has_under(CLIP_1) {
            Self::Sd1
        } else {
            return refuse(
                "has a U-Net but no text encoder; take a file of the whole model, or a folder \
                 that holds all of its parts",
            );
        };
        if !stored.has("first_stage_model.decoder.conv_in.weight") {
            return refuse(
                "has a U-Net but no autoencoder (first_stage_model); take a file of the whole \
                 model, or a folder that holds all of its parts",
            );
        }
        Ok(family)
    }

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Sd1 => "Stable Diffusion 1.x",
            Self::Sd2 => "Stable Diffusion 2.x",
            Self::SdXl => "Stable Diffusion XL",
        }
    }
}

/// What a file without a U-Net in the original names may be.
fn what_instead(stored: &Stored) -> &'static str {
    let any = |part: &str| stored.names().any(|name| name.contains(part));
    if any("lora_down") || any("lora_A") || any("lora.down") {
        "is a LoRA, which works beside a model; name a model with --model"
    } else if any("down_blocks.") || any("text_model.") {
        "is one component of a model; give the folder above it, which holds model_index.json"
    } else {
        "holds no model of Stable Diffusion: it has no tensor \
         model.diffusion_model.input_blocks.0.0.weight"
    }
}
