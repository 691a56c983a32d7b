//! From the picture that a ControlNet follows to a map of the latents' size
//! (`ControlNetConditioningEmbedding`).

use tch::Tensor;

use super::ControlNetConfig;
use crate::Result;
use crate::layers::{Activation, Conv2d, ConvShape};
use crate::weights::Params;

/// 3×3, halving the sides.
const HALVING: ConvShape = ConvShape {
    kernel: 3,
    stride: 2,
    padding: 1,
};

/// `controlnet_cond_embedding`.
#[derive(Debug)]
pub(super) struct HintEncoder {
    conv_in: Conv2d,
    blocks: Vec<Conv2d>,
    conv_out: Conv2d,
}

impl HintEncoder {
    pub(super) fn new(params: &Params, config: &ControlNetConfig, channels: i64) -> Result<Self> {
        let (same, at) = (ConvShape::SAME_3X3, params.at("blocks"));
        let widths = &config.conditioning_embedding_out_channels;
        let first = widths.first().copied().unwrap_or(channels);
        let conv_in = Conv2d::new(
            &params.at("conv_in"),
            config.conditioning_channels,
            first,
            same,
        )?;
        let mut blocks = Vec::new();
        for pair in widths.windows(2) {
            blocks.push(Conv2d::new(&at.at(blocks.len()), pair[0], pair[0], same)?);
            blocks.push(Conv2d::new(
                &at.at(blocks.len()),
                pair[0],
                pair[1],
                HALVING,
            )?);
        }
        let last = widths.last().copied().unwrap_or(first);
        Ok(Self {
            conv_in,
            blocks,
            conv_out: Conv2d::new(&params.at("conv_out"), last, channels, same)?,
        })
    }

    /// `[batch, 3, height, width]` in pixels to `[batch, channels, h, w]` in latent cells.
    pub(super) fn forward(&self, picture: &Tensor) -> Result<Tensor> {
        let silu = Activation::Silu;
        let mut x = silu.apply(self.conv_in.forward(picture)?)?;
        for block in &self.blocks {
            x = silu.apply(block.forward(&x)?)?;
        }
        self.conv_out.forward(&x)
    }
}
