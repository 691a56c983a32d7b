//! From pictures to the moments of the latents.

use tch::Tensor;

use super::mid::MidBlock;
use super::{Common, NORM_EPS};
use crate::Result;
use crate::layers::{Activation, Conv2d, ConvShape, Downsample, GroupNorm, ResnetBlock};
use crate::weights::Params;

/// `DownEncoderBlock2D`.
#[derive(Debug)]
struct DownBlock {
    resnets: Vec<ResnetBlock>,
    downsample: Option<Downsample>,
}

/// The encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    conv_in: Conv2d,
    down_blocks: Vec<DownBlock>,
    mid_block: MidBlock,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    activation: Activation,
}

impl Encoder {
    pub(super) fn new(params: &Params, common: Common<'_>) -> Result<Self> {
        let config = common.config;
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let same = ConvShape::SAME_3X3;
        let conv_in = Conv2d::new(&params.at("conv_in"), config.in_channels, first, same)?;
        let mut down_blocks = Vec::with_capacity(channels.len());
        let mut inward = first;
        for (i, &outward) in channels.iter().enumerate() {
            let at = params.at("down_blocks").at(i);
            let mut resnets = Vec::new();
            for j in 0..config.layers_per_block {
                let shape = common.resnet(if j == 0 { inward } else { outward }, outward);
                resnets.push(ResnetBlock::new(&at.at("resnets").at(j), &shape)?);
            }
            let downsample = (i + 1 < channels.len())
                .then(|| Downsample::new(&at.at("downsamplers").at(0), outward, 0))
                .transpose()?;
            down_blocks.push(DownBlock {
                resnets,
                downsample,
            });
            inward = outward;
        }
        let groups = config.norm_num_groups;
        let moments = 2 * config.latent_channels;
        Ok(Self {
            conv_in,
            down_blocks,
            mid_block: MidBlock::new(&params.at("mid_block"), last, common)?,
            conv_norm_out: GroupNorm::new(&params.at("conv_norm_out"), groups, last, NORM_EPS)?,
            conv_out: Conv2d::new(&params.at("conv_out"), last, moments, same)?,
            activation: common.activation,
        })
    }

    /// `[batch, in_channels, h, w]` to `[batch, 2·latent_channels, h/d, w/d]`.
    pub(super) fn forward(&self, images: &Tensor) -> Result<Tensor> {
        let mut x = self.conv_in.forward(images)?;
        for block in &self.down_blocks {
            for resnet in &block.resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(downsample) = &block.downsample {
                x = downsample.forward(&x)?;
            }
        }
        let x = self.conv_norm_out.forward(&self.mid_block.forward(&x)?)?;
        self.conv_out.forward(&self.activation.apply(x)?)
    }
}
