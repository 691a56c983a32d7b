//! The latents that a walk starts from, and its noise.

use tch::{Device, Kind, Tensor};

use super::beside::beside_latents;
use super::plan::Plan;
use super::source::{SourcePixels, check_channels};
use crate::Result;
use crate::measure::picture_tensor;
use crate::models::vae::{LatentDistribution, Vae};
use crate::recipe::Recipe;
use crate::sampling::{ImageNoise, Schedule};

/// A source, encoded.
pub(super) struct Start {
    /// Its latents as the U-Net knows them, `[1, channels, h, w]` in fp32.
    clean: Tensor,
    /// 1 where cells may change and 0 elsewhere, `[1, 1, h, w]`; `None` for everywhere.
    free: Option<Tensor>,
    /// Whether nothing of the source is in the first latents.
    from_noise: bool,
}

impl Start {
    /// The latents before the first call, `[1, channels, h, w]`, where they hold the source.
    pub(super) fn first(&self, noise: &Tensor, schedule: &Schedule) -> Result<Option<Tensor>> {
        if self.from_noise {
            return Ok(None);
        }
        schedule.noised(&self.clean, noise, 0).map(Some)
    }

    /// `latents` before the call `next`, with the source, noised as much, in all cells that may
    /// not change; clean where there is no such call.
    pub(super) fn held(
        &self,
        latents: Tensor,
        noise: &Tensor,
        schedule: &Schedule,
        next: usize,
    ) -> Result<Tensor> {
        let Some(free) = &self.free else {
            return Ok(latents);
        };
        let source = if next < schedule.timesteps.len() {
            schedule.noised(&self.clean, noise, next)?
        } else {
            self.clean.shallow_clone()
        };
        let kept = free.f_neg()?.f_add_scalar(1.0)?.f_mul(&source)?;
        Ok(kept.f_add(&latents.f_mul(free)?)?)
    }
}

/// Everything that one picture's walk begins with.
pub(super) struct Beginning {
    pub(super) noise: ImageNoise,
    /// What it starts from beside noise.
    pub(super) start: Option<Start>,
    /// What an inpainting U-Net sees behind the latents, `[1, 1 + channels, h, w]` in fp32.
    pub(super) beside: Option<Tensor>,
}

/// Encodes sources; the last one serves the next recipe that starts from it.
#[derive(Debug, Default)]
pub(super) struct SourceEncoder {
    last: Option<(String, LatentDistribution)>,
}

impl SourceEncoder {
    /// The noise of `recipe`, where it has a `source` that one's latents, a sample of what the
    /// encoder says, as diffusers takes it, and what the U-Net sees beside them where it `inpaints`.
    ///
    /// All noise is drawn for this image alone, on the CPU: the same seed gives the same noise
    /// everywhere.
    pub(super) fn beginning(
        &mut self,
        recipe: &Recipe,
        plan: &Plan,
        source: Option<&SourcePixels>,
        inpaints: bool,
        (vae, device): (&Vae, Device),
    ) -> Result<Beginning> {
        let [_, channels, height, width] = plan.latent_shape;
        let size = [channels, height, width];
        let (seed, sampler) = (recipe.seed, plan.sampler.as_ref());
        if inpaints {
            return self.inpainting(recipe, plan, source, (vae, device));
        }
        let (Some(pixels), Some(source)) = (source, &recipe.source) else {
            return Ok(Beginning {
                noise: ImageNoise::draw(seed, size, sampler)?,
                start: None,
                beside: None,
            });
        };
        check_channels(vae.config().latent_channels, channels)?;
        let is_masked = pixels.is_masked();
        let (of_source, noise) = ImageNoise::draw_beside_source(seed, size, sampler, is_masked)?;
        let encoded = self.encoded(pixels, vae, device)?;
        let clean = encoded.sample(&of_source.f_to_device(device)?)?;
        let start = Start {
            clean: vae.scale(&clean.f_to_kind(Kind::Float)?)?,
            free: pixels.free_cells(vae.config().downscale(), device)?,
            // Only the pipeline for inpainting forgets the source altogether.
            from_noise: is_masked && source.strength >= 1.0,
        };
        Ok(Beginning {
            noise,
            start: Some(start),
            beside: None,
        })
    }

    /// The beginning of a walk of a U-Net that is trained for inpainting. It keeps the picture
    /// around the mask by itself: nothing is put back on the way.
    fn inpainting(
        &mut self,
        recipe: &Recipe,
        plan: &Plan,
        source: Option<&SourcePixels>,
        (vae, device): (&Vae, Device),
    ) -> Result<Beginning> {
        let [_, channels, height, width] = plan.latent_shape;
        let is_masked = source.is_some_and(SourcePixels::is_masked);
        let strength = recipe.source.as_ref().map(|source| source.strength);
        let pixels = source.filter(|_| !is_masked || strength.is_some_and(|s| s < 1.0));
        let (of_source, noise, of_surroundings) = ImageNoise::draw_for_inpainting(
            recipe.seed,
            [channels, height, width],
            plan.sampler.as_ref(),
            pixels.is_some(),
        )?;
        let start = match (pixels, of_source) {
            (Some(pixels), Some(of_source)) => {
                let encoded = self.encoded(pixels, vae, device)?;
                let clean = encoded.sample(&of_source.f_to_device(device)?)?;
                Some(Start {
                    clean: vae.scale(&clean.f_to_kind(Kind::Float)?)?,
                    free: None,
                    from_noise: false,
                })
            }
            _ => None,
        };
        let beside = beside_latents(recipe, source, &of_surroundings, (vae, device))?;
        Ok(Beginning {
            noise,
            start,
            beside: Some(beside),
        })
    }

    fn encoded(
        &mut self,
        pixels: &SourcePixels,
        vae: &Vae,
        device: Device,
    ) -> Result<&LatentDistribution> {
        let seen = pixels.seen();
        let hash = seen.hash();
        let known = self.last.take().filter(|(known, _)| *known == hash);
        let last = if let Some(known) = known {
            known
        } else {
            let image = picture_tensor(&[&seen])?.f_to_device(device)?;
            (hash, vae.encode(&image)?)
        };
        Ok(&self.last.insert(last).1)
    }
}
