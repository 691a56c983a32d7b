//! Transformer stages over feature maps (`Transformer2DModel`, `BasicTransformerBlock`).

use tch::Tensor;

use super::Builder;
use super::CrossAttention;
use super::attention::Attention;
use super::feed_forward::FeedForward;
use super::pass::{Pass, TextContext};
use crate::Result;
use crate::layers::{
    Conv2d, ConvShape, GroupNorm, LayerNorm, LayerRef, LayerVisitor, Linear, NormRef, NormVisitor,
    add,
};
use crate::weights::Params;

/// Epsilon of the stage's group normalisation, a constant in Python diffusers too.
const STAGE_EPS: f64 = 1e-6;
/// Epsilon of the blocks' layer normalisations.
const BLOCK_EPS: f64 = 1e-5;

/// Self-attention, text attention and feed-forward, each with norm and skip.
#[derive(Debug)]
struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    norm2: LayerNorm,
    attn2: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
    path: String,
}

/// Geometry of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct TransformerShape {
    pub(super) channels: i64,
    pub(super) heads: i64,
    pub(super) text_dim: i64,
    pub(super) layers: i64,
    pub(super) only_cross_attention: bool,
}

impl TransformerBlock {
    fn new(params: &Params, builder: &Builder<'_>, shape: &TransformerShape) -> Result<Self> {
        let TransformerShape {
            channels,
            heads,
            text_dim,
            ..
        } = *shape;
        let norm = |name: &str| LayerNorm::new(&params.at(name), channels, BLOCK_EPS);
        let attention = |name: &str, text_dim: Option<i64>| {
            let index = builder.next_attention();
            Attention::new(&params.at(name), channels, heads, text_dim, index)
        };
        Ok(Self {
            norm1: norm("norm1")?,
            attn1: attention("attn1", shape.only_cross_attention.then_some(text_dim))?,
            norm2: norm("norm2")?,
            attn2: attention("attn2", Some(text_dim))?,
            norm3: norm("norm3")?,
            ff: FeedForward::new(&params.at("ff"), channels)?,
            path: params.path().to_owned(),
        })
    }

    /// `[batch, pixels, channels]` to the same shape.
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_, '_>) -> Result<Tensor> {
        let x = add(self.attn1.forward(&self.norm1.forward(x)?, pass)?, x)?;
        let x = add(self.attn2.forward(&self.norm2.forward(&x)?, pass)?, &x)?;
        add(self.ff.forward(&self.norm3.forward(&x)?)?, &x)
    }
}

/// The stage's way in or out of token space.
#[derive(Debug)]
enum Projection {
    Linear(Linear),
    Conv(Conv2d),
}

impl Projection {
    fn new(params: &Params, channels: i64, linear: bool) -> Result<Self> {
        Ok(if linear {
            Self::Linear(Linear::new(params, channels, channels, true)?)
        } else {
            let shape = ConvShape::POINTWISE;
            Self::Conv(Conv2d::new(params, channels, channels, shape)?)
        })
    }

    fn layer(&self) -> LayerRef<'_> {
        match self {
            Self::Linear(layer) => LayerRef::Linear(layer),
            Self::Conv(layer) => LayerRef::Conv2d(layer),
        }
    }
}

/// Group normalisation, projection, transformer blocks, projection, and a skip around all.
#[derive(Debug)]
pub(super) struct Transformer {
    norm: GroupNorm,
    proj_in: Projection,
    blocks: Vec<TransformerBlock>,
    proj_out: Projection,
    path: String,
}

impl Transformer {
    pub(super) fn new(
        params: &Params,
        builder: &Builder<'_>,
        shape: &TransformerShape,
    ) -> Result<Self> {
        let channels = shape.channels;
        let linear = builder.config.use_linear_projection;
        let groups = builder.config.norm_num_groups;
        let blocks = (0..shape.layers)
            .map(|i| TransformerBlock::new(&params.at("transformer_blocks").at(i), builder, shape))
            .collect::<Result<_>>()?;
        Ok(Self {
            norm: GroupNorm::new(&params.at("norm"), groups, channels, STAGE_EPS)?,
            proj_in: Projection::new(&params.at("proj_in"), channels, linear)?,
            blocks,
            proj_out: Projection::new(&params.at("proj_out"), channels, linear)?,
            path: params.path().to_owned(),
        })
    }

    /// `[batch, channels, h, w]` to the same shape.
    pub(super) fn forward(&self, x: &Tensor, pass: &mut Pass<'_, '_>) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let to_tokens = |x: &Tensor| -> Result<Tensor> {
            Ok(x.f_permute([0, 2, 3, 1])?
                .f_reshape([batch, height * width, channels])?)
        };
        let to_map = |x: &Tensor| -> Result<Tensor> {
            Ok(x.f_view([batch, height, width, channels])?
                .f_permute([0, 3, 1, 2])?)
        };
        let normed = self.norm.forward(x)?;
        let mut tokens = match &self.proj_in {
            Projection::Linear(linear) => linear.forward(&to_tokens(&normed)?)?,
            Projection::Conv(conv) => to_tokens(&conv.forward(&normed)?)?,
        };
        for block in &self.blocks {
            tokens = block.forward(&tokens, pass)?;
        }
        let out = match &self.proj_out {
            Projection::Linear(linear) => to_map(&linear.forward(&tokens)?)?,
            Projection::Conv(conv) => conv.forward(&to_map(&tokens)?)?,
        };
        // x first: the sum keeps the layout of its left side.
        Ok(x.f_add(&out)?)
    }

    pub(super) fn read_text(&self, text: &Tensor, into: &mut TextContext) -> Result<()> {
        for block in &self.blocks {
            block.attn1.read_text(text, into)?;
            block.attn2.read_text(text, into)?;
        }
        Ok(())
    }

    pub(super) fn describe(&self, into: &mut Vec<CrossAttention>) {
        for block in &self.blocks {
            block.attn1.describe(into);
            block.attn2.describe(into);
        }
    }

    pub(super) fn visit(&self, visitor: &mut LayerVisitor<'_>) {
        let path = &self.path;
        visitor(&format!("{path}.proj_in"), self.proj_in.layer());
        for block in &self.blocks {
            block.attn1.visit(visitor);
            block.attn2.visit(visitor);
            block.ff.visit(&format!("{}.ff", block.path), visitor);
        }
        visitor(&format!("{path}.proj_out"), self.proj_out.layer());
    }

    pub(super) fn visit_norms(&self, visitor: &mut NormVisitor<'_>) {
        visitor(&format!("{}.norm", self.path), NormRef::Group(&self.norm));
        for block in &self.blocks {
            let path = &block.path;
            visitor(&format!("{path}.norm1"), NormRef::Layer(&block.norm1));
            visitor(&format!("{path}.norm2"), NormRef::Layer(&block.norm2));
            visitor(&format!("{path}.norm3"), NormRef::Layer(&block.norm3));
        }
    }
}
