//! The conditional U-Net (`UNet2DConditionModel`), after "High-Resolution Image Synthesis with
//! Latent Diffusion Models" (arXiv 2112.10752), with the key names of Python diffusers.

mod attention;
mod blocks;
mod config;
mod embedding;
mod encoder;
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
pub use pass::{AddedConditions, Residuals, TextContext};

pub(in crate::models) use config::Plan;
pub(in crate::models) use encoder::{Encoded, Encoder};

use blocks::UpBlock;

/// Predicts the noise, the sample or the velocity in latents, under a text.
#[derive(Debug)]
pub struct UNet {
    encoder: Encoder,
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

impl<'a> Builder<'a> {
    fn new(config: &'a UNetConfig, plan: &'a Plan) -> Self {
        Self {
            config,
            plan,
            attentions: Cell::new(0),
        }
    }

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
        let builder = Builder::new(config, &plan);
        let levels = &plan.levels;
        let count = levels.len();
        let first = levels[0].channels;
        let encoder = Encoder::new(params, &builder)?;
        let mut skips = encoder.skip_channels.clone();
        let mut channels = levels[count - 1].channels;
        let mut up_blocks = Vec::with_capacity(count);
        for (i, level) in levels.iter().rev().enumerate() {
            let at = params.at("up_blocks").at(i);
            let is_last = i + 1 == count;
            let block = UpBlock::new(&at, &builder, level, channels, is_last, &mut skips)?;
            up_blocks.push(block);
            channels = level.channels;
        }
        Ok(Self {
            encoder,
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
        (self.kind, self.encoder.device())
    }

    /// The attention layers that read text, in the order in which they are built.
    pub fn cross_attentions(&self) -> Vec<CrossAttention> {
        let mut all = Vec::new();
        self.encoder.describe(&mut all);
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
        self.encoder.read_text(&text, &mut context)?;
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
        self.forward_with(latents, timesteps, text, added, hook, None)
    }

    /// As [`forward`](Self::forward), with what ControlNets add on its way.
    ///
    /// # Errors
    /// As [`forward`](Self::forward); or the residuals are of a U-Net of another shape.
    pub fn forward_with(
        &self,
        latents: &Tensor,
        timesteps: &Tensor,
        text: &TextContext,
        added: Option<&AddedConditions>,
        hook: Option<&mut dyn AttentionHook>,
        residuals: Option<&Residuals>,
    ) -> Result<Tensor> {
        let mut pass = self
            .encoder
            .pass(&self.plan, timesteps, text, added, hook)?;
        pass.residuals = residuals;
        let latents = latents.f_to_kind(self.kind)?;
        let Encoded { mut skips, middle } = self.encoder.forward(latents, None, &mut pass)?;
        let mut x = match pass.residuals {
            Some(residuals) => residuals.add_to(&mut skips, &middle)?,
            None => middle,
        };
        for block in &self.up_blocks {
            x = block.forward(x, &mut pass, &mut skips)?;
        }
        let x = self.conv_norm_out.forward(&x)?;
        self.conv_out.forward(&self.plan.activation.apply(x)?)
    }

    /// Shows every linear layer and convolution to `visitor` by its name in Python diffusers, such
    /// as `down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k`.
    pub fn for_each_layer(&self, visitor: &mut LayerVisitor<'_>) {
        self.encoder.visit(visitor);
        for block in &self.up_blocks {
            block.visit(visitor);
        }
        visitor("conv_out", LayerRef::Conv2d(&self.conv_out));
    }

    /// Shows every normalisation to `visitor` by its name in Python diffusers, such as
    /// `mid_block.attentions.0.transformer_blocks.0.norm1`.
    pub fn for_each_norm(&self, visitor: &mut NormVisitor<'_>) {
        self.encoder.visit_norms(visitor);
        for block in &self.up_blocks {
            block.visit_norms(visitor);
        }
        visitor("conv_norm_out", NormRef::Group(&self.conv_norm_out));
    }
}
