//! One loaded model.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::denoise::Denoiser;
use super::plan::{LatentSpace, Plan};
use super::{OnStep, to_picture};
use crate::checkpoint::ModelFolder;
use crate::device::Dtype;
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::picture::Picture;
use crate::prompt::TextStage;
use crate::recipe::Recipe;
use crate::sampling::SchedulerConfig;
use crate::{EngineError, Result};

/// A picture and what it came from.
#[derive(Debug)]
pub struct Rendered {
    /// The pixels.
    pub picture: Picture,
    /// The recipe with the model's hash resolved.
    pub recipe: Recipe,
    /// The final latents `[1, channels, h, w]` in fp32, before the VAE's scaling is undone.
    pub latents: Tensor,
}

/// A loaded model: text encoder and U-Net in the dtype asked for, VAE in fp32.
pub struct Renderer {
    folder: PathBuf,
    hash: String,
    dtype: Dtype,
    device: Device,
    text: TextStage,
    unet: UNet,
    vae: Vae,
    space: LatentSpace,
    scheduler: SchedulerConfig,
    encoded: Option<Encoded>,
}

/// The text keys and values of the last prompt, which serve a whole batch.
struct Encoded {
    prompt: String,
    negative: Option<String>,
    context: TextContext,
}

impl Renderer {
    /// Loads the model in `folder`.
    ///
    /// # Errors
    /// A file is missing, cut off, does not fit its configuration, or holds NaN; or `dtype` cannot
    /// be computed on `device`.
    pub fn load(folder: &Path, dtype: Dtype, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        dtype.check_on(device)?;
        let model = ModelFolder::open(folder)?;
        let kind = dtype.kind();
        let text = model.load_text(kind, device)?;
        let unet_config: UNetConfig = model.component_config("unet")?;
        let store = model.component_params("unet", kind, device)?;
        let unet = UNet::new(&store.root(), &unet_config)?;
        store.finish()?;
        store.check_finite()?;
        let vae_config: VaeConfig = model.component_config("vae")?;
        // Half precision overflows in several published decoders, and the last pixels show it.
        let store = model.component_params("vae", Kind::Float, device)?;
        let vae = Vae::new(&store.root(), &vae_config)?;
        store.finish()?;
        store.check_finite()?;
        let scheduler = SchedulerConfig::read(&model.scheduler_config_path()?)?;
        let space = LatentSpace {
            channels: unet_config.in_channels,
            pixels_per_cell: vae_config.downscale(),
        };
        Ok(Self {
            folder: folder.to_owned(),
            hash: model.hash()?,
            dtype,
            device,
            text,
            unet,
            vae,
            space,
            scheduler,
            encoded: None,
        })
    }

    /// SHA-256 over the model's files, in hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether this is the model of `folder` as it lies there now, in `dtype` on `device`.
    pub fn is_for(&self, folder: &Path, dtype: Dtype, device: Device) -> bool {
        (self.dtype, self.device) == (dtype, device)
            && self.folder == folder
            && ModelFolder::open(folder)
                .and_then(|model| model.hash())
                .is_ok_and(|now| now == self.hash)
    }

    /// Renders one picture; `on_step` is asked before every model call and before decoding.
    ///
    /// # Errors
    /// A field cannot be carried out, the numbers stop being finite, memory runs out, or `on_step`
    /// cancelled ([`EngineError::Cancelled`]).
    pub fn render(&mut self, recipe: &Recipe, on_step: &mut OnStep<'_>) -> Result<Rendered> {
        let _guard = tch::no_grad_guard();
        recipe.validate()?;
        let plan = Plan::compile(recipe, &self.space, &self.scheduler)?;
        self.encode(recipe, plan.guidance.is_some())?;
        let encoded = self
            .encoded
            .as_ref()
            .ok_or_else(|| EngineError::request("prompt", "was not encoded"))?;
        let denoiser = Denoiser {
            unet: &self.unet,
            context: &encoded.context,
            kind: self.dtype.kind(),
            device: self.device,
        };
        let latents = denoiser.run(plan, recipe.seed, on_step)?;
        let image = self.vae.decode(&self.vae.unscale(&latents)?)?;
        let mut recipe = recipe.clone();
        recipe.model.hash.clone_from(&self.hash);
        Ok(Rendered {
            picture: to_picture(&image)?,
            recipe,
            latents,
        })
    }

    /// Forgets the last prompt's keys and values: the next picture encodes its prompt anew.
    pub(super) fn forget_prompt(&mut self) {
        self.encoded = None;
    }

    /// Makes the text keys and values of `recipe`, unless the last picture had the same words.
    fn encode(&mut self, recipe: &Recipe, guided: bool) -> Result<()> {
        let negative = guided.then(|| recipe.negative_prompt.clone());
        let same = self
            .encoded
            .as_ref()
            .is_some_and(|e| e.prompt == recipe.prompt && e.negative == negative);
        if same {
            return Ok(());
        }
        self.encoded = None;
        let context = match &negative {
            None => {
                let prompt = self.text.encode(&recipe.prompt, 1)?;
                prompt.context()?.f_unsqueeze(0)?
            }
            Some(negative) => {
                // Both are padded to as many chunks as the longer one needs.
                let (prompt, negative) = self.text.encode_pair(&recipe.prompt, negative)?;
                Tensor::f_stack(&[negative.context()?, prompt.context()?], 0)?
            }
        };
        self.encoded = Some(Encoded {
            prompt: recipe.prompt.clone(),
            negative,
            context: self.unet.text_context(&context)?,
        });
        Ok(())
    }
}
