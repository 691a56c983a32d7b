//! The normal distribution that the encoder predicts for each latent.

use tch::Tensor;

use crate::Result;

/// Bounds of the log-variance, as in Python diffusers.
const LOGVAR_RANGE: (f64, f64) = (-30.0, 20.0);

/// An independent normal distribution for each raw (unscaled) latent.
#[derive(Debug)]
pub struct LatentDistribution {
    mean: Tensor,
    logvar: Tensor,
}

impl LatentDistribution {
    /// From the encoder's `[batch, 2·channels, h, w]`: means first, then log-variances, which are
    /// clamped to -30..20.
    pub(super) fn from_moments(moments: &Tensor) -> Result<Self> {
        let channels = moments.size4()?.1 / 2;
        Ok(Self {
            mean: moments.f_narrow(1, 0, channels)?,
            logvar: moments
                .f_narrow(1, channels, channels)?
                .f_clamp(LOGVAR_RANGE.0, LOGVAR_RANGE.1)?,
        })
    }

    /// The means, `[batch, channels, h, w]`; also the distribution's mode.
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The log-variances, `[batch, channels, h, w]`, within -30..20.
    pub fn logvar(&self) -> &Tensor {
        &self.logvar
    }

    /// `mean + std · noise`, with standard normal `noise` of the means' shape.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn sample(&self, noise: &Tensor) -> Result<Tensor> {
        let std = self.logvar.f_mul_scalar(0.5)?.f_exp()?;
        let noise = noise.f_to_kind(self.mean.kind())?;
        Ok(self.mean.f_add(&std.f_mul(&noise)?)?)
    }

    /// Kullback-Leibler divergence from the standard normal, per latent, `[batch, channels, h, w]`:
    /// `(mean² + var - 1 - logvar) / 2` (arXiv 1312.6114, appendix B).
    ///
    /// # Errors
    /// Memory runs out.
    pub fn kl(&self) -> Result<Tensor> {
        Ok(self
            .mean
            .f_square()?
            .f_add(&self.logvar.f_exp()?)?
            .f_sub_scalar(1.0)?
            .f_sub(&self.logvar)?
            .f_mul_scalar(0.5)?)
    }
}
