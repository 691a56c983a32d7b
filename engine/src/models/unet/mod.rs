//! The conditional U-Net (`UNet2DConditionModel`), after "High-Resolution Image Synthesis with
//! Latent Diffusion Models" (arXiv 2112.10752), with the key names of Python diffusers.

mod attention;
mod blocks;
mod config;
mod embedding;
mod feed_forward;
mod layer_names;
mod original_names;
mod pass;
mod transformer;

use std::cell::Cell;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::layers::{
    AttentionHook, AttentionSite, Conv2d, ConvShape, GroupNorm, LayerRef, LayerVisitor, NormRef,
    NormVisitor, ResnetShape,
};
use crate::weights::Params;

pub use config::UNetConfig;
pub use layer_names::{LORA_PREFIX, LayerNames, NamedLayer, OriginalNames, flat_name};
pub use original_names::{RESNET_PARTS, original_names};
pub use pass::{AddedConditions, TextContext};

use blocks::{DownBlock, MidBlock, UpBlock};
use config::Plan;
use embedding::Embedding;
use pass::Pass;

/// Predicts the noise, the sample or the velocity in latents, under a text.
#[derive(Debug)]
pub struct UNet {
    conv_in: Conv2d,
    embedding: Embedding,
    down_blocks: Vec<DownBlock>,
    mid_block: Option<MidBlock>,
    up_blocks: Vec<UpBlock>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    plan: Plan,
    config: UNetConfig,
    kind: Kind,
}

/// An attention layer that reads text, as adapters need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrossAttention {
    /// Which layer.
    pub site: AttentionSite,
    /// Heads, which share `channels`.
    pub heads: i64,
    /// Width of queries, keys and values.
    pub channels: i64,
}

impl CrossAttention {
    /// Keys or values `[batch, n, channels]` of this layer as `[batch, heads, n, channels / heads]`
    /// in the dtype and on the device of `options`.
    ///
    /// # Errors
    /// The width is another, or memory runs out.
    pub fn split_heads(&self, x: &Tensor, options: (Kind, Device)) -> Result<Tensor> {
        let (batch, n, channels) = x.size3()?;
        let split = x
            .f_view([batch, n, self.heads, channels / self.heads])?
            .f_transpose(1, 2)?;
        Ok(split.f_to_device(options.1)?.f_to_kind(options.0)?)
    }
}

/// What all blocks are built with.
struct Builder<'a> {
    config: &'a UNetConfig,
    plan: &'a Plan,
    attentions: Cell<usize>,
}

impl Builder<'_> {
    /// The index of the attention layer that is built next.
    fn next_attention(&self) -> usize {
        self.attentions.replace(self.attentions.get() + 1)
    }

    fn resnet(&self, in_channels: i64, out_channels: i64) -> ResnetShape {
        ResnetShape {
            in_channels,
            out_channels,
            time_dim: Some(self.plan.time_dim),
            groups: self.config.norm_num_groups,
            eps: self.config.norm_eps,
            activation: self.plan.activation,
        }
    }
}

/// A convolution that keeps the size.
fn same(kernel: i64) -> ConvShape {
    ConvShape {
        kernel,
        stride: 1,
        padding: (kernel - 1) / 2,
    }
}

impl UNet {
    /// Takes all parameters from `params`.
    ///
    /// # Errors
    /// A field of `config` is not supported; see [`Params::get`] for the others.
    pub fn new(params: &Params, config: &UNetConfig) -> Result<Self> {
        let plan = config.plan(&params.config_path())?;
        let builder = Builder {
            config,
            plan: &plan,
            attentions: Cell::new(0),
        };
        let levels = &plan.levels;
        let count = levels.len();
        let (first, deepest) = (levels[0].channels, &levels[count - 1]);
        let conv_in = Conv2d::new(
            &params.at("conv_in"),
            config.in_channels,
            first,
            same(config.conv_in_kernel),
        )?;
        let embedding = Embedding::new(params, config, &plan)?;

        let mut skips = vec![first];
        let mut channels = first;
        let mut down_blocks = Vec::with_capacity(count);
        for (i, level) in levels.iter().enumerate() {
            let at = params.at("down_blocks").at(i);
            let is_last = i + 1 == count;
            let block = DownBlock::new(&at, &builder, level, channels, is_last, &mut skips)?;
            down_blocks.push(block);
            channels = level.channels;
        }
        let mid_block = MidBlock::new(&params.at("mid_block"), &builder, deepest, plan.middle)?;
        let mut up_blocks = Vec::with_capacity(count);
        for (i, level) in levels.iter().rev().enumerate() {
            let at = params.at("up_blocks").at(i);
            let is_last = i + 1 == count;
            let block = UpBlock::new(&at, &builder, level, channels, is_last, &mut skips)?;
            up_blocks.push(block);
            channels = level.channels;
        }
        Ok(Self {
            conv_in,
            embedding,
            down_blocks,
            mid_block,
            up_blocks,
            conv_norm_out: GroupNorm::new(
                &params.at("conv_norm_out"),
                config.norm_num_groups,
                first,
                config.norm_eps,
            )?,
            conv_out: Conv2d::new(
                &params.at("conv_out"),
                first,
                config.out_channels,
                same(config.conv_out_kernel),
            )?,
            plan,
            config: config.clone(),
            kind: params.kind(),
        })
    }

