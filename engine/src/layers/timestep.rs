//! Timestep embedding, as in "Denoising Diffusion Probabilistic Models" and Python diffusers.

use tch::{Device, Kind, Tensor};

use super::{Activation, LayerRef, LayerVisitor, Linear};
use crate::Result;
use crate::weights::Params;

/// Sinusoids of `timesteps` `[batch]`, `[batch, dim]` in fp32.
///
/// `flip_sin_to_cos` puts the cosines first; `shift` is diffusers' `freq_shift`.
///
/// # Errors
/// libtorch runs out of memory.
pub fn sinusoidal_embedding(
    timesteps: &Tensor,
    dim: i64,
    flip_sin_to_cos: bool,
    shift: f64,
) -> Result<Tensor> {
    let half = dim / 2;
    let device: Device = timesteps.device();
    let exponent = Tensor::f_arange(half, (Kind::Float, device))?
        .f_mul_scalar(-(10_000_f64.ln()))?
        .f_div_scalar(half as f64 - shift)?;
    let frequencies = exponent.f_exp()?;
    let angles = timesteps
        .f_to_kind(Kind::Float)?
        .f_unsqueeze(1)?
        .f_mul(&frequencies.f_unsqueeze(0)?)?;
    let (sin, cos) = (angles.f_sin()?, angles.f_cos()?);
    let parts = if flip_sin_to_cos {
        [cos, sin]
    } else {
        [sin, cos]
    };
    let embedding = Tensor::f_cat(&parts, 1)?;
    Ok(if dim % 2 == 1 {
        embedding.f_pad([0, 1], "constant", 0.0)?
    } else {
        embedding
    })
}

/// What a [`TimestepEmbedding`] is built from.
#[derive(Debug, Clone, Copy)]
pub struct TimestepShape {
    /// Length of the sinusoids.
    pub in_dim: i64,
    /// Length of the embedding.
    pub dim: i64,
    /// Length of the extra condition of latent consistency models.
    pub cond_dim: Option<i64>,
    /// Activation between the two layers.
    pub activation: Activation,
}

/// The two linear layers that follow the sinusoids.
#[derive(Debug)]
pub struct TimestepEmbedding {
    cond_proj: Option<Linear>,
    linear_1: Linear,
    linear_2: Linear,
    activation: Activation,
}

impl TimestepEmbedding {
    /// Takes `linear_1`, `linear_2` and, where there is an extra condition, `cond_proj` from
    /// `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, shape: &TimestepShape) -> Result<Self> {
        let TimestepShape { in_dim, dim, .. } = *shape;
        let cond_proj = shape
            .cond_dim
            .map(|cond| Linear::new(&params.at("cond_proj"), cond, in_dim, false))
            .transpose()?;
        Ok(Self {
            cond_proj,
            linear_1: Linear::new(&params.at("linear_1"), in_dim, dim, true)?,
            linear_2: Linear::new(&params.at("linear_2"), dim, dim, true)?,
            activation: shape.activation,
        })
    }

    /// Sinusoids `[batch, in_dim]` and, where there is one, the extra condition
    /// `[batch, cond_dim]` to `[batch, dim]`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor, condition: Option<&Tensor>) -> Result<Tensor> {
        let hidden = match (&self.cond_proj, condition) {
            (Some(proj), Some(condition)) => {
                let x = x.f_add(&proj.forward(condition)?)?;
                self.linear_1.forward(&x)?
            }
            _ => self.linear_1.forward(x)?,
        };
        self.linear_2.forward(&self.activation.apply(hidden)?)
    }

    /// Shows the linear layers to `visitor`, with names under `path`.
    pub fn visit(&self, path: &str, visitor: &mut LayerVisitor<'_>) {
        if let Some(proj) = &self.cond_proj {
            visitor(&format!("{path}.cond_proj"), LayerRef::Linear(proj));
        }
        visitor(
            &format!("{path}.linear_1"),
            LayerRef::Linear(&self.linear_1),
        );
        visitor(
            &format!("{path}.linear_2"),
            LayerRef::Linear(&self.linear_2),
        );
    }
}
