//! A recipe, resolved against a model.

use crate::recipe::Recipe;
use crate::sampling::{self, Guidance, Sampler, SamplerName, SchedulerConfig};
use crate::{EngineError, Result};

/// Everything that the denoising loop needs to know.
pub struct Plan {
    /// `[1, channels, h, w]`.
    pub latent_shape: [i64; 4],
    /// The walk from noise, or from a noised source, to latents.
    pub sampler: Box<dyn Sampler>,
    /// Model calls of the same recipe without a source, which walks all of its steps.
    pub calls_from_noise: usize,
    /// Classifier-free guidance, or `None` where each call sees the prompt alone.
    pub guidance: Option<Guidance>,
    /// The model's scheduler configuration with what the recipe asks for in its place.
    pub scheduler: SchedulerConfig,
}

/// What the plan needs to know about a model.
#[derive(Debug)]
pub(super) struct LatentSpace {
    /// Channels of the latents.
    pub(super) channels: i64,
    /// Pixels per latent cell along one side.
    pub(super) pixels_per_cell: i64,
    /// Whether the U-Net sees the mask and the picture around it.
    pub(super) inpaints: bool,
}

impl Plan {
    /// Resolves `recipe`, whose fields have been validated.
    ///
    /// # Errors
    /// The size does not divide into latent cells, or the sampler cannot follow the model's
    /// scheduler configuration.
    pub(super) fn compile(
        recipe: &Recipe,
        space: &LatentSpace,
        scheduler: &SchedulerConfig,
    ) -> Result<Self> {
        let name: SamplerName = recipe.sampler.parse()?;
        let cells = |field: &str, pixels: u32| {
            let pixels = i64::from(pixels);
            if pixels % space.pixels_per_cell == 0 {
                return Ok(pixels / space.pixels_per_cell);
            }
            Err(EngineError::request(
                field,
                format!(
                    "{pixels} is not a multiple of {}, which this model's VAE needs",
                    space.pixels_per_cell
                ),
            ))
        };
        let latent_shape = [
            1,
            space.channels,
            cells("height_px", recipe.height_px)?,
            cells("width_px", recipe.width_px)?,
        ];
        let steps = recipe.steps as usize;
        let scheduler = scheduler.with_choice(name, recipe.walk.choice()?)?;
        let mut sampler = sampling::build(name, &scheduler, steps)?;
        let calls_from_noise = sampler.schedule().timesteps.len();
        if let Some(source) = &recipe.source {
            let skipped = recipe.steps - source.walked_steps(recipe.steps);
            sampler = sampling::build_tail(name, &scheduler, steps, skipped as usize)?;
        }
        let guidance = Guidance::new(recipe.guidance_scale, recipe.walk.guidance_rescale)?;
        Ok(Self {
            latent_shape,
            sampler,
            calls_from_noise,
            guidance: Some(guidance).filter(Guidance::is_on),
            scheduler,
        })
    }
}
