//! The single-headed self-attention in the middle of encoder and decoder.

use tch::Tensor;

use super::NORM_EPS;
use crate::Result;
use crate::layers::{GroupNorm, Linear, add, attend};
use crate::weights::Params;

/// Group normalisation, attention over all pixels with one head, and a skip.
#[derive(Debug)]
pub(super) struct PixelAttention {
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl PixelAttention {
    pub(super) fn new(params: &Params, channels: i64, groups: i64) -> Result<Self> {
        // Before 0.14, diffusers wrote these layers under other names.
        let [q, k, v, out] = if params.has("query.weight") {
            ["query", "key", "value", "proj_attn"]
        } else {
            ["to_q", "to_k", "to_v", "to_out.0"]
        };
        let linear = |name: &str| Linear::new(&params.at(name), channels, channels, true);
        Ok(Self {
            group_norm: GroupNorm::new(&params.at("group_norm"), groups, channels, NORM_EPS)?,
            to_q: linear(q)?,
            to_k: linear(k)?,
            to_v: linear(v)?,
            to_out: linear(out)?,
        })
    }

    /// `[batch, channels, h, w]` to the same shape.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (batch, channels, height, width) = x.size4()?;
        let tokens = self
            .group_norm
            .forward(x)?
            .f_flatten(2, 3)?
            .f_transpose(1, 2)?;
        // [batch, pixels, channels] to [batch, 1, pixels, channels]
        let [q, k, v] = [&self.to_q, &self.to_k, &self.to_v]
            .map(|linear| Ok::<_, crate::EngineError>(linear.forward(&tokens)?.f_unsqueeze(1)?));
        let out = attend(&q?, &k?, &v?, false)?.f_squeeze_dim(1)?;
        let out = self
            .to_out
            .forward(&out)?
            .f_transpose(1, 2)?
            .f_reshape([batch, channels, height, width])?;
        add(out, x)
    }
}
