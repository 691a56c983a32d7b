//! What the U-Net of an inpainting model sees beside the latents: where it may paint, and the
//! picture around it.
//!
//! Such a U-Net has `2·c + 1` input channels for latents of `c`: the latents, the mask, and the
//! latents of the picture with the masked part greyed, as in Python diffusers'
//! `StableDiffusionInpaintPipeline`.

use tch::{Device, Kind, Tensor};

use super::plan::LatentSpace;
use super::source::{SourcePixels, coverage_tensor};
use crate::measure::picture_tensor;
use crate::models::vae::Vae;
use crate::recipe::Recipe;
use crate::{EngineError, Result};

/// A pixel is to be painted from this coverage on, as diffusers binarises masks.
const PAINTED_FROM: f64 = 0.5;

impl LatentSpace {
    /// The space of a U-Net with `inputs` channels on latents of `channels`; errors name `model`.
    ///
    /// # Errors
    /// The U-Net sees something beside latents that nothing here gives.
    pub(super) fn of(
        inputs: i64,
        channels: i64,
        pixels_per_cell: i64,
        model: &std::path::Path,
    ) -> Result<Self> {
        let inpaints = inputs == 2 * channels + 1;
        if inputs != channels && !inpaints {
            return Err(EngineError::bad_config(
                model,
                "in_channels",
                format!(
                    "is {inputs} where the latents have {channels}; {channels} and, for \
                     inpainting, {} are supported",
                    2 * channels + 1
                ),
            ));
        }
        Ok(Self {
            channels,
            pixels_per_cell,
            inpaints,
        })
    }
}

/// The mask, 1 where the model may paint, and the scaled latents of the picture around it:
/// `[1, 1 + channels, h, w]` in fp32. Without a source, or without a mask, it may paint everywhere.
///
/// `noise` `[1, channels, h, w]` is what the encoder's latents are sampled with.
pub(super) fn beside_latents(
    recipe: &Recipe,
    source: Option<&SourcePixels>,
    noise: &Tensor,
    (vae, device): (&Vae, Device),
) -> Result<Tensor> {
    let [_, _, height, width] = <[i64; 4]>::try_from(noise.size()).unwrap_or_default();
    let masked = source.filter(|source| source.is_masked());
    let (around, mask) = if let Some(source) = masked {
        let painted = coverage_tensor(&source.sharp_in_frame())?.f_ge(PAINTED_FROM)?;
        let kept = painted.f_logical_not()?.f_to_kind(Kind::Float)?;
        let seen = picture_tensor(&[&source.seen()])?;
        let free = source.free_cells(vae.config().downscale(), device)?;
        (seen.f_mul(&kept)?, free)
    } else {
        // Nothing of a picture is kept.
        let (height, width) = (i64::from(recipe.height_px), i64::from(recipe.width_px));
        let size = [1, 3, height, width];
        let grey = Tensor::f_zeros(size, (Kind::Float, Device::Cpu))?;
        (grey, None)
    };
    let mask = match mask {
        Some(mask) => mask,
        None => Tensor::f_ones([1, 1, height, width], (Kind::Float, device))?,
    };
    let encoded = vae.encode(&around.f_to_device(device)?)?;
    let latents = encoded.sample(&noise.f_to_device(device)?)?;
    let latents = vae.scale(&latents.f_to_kind(Kind::Float)?)?;
    Ok(Tensor::f_cat(&[mask, latents], 1)?)
}
