//! What a ControlNet's config.json says.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::models::PerBlock;
use crate::models::unet::UNetConfig;
use crate::{EngineError, Result};

/// Configuration of a `ControlNetModel`, with the defaults of Python diffusers for absent fields.
///
/// Its encoder is a U-Net's, so the fields of that are a U-Net's too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ControlNetConfig {
    /// Channels of the picture that it follows.
    pub conditioning_channels: i64,
    /// `rgb` or `bgr`: the order that it wants the picture's channels in.
    pub controlnet_conditioning_channel_order: String,
    /// Channels of the convolutions that take the picture to the latents' size, which is halved
    /// between one and the next.
    pub conditioning_embedding_out_channels: Vec<i64>,
    /// Whether its residuals are averaged over the picture, so that they say what is in it and not
    /// where; such a ControlNet steers the prompt's half alone.
    pub global_pool_conditions: bool,
    /// The encoder.
    #[serde(flatten)]
    pub encoder: UNetConfig,
}

impl Default for ControlNetConfig {
    fn default() -> Self {
        Self {
            conditioning_channels: 3,
            controlnet_conditioning_channel_order: "rgb".to_owned(),
            conditioning_embedding_out_channels: vec![16, 32, 96, 256],
            global_pool_conditions: false,
            encoder: UNetConfig::default(),
        }
    }
}

impl ControlNetConfig {
    /// Pixels of the picture for one latent, along one side.
    pub fn pixels_per_cell(&self) -> i64 {
        1 << self
            .conditioning_embedding_out_channels
            .len()
            .saturating_sub(1)
    }

    /// Whether it wants blue before red.
    pub fn is_bgr(&self) -> bool {
        self.controlnet_conditioning_channel_order == "bgr"
    }

    /// The encoder's configuration with the up blocks that a U-Net around it would have: the file
    /// has none, and nothing is built from them.
    pub fn unet(&self) -> UNetConfig {
        let mut unet = self.encoder.clone();
        if let PerBlock::Each(layers) = &mut unet.transformer_layers_per_block {
            // Some files say 0 where a level has no attention, for which the number means nothing.
            for layers in layers {
                *layers = (*layers).max(1);
            }
        }
        let up = unet.down_block_types.iter().rev();
        unet.up_block_types = up.map(|name| name.replace("Down", "Up")).collect();
        unet
    }

    /// Checks what a U-Net's configuration does not have.
    pub(super) fn check(&self, path: &Path) -> Result<()> {
        let bad = |field: &str, problem: String| Err(EngineError::bad_config(path, field, problem));
        if self.conditioning_channels != 3 {
            let given = self.conditioning_channels;
            return bad(
                "conditioning_channels",
                format!("is {given}; only 3 is supported"),
            );
        }
        let order = &self.controlnet_conditioning_channel_order;
        if !["rgb", "bgr"].contains(&order.as_str()) {
            return bad(
                "controlnet_conditioning_channel_order",
                format!("is {order}; use rgb or bgr"),
            );
        }
        let channels = &self.conditioning_embedding_out_channels;
        if channels.is_empty() || channels.iter().any(|&c| c < 1) {
            return bad(
                "conditioning_embedding_out_channels",
                "needs at least one number, and all at least 1".to_owned(),
            );
        }
        Ok(())
    }
}
