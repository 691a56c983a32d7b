//! The middle of encoder and decoder (`UNetMidBlock2D` of Python diffusers).

use tch::Tensor;

use super::attention::PixelAttention;
use super::{Common, NORM_EPS};
use crate::Result;
use crate::layers::{ResnetBlock, ResnetShape};
use crate::weights::Params;

/// Residual block, attention where configured, residual block.
#[derive(Debug)]
pub(super) struct MidBlock {
    first: ResnetBlock,
    attention: Option<PixelAttention>,
    second: ResnetBlock,
}

impl MidBlock {
    pub(super) fn new(params: &Params, channels: i64, common: Common<'_>) -> Result<Self> {
        let shape = common.resnet(channels, channels);
        let resnets = params.at("resnets");
        let groups = common.config.norm_num_groups;
        let attention = common
            .config
            .mid_block_add_attention
            .then(|| PixelAttention::new(&params.at("attentions").at(0), channels, groups))
            .transpose()?;
        Ok(Self {
            first: ResnetBlock::new(&resnets.at(0), &shape)?,
            attention,
            second: ResnetBlock::new(&resnets.at(1), &shape)?,
        })
    }

    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut x = self.first.forward(x, None)?;
        if let Some(attention) = &self.attention {
            x = attention.forward(&x)?;
        }
        self.second.forward(&x, None)
    }
}

impl Common<'_> {
    /// The residual block of `in_channels` and `out_channels` that this autoencoder uses.
    pub(super) fn resnet(&self, in_channels: i64, out_channels: i64) -> ResnetShape {
        ResnetShape {
            in_channels,
            out_channels,
            time_dim: None,
            groups: self.config.norm_num_groups,
            eps: NORM_EPS,
            activation: self.activation,
        }
    }
}
