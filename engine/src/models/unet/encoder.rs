//! The way down and the middle, which a U-Net shares with the ControlNets that steer it.

use tch::{Device, Tensor};

use super::blocks::{DownBlock, MidBlock};
use super::config::{Plan, UNetConfig};
use super::embedding::Embedding;
use super::pass::{AddedConditions, Pass, TextContext};
use super::{Builder, CrossAttention, same};
use crate::Result;
use crate::layers::{AttentionHook, Conv2d, LayerRef, LayerVisitor, NormVisitor};
use crate::weights::Params;

/// First convolution, timestep embedding, down blocks and middle.
#[derive(Debug)]
pub(in crate::models) struct Encoder {
    conv_in: Conv2d,
    embedding: Embedding,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    /// Channels of every feature map that it leaves behind, in that order.
    pub(in crate::models) skip_channels: Vec<i64>,
    /// Whether latents in 0..1 are moved to -1..1 first.
    centers_input: bool,
}

/// What comes out of an encoder.
pub(in crate::models) struct Encoded {
    /// The feature maps for the way up, `[batch, skip_channels[i], ..]`.
    pub(in crate::models) skips: Vec<Tensor>,
    /// Out of the middle.
    pub(in crate::models) middle: Tensor,
}

impl Encoder {
    pub(super) fn new(params: &Params, builder: &Builder<'_>) -> Result<Self> {
        let Builder { config, plan, .. } = *builder;
        let levels = &plan.levels;
        let count = levels.len();
        let (first, deepest) = (levels[0].channels, &levels[count - 1]);
        let conv_in = Conv2d::new(
            &params.at("conv_in"),
            config.in_channels,
            first,
            same(config.conv_in_kernel),
        )?;
        let embedding = Embedding::new(params, config, plan)?;
        let mut skip_channels = vec![first];
        let mut channels = first;
        let mut down_blocks = Vec::with_capacity(count);
        for (i, level) in levels.iter().enumerate() {
            let at = params.at("down_blocks").at(i);
            let is_last = i + 1 == count;
            let block = DownBlock::new(&at, builder, level, channels, is_last, &mut skip_channels)?;
            down_blocks.push(block);
            channels = level.channels;
        }
        Ok(Self {
            conv_in,
            embedding,
            down_blocks,
            mid_block: MidBlock::new(&params.at("mid_block"), builder, deepest, plan.middle)?,
            skip_channels,
            centers_input: config.center_input_sample,
        })
    }

    /// One that belongs to no U-Net: the encoder of `config` alone.
    pub(in crate::models) fn alone(params: &Params, config: &UNetConfig) -> Result<(Self, Plan)> {
        let plan = config.plan(&params.config_path())?;
        let encoder = Self::new(params, &Builder::new(config, &plan))?;
        Ok((encoder, plan))
    }

    /// Where its parameters lie.
    pub(in crate::models) fn device(&self) -> Device {
        self.conv_in.weight.device()
    }

    /// What accompanies a pass at `timesteps` `[batch]`.
    pub(in crate::models) fn pass<'a, 'h>(
        &self,
        plan: &Plan,
        timesteps: &Tensor,
        text: &'a TextContext,
        added: Option<&AddedConditions>,
        hook: Option<&'h mut dyn AttentionHook>,
    ) -> Result<Pass<'a, 'h>> {
        let time = self.embedding.forward(timesteps, added)?;
        Ok(Pass {
            // Every residual block begins with this activation, so apply it once.
            time: plan.activation.apply(time)?,
            text,
            hook,
            residuals: None,
        })
    }

    /// From `latents` in the parameters' dtype; `hint`, which is of the first feature map's shape, is
    /// added to that.
    pub(in crate::models) fn forward(
        &self,
        latents: Tensor,
        hint: Option<&Tensor>,
        pass: &mut Pass<'_, '_>,
    ) -> Result<Encoded> {
        let mut latents = latents;
        if self.centers_input {
            latents = latents.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
        }
        let mut x = self.conv_in.forward(&latents)?;
        if let Some(hint) = hint {
            x = x.f_add(hint)?;
        }
        let mut skips = vec![x.shallow_clone()];
        for block in &self.down_blocks {
            x = block.forward(x, pass, &mut skips)?;
        }
        if let Some(block) = &self.mid_block {
            x = block.forward(&x, pass)?;
        }
        Ok(Encoded { skips, middle: x })
    }

    pub(in crate::models) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        for block in &self.down_blocks {
            block.read_text(text, into)?;
        }
        match &self.mid_block {
            Some(block) => block.read_text(text, into),
            None => Ok(()),
        }
    }

    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        for block in &self.down_blocks {
            block.describe(into);
        }
        if let Some(block) = &self.mid_block {
            block.describe(into);
        }
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        visitor("conv_in", LayerRef::Conv2d(&self.conv_in));
        self.embedding.visit(visitor);
        for block in &self.down_blocks {
            block.visit(visitor);
        }
        if let Some(block) = &self.mid_block {
            block.visit(visitor);
        }
    }

    pub(super) fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        for block in &self.down_blocks {
            block.visit_norms(visitor);
        }
        if let Some(block) = &self.mid_block {
            block.visit_norms(visitor);
        }
    }
}
