//! A loaded model whose weights stay as they are, for training what works beside them.

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use crate::checkpoint::Checkpoint;
use crate::layers::AttentionHook;
use crate::models::unet::{TextContext, UNet, UNetConfig};
use crate::models::vae::{Vae, VaeConfig};
use crate::prompt::TextStage;
use crate::sampling::{NoiseSchedule, SchedulerConfig};
use crate::{EngineError, Result};

/// Text encoder, U-Net and autoencoder without gradients of their own; gradients flow through them.
pub struct FrozenModel {
    /// Prompts to embeddings.
    pub text: TextStage,
    /// The U-Net.
    pub unet: UNet,
    /// The autoencoder, in fp32.
    pub vae: Vae,
    /// How noise grows with the timestep.
    pub noise: NoiseSchedule,
    /// The model's scheduler.
    pub scheduler: SchedulerConfig,
    /// SHA-256 over the model's files, in hex.
    pub hash: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Latents of the model's native size, `[channels, h, w]`.
    pub latent_shape: [i64; 3],
    /// dtype of text encoder and U-Net.
    pub kind: Kind,
    /// Where it computes.
    pub device: Device,
}

impl FrozenModel {
    /// Loads the model in `folder`, which may be a single file.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit its configuration; or the model takes more than
    /// latents and text.
    pub fn load(folder: &Path, kind: Kind, device: Device) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let model = Checkpoint::open(folder)?;
        let text = model.load_text(kind, device)?;
        let unet_config: UNetConfig = model.component_config("unet")?;
        if unet_config.addition_embed_type.is_some()
            || unet_config.in_channels != unet_config.out_channels
        {
            return Err(EngineError::bad_file(
                folder,
                "is a model of Stable Diffusion XL or one for inpainting, beside which no control \
                 is trained yet; take one of Stable Diffusion 1.x or 2.x",
            ));
        }
        let store = model.component_params("unet", kind, device)?;
        let unet = UNet::new(&store.root(), &unet_config)?;
        store.finish()?;
        store.check_finite()?;
        let vae_config: VaeConfig = model.component_config("vae")?;
        let store = model.component_params("vae", Kind::Float, device)?;
        let vae = Vae::new(&store.root(), &vae_config)?;
        store.finish()?;
        let scheduler = model.scheduler()?;
        // 64 cells is Stable Diffusion 1.x.
        let side = |i| {
            unet_config
                .sample_size
                .as_ref()
                .and_then(|size| size.get(i))
                .unwrap_or(64)
        };
        Ok(Self {
            noise: NoiseSchedule::new(&scheduler)?,
            latent_shape: [unet_config.in_channels, side(0), side(1)],
            hash: model.hash()?,
            folder: folder.to_owned(),
            text,
            unet,
            vae,
            scheduler,
            kind,
            device,
        })
    }

    /// Width and height in pixels of the pictures that the model learnt.
    pub fn picture_px(&self) -> (u32, u32) {
        let [_, height, width] = self.latent_shape;
        let pixels = |cells: i64| (cells * self.vae.config().downscale()) as u32;
        (pixels(width), pixels(height))
    }

    /// The U-Net's output in fp32 for `latents` `[batch, channels, h, w]`, all at `timestep`.
    ///
    /// # Errors
    /// Shapes disagree, the hook fails, or memory runs out.
    pub fn predict(
        &self,
        latents: &Tensor,
        timestep: f64,
        text: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let batch = latents.size()[0];
        let timesteps = Tensor::f_full([batch], timestep, (Kind::Float, self.device))?;
        self.predict_each(latents, &timesteps, text, hook)
    }

    /// The U-Net's output in fp32 for `latents` `[batch, channels, h, w]`, each at its own of
    /// `timesteps` `[batch]`.
    ///
    /// # Errors
    /// Shapes disagree, the hook fails, or memory runs out.
    pub fn predict_each(
        &self,
        latents: &Tensor,
        timesteps: &Tensor,
        text: &TextContext,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let latents = latents.f_to_kind(self.kind)?;
        let output = self
            .unet
            .forward(&latents, timesteps, text, text.added(), hook)?;
        Ok(output.f_to_kind(Kind::Float)?)
    }

    /// √ᾱ and √(1−ᾱ) at `timestep`, between the trained timesteps by interpolation of ᾱ.
    pub fn signal_and_noise(&self, timestep: f64) -> (f64, f64) {
        let alpha_bar = self.noise.alpha_bar_at(timestep);
        (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt())
    }
}
