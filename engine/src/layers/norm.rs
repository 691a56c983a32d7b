//! Normalisation layers.

use tch::Tensor;

use crate::Result;
use crate::weights::{Init, Params};

/// Group normalisation with scale and shift.
#[derive(Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    eps: f64,
}

impl GroupNorm {
    /// Takes `weight` and `bias` `[channels]` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, groups: i64, channels: i64, eps: f64) -> Result<Self> {
        let weight = params.get("weight", &[channels], Init::Ones)?;
        let bias = params.get("bias", &[channels], Init::Zeros)?;
        Ok(Self {
            weight,
            bias,
            groups,
            eps,
        })
    }

    /// `[batch, channels, ..]` to the same shape.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_group_norm(
            self.groups,
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            true,
        )?)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
}

impl LayerNorm {
    /// Takes `weight` and `bias` `[dim]` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, dim: i64, eps: f64) -> Result<Self> {
        let weight = params.get("weight", &[dim], Init::Ones)?;
        let bias = params.get("bias", &[dim], Init::Zeros)?;
        Ok(Self { weight, bias, eps })
    }

    /// `[.., dim]` to the same shape.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let dim = self.weight.size();
        Ok(x.f_layer_norm(dim, Some(&self.weight), Some(&self.bias), self.eps, true)?)
    }
}