    /// The configuration that it was built from.
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// dtype and device of the parameters.
    pub fn options(&self) -> (Kind, Device) {
        (self.kind, self.conv_in.weight.device())
    }

    /// The attention layers that read text, in the order in which they are built.
    pub fn cross_attentions(&self) -> Vec<CrossAttention> {
        let mut all = Vec::new();
        for block in &self.down_blocks {
            block.describe(&mut all);
        }
        if let Some(block) = &self.mid_block {
            block.describe(&mut all);
        }
        for block in &self.up_blocks {
            block.describe(&mut all);
        }
        all
    }

    /// Keys and values of `text` `[batch, tokens, cross_attention_dim]` for every attention layer
    /// that reads text.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn text_context(&self, text: &Tensor) -> Result<TextContext> {
        let text = text.f_to_kind(self.kind)?;
        let mut context = TextContext::default();
        for block in &self.down_blocks {
            block.read_text(&text, &mut context)?;
        }
        if let Some(block) = &self.mid_block {
            block.read_text(&text, &mut context)?;
        }
        for block in &self.up_blocks {
            block.read_text(&text, &mut context)?;
        }
        Ok(context)
    }

    /// The prediction `[batch, out_channels, h, w]` for `latents` `[batch, in_channels, h, w]` at
    /// `timesteps` `[batch]` (0..1000, fractions allowed), in the dtype of the parameters.
    ///
    /// `text` has the latents' batch. `hook` is asked at every attention layer.
    ///
    /// # Errors
    /// Shapes disagree, `added` lacks what the model asks for, the hook fails, or memory runs out.
    pub fn forward(
        &self,
        latents: &Tensor,
        timesteps: &Tensor,
        text: &TextContext,
        added: Option<&AddedConditions>,
        hook: Option<&mut dyn AttentionHook>,
    ) -> Result<Tensor> {
        let time = self.embedding.forward(timesteps, added)?;
        let mut pass = Pass {
            // Every residual block begins with this activation, so apply it once.
            time: self.plan.activation.apply(time)?,
            text,
            hook,
        };
        let mut latents = latents.f_to_kind(self.kind)?;
        if self.config.center_input_sample {
            latents = latents.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
        }
        let mut x = self.conv_in.forward(&latents)?;
        let mut skips = vec![x.shallow_clone()];
        for block in &self.down_blocks {
            x = block.forward(x, &mut pass, &mut skips)?;
        }
        if let Some(block) = &self.mid_block {
            x = block.forward(&x, &mut pass)?;
        }
        for block in &self.up_blocks {
            x = block.forward(x, &mut pass, &mut skips)?;
        }
        let x = self.conv_norm_out.forward(&x)?;
        self.conv_out.forward(&self.plan.activation.apply(x)?)
    }

    /// Shows every linear layer and convolution to `visitor` by its name in Python diffusers, such
    /// as `down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k`.
    pub fn for_each_layer(&self, visitor: &mut LayerVisitor<'_>) {
        visitor("conv_in", LayerRef::Conv2d(&self.conv_in));
        self.embedding.visit(visitor);
        for block in &self.down_blocks {
            block.visit(visitor);
        }
        if let Some(block) = &self.mid_block {
            block.visit(visitor);
        }
        for block in &self.up_blocks {
            block.visit(visitor);
        }
        visitor("conv_out", LayerRef::Conv2d(&self.conv_out));
    }

    /// Shows every normalisation to `visitor` by its name in Python diffusers, such as
    /// `mid_block.attentions.0.transformer_blocks.0.norm1`.
    pub fn for_each_norm(&self, visitor: &mut NormVisitor<'_>) {
        for block in &self.down_blocks {
            block.visit_norms(visitor);
        }
        if let Some(block) = &self.mid_block {
            block.visit_norms(visitor);
        }
        for block in &self.up_blocks {
            block.visit_norms(visitor);
        }
        visitor("conv_norm_out", NormRef::Group(&self.conv_norm_out));
    }
}
