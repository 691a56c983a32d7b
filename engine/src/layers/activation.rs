//! Activation functions by the names that config.json files use.

use tch::Tensor;

use crate::Result;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · σ(x)`, also called swish.
    Silu,
    /// Exact GELU.
    Gelu,
    /// `x · σ(1.702 x)`, the activation of OpenAI's CLIP.
    QuickGelu,
}

impl Activation {
    /// The activation that config.json calls `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "silu" | "swish" => Self::Silu,
            "gelu" => Self::Gelu,
            "quick_gelu" => Self::QuickGelu,
            _ => return None,
        })
    }

    /// Applies it elementwise.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn forward(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Silu => x.f_silu()?,
            Self::Gelu => x.f_gelu("none")?,
            Self::QuickGelu => x.f_mul(&x.f_mul_scalar(1.702)?.f_sigmoid()?)?,
        })
    }

    /// Applies it to a tensor that nobody else holds, in its own memory where no gradient has to
    /// flow.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn apply(self, mut x: Tensor) -> Result<Tensor> {
        match self {
            Self::Silu if !x.requires_grad() => Ok(x.f_silu_()?),
            _ => self.forward(&x),
        }
    }
}
