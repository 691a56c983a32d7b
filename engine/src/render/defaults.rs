//! What a model is rendered with when the artist does not say.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;

use super::LatentRgb;
use crate::checkpoint::Checkpoint;
use crate::models::unet::UNetConfig;
use crate::models::vae::VaeConfig;
use crate::recipe::{ModelRef, Recipe};
use crate::sampling::{SamplerName, SchedulerConfig};
use crate::{EngineError, Result};

/// Below it the embedded model's edits often stay half done.
const LEAST_EDIT_GUIDANCE: f64 = 5.0;

/// A model's native size and what suits it otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Defaults {
    /// Width in pixels of the pictures that the model was trained on.
    pub width_px: u32,
    /// Their height.
    pub height_px: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Classifier-free guidance scale.
    pub guidance_scale: f64,
    recommended_sampler: Option<String>,
    scheduler: SchedulerConfig,
}

/// What a model's author recommends, in `vernier.json` beside `model_index.json`; all optional.
#[derive(Debug, Default, Deserialize)]
struct Recommended {
    steps: Option<u32>,
    guidance_scale: Option<f64>,
    sampler: Option<String>,
    latent_rgb: Option<LatentRgb>,
    most_px: Option<u32>,
}

impl Defaults {
    /// Reads what the model in `folder`, which may be a single file, says: its native size from the U-Net's configuration, the
    /// rest from its `vernier.json` where it has one.
    ///
    /// # Errors
    /// The folder is not a model folder, or a configuration file cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let model = Checkpoint::open(folder)?;
        let unet: UNetConfig = model.component_config("unet")?;
        let vae: VaeConfig = model.component_config("vae")?;
        // Height comes first where a configuration gives both. 64 is Stable Diffusion 1.x.
        let side = |i| {
            let cells = unet.sample_size.as_ref().and_then(|size| size.get(i));
            (cells.unwrap_or(64) * vae.downscale()) as u32
        };
        let recommended = recommended(folder)?;
        let scheduler = model.scheduler()?;
        Ok(Self {
            width_px: side(1),
            height_px: side(0),
            steps: recommended.steps.unwrap_or(25),
            guidance_scale: recommended.guidance_scale.unwrap_or(7.5),
            recommended_sampler: recommended.sampler,
            scheduler,
        })
    }

    /// Guidance scale of an edit by words. It leads away from the old words rather than from none,
    /// which is a shorter way: models that are guided little are guided more, up to 5.
    pub fn edit_guidance_scale(&self) -> f64 {
        if self.guidance_scale > 1.0 {
            self.guidance_scale.max(LEAST_EDIT_GUIDANCE)
        } else {
            self.guidance_scale
        }
    }

    /// A recipe without a prompt, as `model`, whose defaults these are, is usually rendered.
    ///
    /// # Errors
    /// See [`Defaults::sampler`].
    pub fn recipe(&self, model: ModelRef) -> Result<Recipe> {
        Ok(Recipe {
            width_px: self.width_px,
            height_px: self.height_px,
            steps: self.steps,
            guidance_scale: self.guidance_scale,
            sampler: self.sampler()?,
            ..Recipe::new(model)
        })
    }

    /// Name of the recommended sampler, or of the one that the model's scheduler names.
    ///
    /// # Errors
    /// The scheduler is one that has no sampler here, and nothing else is recommended.
    pub fn sampler(&self) -> Result<String> {
        match &self.recommended_sampler {
            Some(name) => Ok(name.clone()),
            None => Ok(SamplerName::default_for(&self.scheduler)?.to_string()),
        }
    }
}

/// How the latents of the model in `folder` are coloured: as its `vernier.json` says, or as
/// published for its family; `None` where nobody knows.
pub(super) fn latent_rgb(folder: &Path, vae: &VaeConfig) -> Result<Option<LatentRgb>> {
    let Some(own) = recommended(folder)?.latent_rgb else {
        return Ok(LatentRgb::published(vae));
    };
    let fits = own.channels() == Some(vae.latent_channels as usize);
    // A preview is no reason to refuse a model.
    Ok(fits.then_some(own))
}

/// Longest side in pixels at which the model in `folder` makes whole things, as its `vernier.json`
/// says; `None` where that is silent.
pub(super) fn most_px(folder: &Path) -> Result<Option<u32>> {
    Ok(recommended(folder)?.most_px)
}

fn recommended(folder: &Path) -> Result<Recommended> {
    let path = folder.join("vernier.json");
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map_err(|e| EngineError::bad_file(&path, format!("cannot be understood: {e}"))),
        // A single file has nothing in it.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Recommended::default())
        }
        Err(e) => Err(EngineError::io(&path, e)),
    }
}
