//! What the loss of a direction compares.

use std::str::FromStr;

use crate::sampling::PredictionType;
use crate::{EngineError, Result};

/// What the loss compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossSpace {
    /// The clean latents that the outputs mean.
    X0,
    /// The noise that the outputs mean.
    Epsilon,
}

impl LossSpace {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::X0 => "x0",
            Self::Epsilon => "epsilon",
        }
    }

    /// By how much a difference of two outputs grows in this space, where a state is
    /// `signal`·x₀ + `noise`·ε: both spaces are affine in the output.
    pub(super) fn gain(self, prediction: PredictionType, signal: f64, noise: f64) -> f64 {
        match (self, prediction) {
            (Self::X0, PredictionType::Epsilon) => noise / signal,
            (Self::X0, PredictionType::VPrediction) => noise,
            (Self::X0, PredictionType::Sample) | (Self::Epsilon, PredictionType::Epsilon) => 1.0,
            (Self::Epsilon, PredictionType::VPrediction) => signal,
            (Self::Epsilon, PredictionType::Sample) => signal / noise,
        }
    }
}

impl FromStr for LossSpace {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "x0" => Ok(Self::X0),
            "epsilon" => Ok(Self::Epsilon),
            _ => Err(EngineError::request(
                "loss",
                format!("\"{name}\" is not one of x0, epsilon"),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    #[test]
    fn both_spaces_measure_what_the_outputs_mean() {
        let random = || Tensor::randn([2, 3], (Kind::Float, Device::Cpu));
        let (a, b, sample) = (random(), random(), random());
        let (signal, noise) = (0.6, 0.8);
        for prediction in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let clean = |out: &Tensor| prediction.clean(out, &sample, signal, noise).unwrap();
            let of_clean = clean(&a) - clean(&b);
            // ε follows from x₀ by sample = signal · x₀ + noise · ε.
            let of_noise = &of_clean * (-signal / noise);
            for (space, want) in [(LossSpace::X0, of_clean), (LossSpace::Epsilon, of_noise)] {
                let gain = space.gain(prediction, signal, noise);
                let got = (&a - &b) * gain;
                assert!(
                    got.abs().allclose(&want.abs(), 1e-4, 1e-5, false),
                    "{prediction:?}"
                );
            }
        }
        assert!("eps".parse::<LossSpace>().is_err());
    }
}
