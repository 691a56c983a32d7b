//! Timestep embedding, as in "Denoising Diffusion Probabilistic Models" and Python diffusers.

use tch::{Device, Kind, Tensor};

use super::{Activation, Linear};
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

/// The two linear layers that follow the sinusoids.
#[derive(Debug)]
pub struct TimestepEmbedding {
    linear_1: Linear,
    linear_2: Linear,
}

impl TimestepEmbedding {
    /// Takes `linear_1` and `linear_2` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, in_dim: i64, dim: i64) -> Result<Self> {
        Ok(Self {
            linear_1: Linear::new(&params.at("linear_1"), in_dim, dim, true)?,
            linear_2: Linear::new(&params.at("linear_2"), dim, dim, true)?,
        })
    }

    /// `[batch, in_dim]` to `[batch, dim]`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.linear_2
            .forward(&Activation::Silu.forward(&self.linear_1.forward(x)?)?)
    }
}
