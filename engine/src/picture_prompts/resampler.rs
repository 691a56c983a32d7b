//! IP-Adapter Plus's resampler: learnt queries that look at all patches of a picture.

use tch::Tensor;

use super::projection::NORM_EPS;
use crate::Result;
use crate::layers::{LayerNorm, Linear, attend};
use crate::weights::{Init, Params};

/// Channels of one head.
const HEAD_DIM: i64 = 64;

/// Sizes of a resampler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResamplerShape {
    /// Learnt queries, and so tokens.
    pub queries: i64,
    /// Width of the patches that it looks at.
    pub embed: i64,
    /// Width within.
    pub hidden: i64,
    /// Width of queries, keys and values, a multiple of 64.
    pub attention: i64,
    /// Width within the feed-forward layers.
    pub feed_forward: i64,
    /// Layers.
    pub depth: i64,
    /// Width of the tokens.
    pub dim: i64,
}

#[derive(Debug)]
struct Layer {
    of_patches: LayerNorm,
    of_latents: LayerNorm,
    to_q: Linear,
    to_kv: Linear,
    to_out: Linear,
    norm: LayerNorm,
    first: Linear,
    second: Linear,
}

/// `latents`, `proj_in`, `layers`, `proj_out` and `norm_out`.
#[derive(Debug)]
pub(super) struct Resampler {
    latents: Tensor,
    proj_in: Linear,
    layers: Vec<Layer>,
    proj_out: Linear,
    norm_out: LayerNorm,
}

impl Layer {
    fn new(params: &Params, shape: &ResamplerShape) -> Result<Self> {
        let (hidden, inner) = (shape.hidden, shape.attention);
        let (attention, feed) = (params.at(0), params.at(1));
        let linear = |at: &Params, from, to| Linear::new(at, from, to, false);
        Ok(Self {
            of_patches: LayerNorm::new(&attention.at("norm1"), hidden, NORM_EPS)?,
            of_latents: LayerNorm::new(&attention.at("norm2"), hidden, NORM_EPS)?,
            to_q: linear(&attention.at("to_q"), hidden, inner)?,
            to_kv: linear(&attention.at("to_kv"), hidden, 2 * inner)?,
            to_out: linear(&attention.at("to_out"), inner, hidden)?,
            norm: LayerNorm::new(&feed.at(0), hidden, NORM_EPS)?,
            first: linear(&feed.at(1), hidden, shape.feed_forward)?,
            second: linear(&feed.at(3), shape.feed_forward, hidden)?,
        })
    }

    fn forward(&self, patches: &Tensor, latents: &Tensor) -> Result<Tensor> {
        let own = self.of_latents.forward(latents)?;
        let source = Tensor::f_cat(&[&self.of_patches.forward(patches)?, &own], 1)?;
        let keys_values = self.to_kv.forward(&source)?.f_chunk(2, -1)?;
        let split = |x: &Tensor| -> Result<Tensor> {
            let (batch, tokens, inner) = x.size3()?;
            Ok(x.f_reshape([batch, tokens, inner / HEAD_DIM, HEAD_DIM])?
                .f_transpose(1, 2)?)
        };
        let q = split(&self.to_q.forward(&own)?)?;
        let (k, v) = (split(&keys_values[0])?, split(&keys_values[1])?);
        let seen = attend(&q, &k, &v, false)?
            .f_transpose(1, 2)?
            .f_flatten(2, 3)?;
        let latents = self.to_out.forward(&seen)?.f_add(latents)?;
        let hidden = self.first.forward(&self.norm.forward(&latents)?)?;
        let hidden = self.second.forward(&hidden.f_gelu("none")?)?;
        Ok(hidden.f_add(&latents)?)
    }
}

impl Resampler {
    pub(super) fn new(params: &Params, shape: &ResamplerShape) -> Result<Self> {
        let (hidden, dim) = (shape.hidden, shape.dim);
        let latents = [1, shape.queries, hidden];
        Ok(Self {
            latents: params.get(
                "latents",
                &latents,
                Init::Normal((hidden as f64).powf(-0.5)),
            )?,
            proj_in: Linear::new(&params.at("proj_in"), shape.embed, hidden, true)?,
            layers: (0..shape.depth)
                .map(|i| Layer::new(&params.at("layers").at(i), shape))
                .collect::<Result<_>>()?,
            proj_out: Linear::new(&params.at("proj_out"), hidden, dim, true)?,
            norm_out: LayerNorm::new(&params.at("norm_out"), dim, NORM_EPS)?,
        })
    }

    /// `[pictures, patches, embed]` to `[pictures, queries, dim]`.
    pub(super) fn forward(&self, patches: &Tensor) -> Result<Tensor> {
        let batch = patches.size()[0];
        let patches = self.proj_in.forward(patches)?;
        let mut latents = self.latents.f_expand([batch, -1, -1], false)?;
        for layer in &self.layers {
            latents = layer.forward(&patches, &latents)?;
        }
        self.norm_out.forward(&self.proj_out.forward(&latents)?)
    }
}
