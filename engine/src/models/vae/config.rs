//! What an autoencoder's config.json says.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::layers::Activation;
use crate::models::PerBlock;
use crate::{EngineError, Result};

/// Configuration of an `AutoencoderKL`, with the defaults of Python diffusers for absent fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // the file has them so
pub struct VaeConfig {
    /// Channels of the picture that is encoded.
    pub in_channels: i64,
    /// Channels of the picture that is decoded.
    pub out_channels: i64,
    /// Encoder blocks; only `DownEncoderBlock2D` is supported.
    pub down_block_types: Vec<String>,
    /// Decoder blocks; only `UpDecoderBlock2D` is supported.
    pub up_block_types: Vec<String>,
    /// Channels of each level, highest resolution first.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks of each encoder level; a decoder level has one more.
    pub layers_per_block: i64,
    /// Activation function.
    pub act_fn: String,
    /// Channels of the latents.
    pub latent_channels: i64,
    /// Groups of the normalisations.
    pub norm_num_groups: i64,
    /// Side, or height and width, of the training pictures in pixels.
    pub sample_size: PerBlock<i64>,
    /// Factor from raw latents to those that the U-Net works on.
    pub scaling_factor: f64,
    /// Subtracted from raw latents before scaling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shift_factor: Option<f64>,
    /// Mean of each raw latent channel; used together with `latents_std`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents_mean: Option<Vec<f64>>,
    /// Standard deviation of each raw latent channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latents_std: Option<Vec<f64>>,
    /// Whether the autoencoder overflows in fp16 and has to run in fp32.
    pub force_upcast: bool,
    /// Whether a 1×1 convolution follows the encoder.
    pub use_quant_conv: bool,
    /// Whether a 1×1 convolution precedes the decoder.
    pub use_post_quant_conv: bool,
    /// Whether the middle of encoder and decoder has an attention layer.
    pub mid_block_add_attention: bool,
}

impl Default for VaeConfig {
    fn default() -> Self {
        Self {
            in_channels: 3,
            out_channels: 3,
            down_block_types: vec!["DownEncoderBlock2D".to_owned()],
            up_block_types: vec!["UpDecoderBlock2D".to_owned()],
            block_out_channels: vec![64],
            layers_per_block: 1,
            act_fn: "silu".to_owned(),
            latent_channels: 4,
            norm_num_groups: 32,
            sample_size: PerBlock::All(32),
            scaling_factor: 0.18215,
            shift_factor: None,
            latents_mean: None,
            latents_std: None,
            force_upcast: true,
            use_quant_conv: true,
            use_post_quant_conv: true,
            mid_block_add_attention: true,
        }
    }
}

impl VaeConfig {
    /// Pixels of the picture's side for one latent.
    pub fn downscale(&self) -> i64 {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    /// The activation function, once every field has been found usable.
    pub(super) fn check(&self, path: &Path) -> Result<Activation> {
        let bad = |field: &str, problem: String| EngineError::bad_config(path, field, problem);
        let levels = self.block_out_channels.len();
        for (field, types, supported) in [
            (
                "down_block_types",
                &self.down_block_types,
                "DownEncoderBlock2D",
            ),
            ("up_block_types", &self.up_block_types, "UpDecoderBlock2D"),
        ] {
            if types.len() != levels {
                return Err(bad(
                    field,
                    format!("needs one entry for each of the {levels} block_out_channels"),
                ));
            }
            if let Some(other) = types.iter().find(|t| *t != supported) {
                return Err(bad(
                    field,
                    format!("has {other}; only {supported} is supported"),
                ));
            }
        }
        if levels == 0 {
            return Err(bad("block_out_channels", "must not be empty".to_owned()));
        }
        if self.norm_num_groups < 1 {
            return Err(bad("norm_num_groups", "must be at least 1".to_owned()));
        }
        if let Some(c) = self
            .block_out_channels
            .iter()
            .find(|&&c| c < 1 || c % self.norm_num_groups != 0)
        {
            return Err(bad(
                "block_out_channels",
                format!("has {c}, which norm_num_groups does not divide"),
            ));
        }
        for (field, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("latent_channels", self.latent_channels),
            ("layers_per_block", self.layers_per_block),
        ] {
            if value < 1 {
                return Err(bad(field, format!("is {value}; it must be at least 1")));
            }
        }
        for (field, values) in [
            ("latents_mean", &self.latents_mean),
            ("latents_std", &self.latents_std),
        ] {
            if values
                .as_ref()
                .is_some_and(|v| v.len() as i64 != self.latent_channels)
            {
                return Err(bad(field, "needs one value a latent channel".to_owned()));
            }
        }
        if !self.scaling_factor.is_finite() || self.scaling_factor == 0.0 {
            return Err(bad(
                "scaling_factor",
                "must be a number other than 0".to_owned(),
            ));
        }
        Activation::from_name(&self.act_fn).ok_or_else(|| {
            bad(
                "act_fn",
                format!("is {}; use silu, gelu or quick_gelu", self.act_fn),
            )
        })
    }
}
