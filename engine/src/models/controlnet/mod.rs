//! ControlNets (`ControlNetModel`), after "Adding Conditional Control to Text-to-Image Diffusion
//! Models" (arXiv 2302.05543), with the key names of Python diffusers: a copy of a U-Net's encoder
//! that sees a picture too, and adds to what the U-Net's way up meets.

mod config;
mod hint;
mod names;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::layers::{Conv2d, ConvShape};
use crate::models::unet::{AddedConditions, Encoded, Encoder, Plan, Residuals, TextContext};
use crate::weights::Params;

pub use config::ControlNetConfig;
pub use names::original_controlnet_names;

use hint::HintEncoder;

/// Says what a U-Net of its family shall add to its feature maps to follow a picture.
#[derive(Debug)]
pub struct ControlNet {
    encoder: Encoder,
    hint: HintEncoder,
    /// The convolutions that begin at zero in training, for every skip.
    down: Vec<Conv2d>,
    middle: Conv2d,
    plan: Plan,
    config: ControlNetConfig,
    kind: Kind,
}

impl ControlNet {
    /// Takes all parameters from `params`.
    ///
    /// # Errors
    /// A field of `config` is not supported; see [`Params::get`] for the others.
    pub fn new(params: &Params, config: &ControlNetConfig) -> Result<Self> {
        config.check(&params.config_path())?;
        let (encoder, plan) = Encoder::alone(params, &config.unet())?;
        let first = config.encoder.block_out_channels[0];
        let hint = HintEncoder::new(&params.at("controlnet_cond_embedding"), config, first)?;
        let pointwise = |params: &Params, channels: i64| {
            Conv2d::new(params, channels, channels, ConvShape::POINTWISE)
        };
        let skips = encoder.skip_channels.iter().enumerate();
        let down = skips
            .map(|(i, &channels)| pointwise(&params.at("controlnet_down_blocks").at(i), channels))
            .collect::<Result<_>>()?;
        let deepest = encoder.skip_channels.last().copied().unwrap_or(first);
        Ok(Self {
            middle: pointwise(&params.at("controlnet_mid_block"), deepest)?,
            encoder,
            hint,
            down,
            plan,
            config: config.clone(),
            kind: params.kind(),
        })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &ControlNetConfig {
        &self.config
    }

    /// dtype and device of the parameters.
    pub fn options(&self) -> (Kind, Device) {
        (self.kind, self.encoder.device())
    }

    /// Keys and values of `text` `[batch, tokens, cross_attention_dim]` for every attention layer
    /// that reads text.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn text_context(&self, text: &Tensor) -> Result<TextContext> {
        let text = text.f_to_kind(self.kind)?;
        let mut context = TextContext::default();
        self.encoder.read_text(&text, &mut context)?;
        Ok(context)
    }

    /// What the encoder sees of the picture `[batch, 3, height, width]`, RGB in 0..1: `[batch,
    /// channels, h, w]`, the same for every step.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn hint(&self, picture: &Tensor) -> Result<Tensor> {
        let (kind, device) = self.options();
        let mut picture = picture.f_to_device(device)?.f_to_kind(kind)?;
        if self.config.is_bgr() {
            picture = picture.f_flip([1])?;
        }
        self.hint.forward(&picture)
    }

    /// The residuals, `weight` times, for `latents` `[batch, in_channels, h, w]` at `timesteps`
    /// `[batch]` (0..1000, fractions allowed), under `text` of this ControlNet's own
    /// [`text_context`](Self::text_context) and a `hint` that [`hint`](Self::hint) gave.
    ///
    /// # Errors
    /// Shapes disagree, `added` lacks what the model asks for, or memory runs out.
    pub fn forward(
        &self,
        latents: &Tensor,
        timesteps: &Tensor,
        text: &TextContext,
        added: Option<&AddedConditions>,
        hint: &Tensor,
        weight: f64,
    ) -> Result<Residuals> {
        let mut pass = self
            .encoder
            .pass(&self.plan, timesteps, text, added, None)?;
        let latents = latents.f_to_kind(self.kind)?;
        let Encoded { skips, middle } = self.encoder.forward(latents, Some(hint), &mut pass)?;
        let out = |conv: &Conv2d, x: &Tensor| -> Result<Tensor> {
            let x = conv.forward(x)?.f_mul_scalar(weight)?;
            Ok(if self.config.global_pool_conditions {
                x.f_mean_dim([2_i64, 3].as_slice(), true, None::<Kind>)?
            } else {
                x
            })
        };
        let down = self.down.iter().zip(&skips);
        Ok(Residuals {
            down: down
                .map(|(conv, skip)| out(conv, skip))
                .collect::<Result<_>>()?,
            middle: out(&self.middle, &middle)?,
        })
    }
}
