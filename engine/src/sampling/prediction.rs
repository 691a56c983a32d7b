//! What the U-Net predicts, and the clean sample that follows from it.

use std::str::FromStr;

use tch::Tensor;

use super::blend;
use crate::{EngineError, Result};

/// What the U-Net was trained to predict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PredictionType {
    /// The noise.
    #[default]
    Epsilon,
    /// The velocity √ᾱ·ε − √(1−ᾱ)·x₀ (arXiv 2202.00512).
    VPrediction,
    /// The clean sample x₀.
    Sample,
}

impl FromStr for PredictionType {
    type Err = EngineError;

    /// Reads the name that scheduler_config.json has for it.
    fn from_str(name: &str) -> Result<Self> {
        Ok(match name {
            "epsilon" => Self::Epsilon,
            "v_prediction" => Self::VPrediction,
            "sample" => Self::Sample,
            _ => {
                return Err(EngineError::request(
                    "prediction",
                    format!("\"{name}\" is unknown; take epsilon, v_prediction or sample"),
                ));
            }
        })
    }
}

impl PredictionType {
    /// The clean sample, where `sample` is x₀ + σ·ε (Karras et al., 2022: c_skip and c_out).
    pub(super) fn denoised(self, output: &Tensor, sample: &Tensor, sigma: f64) -> Result<Tensor> {
        match self {
            Self::Epsilon => blend(1.0, sample, -sigma, output),
            Self::VPrediction => {
                let variance = sigma * sigma + 1.0;
                blend(-sigma / variance.sqrt(), output, 1.0 / variance, sample)
            }
            Self::Sample => Ok(output.shallow_clone()),
        }
    }

    /// The clean sample, where `sample` is `alpha`·x₀ + `sigma`·ε with `alpha`² + `sigma`² = 1.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn clean(self, output: &Tensor, sample: &Tensor, alpha: f64, sigma: f64) -> Result<Tensor> {
        match self {
            Self::Epsilon => Ok(blend(1.0, sample, -sigma, output)?.f_div_scalar(alpha)?),
            Self::VPrediction => blend(alpha, sample, -sigma, output),
            Self::Sample => Ok(output.shallow_clone()),
        }
    }

    /// The output that means the clean sample `clean`, the inverse of [`PredictionType::clean`].
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn output_of(
        self,
        clean: &Tensor,
        sample: &Tensor,
        alpha: f64,
        sigma: f64,
    ) -> Result<Tensor> {
        let epsilon =
            || -> Result<Tensor> { Ok(blend(1.0, sample, -alpha, clean)?.f_div_scalar(sigma)?) };
        match self {
            Self::Epsilon => epsilon(),
            Self::VPrediction => blend(alpha, &epsilon()?, -sigma, clean),
            Self::Sample => Ok(clean.shallow_clone()),
        }
    }

    /// The noise, where `sample` is `alpha`·x₀ + `sigma`·ε with `alpha`² + `sigma`² = 1.
    pub(crate) fn epsilon(
        self,
        output: &Tensor,
        sample: &Tensor,
        alpha: f64,
        sigma: f64,
    ) -> Result<Tensor> {
        match self {
            Self::Epsilon => Ok(output.shallow_clone()),
            Self::VPrediction => blend(alpha, output, sigma, sample),
            Self::Sample => Ok(blend(1.0, sample, -alpha, output)?.f_div_scalar(sigma)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::PredictionType;

    #[test]
    fn the_output_of_a_clean_sample_is_the_output_that_it_came_from() {
        let random = || Tensor::randn([2, 3], (Kind::Float, Device::Cpu));
        let (output, sample) = (random(), random());
        let (alpha, sigma) = (0.6, 0.8);
        for prediction in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let clean = prediction.clean(&output, &sample, alpha, sigma).unwrap();
            let back = prediction.output_of(&clean, &sample, alpha, sigma).unwrap();
            assert!(back.allclose(&output, 1e-4, 1e-5, false), "{prediction:?}");
        }
    }
}
