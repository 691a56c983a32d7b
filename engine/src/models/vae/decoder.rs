//! From latents to pictures.

use tch::Tensor;

use super::mid::MidBlock;
use super::{Common, NORM_EPS};
use crate::Result;
use crate::layers::{Activation, Conv2d, ConvShape, GroupNorm, ResnetBlock, Upsample};
use crate::weights::Params;

/// `UpDecoderBlock2D`.
#[derive(Debug)]
struct UpBlock {
    resnets: Vec<ResnetBlock>,
    upsample: Option<Upsample>,
}

/// The decoder.
#[derive(Debug)]
pub(super) struct Decoder {
    conv_in: Conv2d,
    mid_block: MidBlock,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    activation: Activation,
}

impl Decoder {
    pub(super) fn new(params: &Params, common: Common<'_>) -> Result<Self> {
        let config = common.config;
        let channels = &config.block_out_channels;
        let (first, last) = (channels[0], channels[channels.len() - 1]);
        let same = ConvShape::SAME_3X3;
        let conv_in = Conv2d::new(&params.at("conv_in"), config.latent_channels, last, same)?;
        let mid_block = MidBlock::new(&params.at("mid_block"), last, common)?;
        let mut up_blocks = Vec::with_capacity(channels.len());
        let mut inward = last;
        for (i, &outward) in channels.iter().rev().enumerate() {
            let at = params.at("up_blocks").at(i);
            let mut resnets = Vec::new();
            for j in 0..=config.layers_per_block {
                let shape = common.resnet(if j == 0 { inward } else { outward }, outward);
                resnets.push(ResnetBlock::new(&at.at("resnets").at(j), &shape)?);
            }
            let upsample = (i + 1 < channels.len())
                .then(|| Upsample::new(&at.at("upsamplers").at(0), outward))
                .transpose()?;
            up_blocks.push(UpBlock { resnets, upsample });
            inward = outward;
        }
        let groups = config.norm_num_groups;
        Ok(Self {
            conv_in,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(&params.at("conv_norm_out"), groups, first, NORM_EPS)?,
            conv_out: Conv2d::new(&params.at("conv_out"), first, config.out_channels, same)?,
            activation: common.activation,
        })
    }

    /// `[batch, latent_channels, h, w]` to `[batch, out_channels, h·d, w·d]`.
    pub(super) fn forward(&self, latents: &Tensor) -> Result<Tensor> {
        let mut x = self.conv_in.forward(latents)?;
        x = self.mid_block.forward(&x)?;
        for block in &self.up_blocks {
            for resnet in &block.resnets {
                x = resnet.forward(&x, None)?;
            }
            if let Some(upsample) = &block.upsample {
                x = upsample.forward(&x, None)?;
            }
        }
        let x = self.conv_norm_out.forward(&x)?;
        self.conv_out.forward(&self.activation.apply(x)?)
    }
}
