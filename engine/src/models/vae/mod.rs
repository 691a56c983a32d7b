//! The autoencoder (`AutoencoderKL`), after "High-Resolution Image Synthesis with Latent Diffusion
//! Models" (arXiv 2112.10752), with the key names of Python diffusers.

mod attention;
mod config;
mod decoder;
mod distribution;
mod encoder;
mod mid;
mod tiling;

use tch::{Kind, Tensor};

use crate::Result;
use crate::layers::{Activation, Conv2d, ConvShape};
use crate::weights::Params;

pub use config::VaeConfig;
pub use distribution::LatentDistribution;
pub use tiling::Tiling;

use decoder::Decoder;
use encoder::Encoder;
use tiling::Cut;

/// Epsilon of all normalisations; Python diffusers has it as a constant too.
const NORM_EPS: f64 = 1e-6;

/// Between pictures and latents.
#[derive(Debug)]
pub struct Vae {
    encoder: Encoder,
    decoder: Decoder,
    quant_conv: Option<Conv2d>,
    post_quant_conv: Option<Conv2d>,
    config: VaeConfig,
    kind: Kind,
}

/// What encoder and decoder are both built from.
#[derive(Debug, Clone, Copy)]
struct Common<'a> {
    config: &'a VaeConfig,
    activation: Activation,
}

impl Vae {
    /// Takes `encoder`, `decoder`, `quant_conv` and `post_quant_conv` from `params`.
    ///
    /// # Errors
    /// A field of `config` is not supported; see [`Params::get`] for the others.
    pub fn new(params: &Params, config: &VaeConfig) -> Result<Self> {
        let activation = config.check(&params.config_path())?;
        let common = Common { config, activation };
        let pointwise = |name: &str, channels: i64| {
            Conv2d::new(&params.at(name), channels, channels, ConvShape::POINTWISE)
        };
        let z = config.latent_channels;
        Ok(Self {
            encoder: Encoder::new(&params.at("encoder"), common)?,
            decoder: Decoder::new(&params.at("decoder"), common)?,
            quant_conv: config
                .use_quant_conv
                .then(|| pointwise("quant_conv", 2 * z))
                .transpose()?,
            post_quant_conv: config
                .use_post_quant_conv
                .then(|| pointwise("post_quant_conv", z))
                .transpose()?,
            config: config.clone(),
            kind: params.kind(),
        })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &VaeConfig {
        &self.config
    }

    /// Pictures `[batch, in_channels, h, w]` in -1..1, `h` and `w` multiples of
    /// [`VaeConfig::downscale`], to raw (unscaled) latents `[batch, latent_channels, h/d, w/d]`.
    /// Those of more than 1536 × 1024 pixels go through it in tiles.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn encode(&self, images: &Tensor) -> Result<LatentDistribution> {
        let (_, _, height, width) = images.size4()?;
        if let Some(tiling) = Tiling::of(&self.config, height, width) {
            return self.encode_tiled(images, tiling);
        }
        LatentDistribution::from_moments(&self.moments(&images.f_to_kind(self.kind)?)?)
    }

    /// [`Self::encode`] in tiles, whatever the size.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn encode_tiled(&self, images: &Tensor, tiling: Tiling) -> Result<LatentDistribution> {
        let cut = Cut {
            tile: tiling.tile_px,
            made: tiling.tile_px / self.config.downscale(),
        };
        let moments = cut.run(&images.f_to_kind(self.kind)?, |tile| self.moments(tile))?;
        LatentDistribution::from_moments(&moments)
    }

    fn moments(&self, images: &Tensor) -> Result<Tensor> {
        let moments = self.encoder.forward(images)?;
        match &self.quant_conv {
            Some(conv) => conv.forward(&moments),
            None => Ok(moments),
        }
    }

    /// Raw (unscaled) latents `[batch, latent_channels, h, w]` to pictures
    /// `[batch, out_channels, h·d, w·d]`, around -1..1 and not clamped. Those of more than
    /// 1536 × 1024 pixels go through it in tiles.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn decode(&self, latents: &Tensor) -> Result<Tensor> {
        let (_, _, height, width) = latents.size4()?;
        let downscale = self.config.downscale();
        match Tiling::of(&self.config, height * downscale, width * downscale) {
            Some(tiling) => self.decode_tiled(latents, tiling),
            None => self.picture(&latents.f_to_kind(self.kind)?),
        }
    }

    /// [`Self::decode`] in tiles, whatever the size.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn decode_tiled(&self, latents: &Tensor, tiling: Tiling) -> Result<Tensor> {
        let cut = Cut {
            tile: tiling.tile_px / self.config.downscale(),
            made: tiling.tile_px,
        };
        cut.run(&latents.f_to_kind(self.kind)?, |tile| self.picture(tile))
    }

    fn picture(&self, latents: &Tensor) -> Result<Tensor> {
        match &self.post_quant_conv {
            Some(conv) => self.decoder.forward(&conv.forward(latents)?),
            None => self.decoder.forward(latents),
        }
    }

    /// Raw latents to those that the U-Net works on: `(x - shift) · scaling_factor`, or
    /// `(x - mean) · scaling_factor / std` where the configuration gives channel statistics.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn scale(&self, latents: &Tensor) -> Result<Tensor> {
        let factor = self.config.scaling_factor;
        if let Some((mean, std)) = self.statistics(latents)? {
            return Ok(latents.f_sub(&mean)?.f_mul_scalar(factor)?.f_div(&std)?);
        }
        let shift = self.config.shift_factor.unwrap_or(0.0);
        Ok(latents.f_sub_scalar(shift)?.f_mul_scalar(factor)?)
    }

    /// The inverse of [`Self::scale`].
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn unscale(&self, latents: &Tensor) -> Result<Tensor> {
        let factor = self.config.scaling_factor;
        if let Some((mean, std)) = self.statistics(latents)? {
            return Ok(latents.f_mul(&std)?.f_div_scalar(factor)?.f_add(&mean)?);
        }
        let shift = self.config.shift_factor.unwrap_or(0.0);
        Ok(latents.f_div_scalar(factor)?.f_add_scalar(shift)?)
    }

    /// Mean and standard deviation of the channels, `[1, latent_channels, 1, 1]`, in `like`'s
    /// dtype and on its device.
    fn statistics(&self, like: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        let (Some(mean), Some(std)) = (&self.config.latents_mean, &self.config.latents_std) else {
            return Ok(None);
        };
        let column = |values: &[f64]| -> Result<Tensor> {
            Ok(Tensor::f_from_slice(values)?
                .f_to_device(like.device())?
                .f_to_kind(like.kind())?
                .f_reshape([1, -1, 1, 1])?)
        };
        Ok(Some((column(mean)?, column(std)?)))
    }
}
