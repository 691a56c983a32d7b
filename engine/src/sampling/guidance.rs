//! Classifier-free guidance.

use tch::{Kind, Tensor};

use super::blend;
use crate::{EngineError, Result};

/// How strongly the prompt pulls away from the negative prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    scale: f64,
    rescale: f64,
}

impl Guidance {
    /// Guidance by `scale` (usually 1 to 15; 1 and below turn it off), with the fraction `rescale`
    /// (0..1) of the correction for over-exposure of arXiv 2305.08891, section 3.4.
    ///
    /// # Errors
    /// `scale` is not finite, or `rescale` is not within 0..1.
    pub fn new(scale: f64, rescale: f64) -> Result<Self> {
        if !scale.is_finite() {
            return Err(EngineError::request(
                "guidance_scale",
                format!("{scale} is not a finite number; 7.5 is usual"),
            ));
        }
        if !(0.0..=1.0).contains(&rescale) {
            return Err(EngineError::request(
                "guidance_rescale",
                format!("{rescale} is not within 0 to 1; 0 turns it off"),
            ));
        }
        Ok(Self { scale, rescale })
    }

    /// Whether the negative prompt's prediction is needed at all.
    pub fn is_on(&self) -> bool {
        self.scale > 1.0
    }

    /// `uncond + scale · (cond − uncond)` in fp32 (arXiv 2207.12598), then the rescaling.
    ///
    /// Both are model outputs `[batch, channels, h, w]` in any dtype.
    ///
    /// # Errors
    /// The shapes differ, or a tensor operation failed.
    pub fn combine(&self, uncond: &Tensor, cond: &Tensor) -> Result<Tensor> {
        let uncond = uncond.f_to_kind(Kind::Float)?;
        let cond = cond.f_to_kind(Kind::Float)?;
        let guided = blend(1.0, &uncond, self.scale, &cond.f_sub(&uncond)?)?;
        if self.rescale == 0.0 {
            return Ok(guided);
        }
        let ratio = deviation(&cond)?.f_div(&deviation(&guided)?)?;
        let rescaled = guided.f_mul(&ratio)?;
        blend(self.rescale, &rescaled, 1.0 - self.rescale, &guided)
    }
}

/// Standard deviation of every image over its channels and pixels, `[batch, 1, 1, 1]`.
fn deviation(prediction: &Tensor) -> Result<Tensor> {
    Ok(prediction.f_std_dim(&[1, 2, 3][..], true, true)?)
}
