//! Pieces of a render that run over and over on a loaded model, to be timed against other programs.

use std::path::Path;
use std::str::FromStr;

use tch::{Device, Kind, Tensor};

use super::denoise::Denoiser;
use super::halves::Halves;
use super::phases::Contexts;
use super::{Flow, Renderer, layout};
use crate::checkpoint;
use crate::device::Dtype;
use crate::models::unet::UNetConfig;
use crate::picture::Picture;
use crate::recipe::Recipe;
use crate::sampling::Guidance;
use crate::{EngineError, Result};

/// Side of the latents of a measured step, in cells: 512 pixels of Stable Diffusion.
const STEP_CELLS: i64 = 64;

/// Tokens of the text in a measured step: one chunk of CLIP.
const STEP_TOKENS: i64 = 77;

/// Guidance scale of a measured step; any above 1 costs the same.
const STEP_GUIDANCE: f64 = 7.5;

/// Timestep of a measured step; all cost the same.
const STEP_TIMESTEP: f64 = 500.0;

/// The same picture again and again, on the CPU.
pub struct PictureWork {
    renderer: Renderer,
    recipe: Recipe,
}

impl PictureWork {
    /// Loads the model in `folder` in the recipe's dtype.
    ///
    /// # Errors
    /// As [`Renderer::load`] and [`Recipe::validate`].
    pub fn load(folder: &Path, recipe: Recipe) -> Result<Self> {
        recipe.validate()?;
        Ok(Self {
            renderer: Renderer::load(folder, recipe.dtype.parse()?, Device::Cpu)?,
            recipe,
        })
    }

    /// From the prompt's text to pixels, as if the prompt were new each time.
    ///
    /// # Errors
    /// As [`Renderer::render`].
    pub fn run(&mut self) -> Result<Picture> {
        self.renderer.forget_prompt();
        let rendered = self
            .renderer
            .render(&self.recipe, &mut |_| Flow::Continue)?;
        Ok(rendered.picture)
    }
}

/// How a picture's channels lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One plane after the other.
    Contiguous,
    /// All channels of a pixel side by side.
    ChannelsLast,
}

impl FromStr for Layout {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "contiguous" => Ok(Self::Contiguous),
            "channels-last" => Ok(Self::ChannelsLast),
            _ => Err(EngineError::request(
                "layout",
                format!("\"{name}\" is not one of contiguous, channels-last"),
            )),
        }
    }
}

/// The same guided step again and again, on the CPU: one U-Net call on latents of 512×512 pixels
/// with and without the text, and their combination.
pub struct StepWork {
    halves: Halves,
    contexts: Contexts,
    latents: Tensor,
    guidance: Guidance,
    kind: Kind,
}

impl StepWork {
    /// Loads the U-Net in `folder`, which holds its config.json and weights, in `dtype` and
    /// `layout`; latents and text are random.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit the other, or the CPU cannot compute in `dtype`.
    pub fn load(folder: &Path, dtype: Dtype, layout: Layout) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        dtype.check_on(Device::Cpu)?;
        let kind = dtype.kind();
        let config: UNetConfig = checkpoint::network_config(folder)?;
        let store = checkpoint::network_params(folder, kind, Device::Cpu)?;
        let halves = Halves::new(&store, &config)?;
        store.finish()?;
        let random = |shape: &[i64]| Tensor::f_randn(shape, (Kind::Float, Device::Cpu));
        let mut latents = random(&[1, config.in_channels, STEP_CELLS, STEP_CELLS])?;
        if layout == Layout::ChannelsLast {
            layout::channels_last(&store)?;
            latents = layout::pixels_first(&latents)?;
        }
        let width = config.cross_attention_dim.get(0).unwrap_or(0);
        let text = random(&[2, STEP_TOKENS, width])?;
        let unet = halves.unet();
        Ok(Self {
            contexts: Contexts {
                negative: Some(unet.text_context(&text.f_narrow(0, 0, 1)?)?),
                positive: unet.text_context(&text.f_narrow(0, 1, 1)?)?,
                nets: Vec::new(),
            },
            latents,
            guidance: Guidance::new(STEP_GUIDANCE, 0.0)?,
            halves,
            kind,
        })
    }

    /// The guided prediction `[1, channels, 64, 64]` in fp32.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn run(&mut self) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let mut denoiser = Denoiser {
            beside: None,
            halves: &mut self.halves,
            kind: self.kind,
            device: Device::Cpu,
        };
        denoiser.predict(
            &self.latents,
            STEP_TIMESTEP,
            &self.contexts,
            Some(&self.guidance),
            None,
        )
    }
}
