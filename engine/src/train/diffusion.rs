//! The loss that a diffusion model was trained with, in its own prediction type.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::FrozenModel;
use super::random::standard_normal;
use crate::Result;
use crate::sampling::PredictionType;

/// Cap of the signal-to-noise ratio in the loss weight (min-SNR, arXiv 2303.09556).
const SNR_CAP: f64 = 5.0;
/// The smallest loss weight: it would vanish where all is noise, and layout is decided there.
const LEAST_WEIGHT: f64 = 0.1;

/// Noises pictures and judges predictions.
#[derive(Debug)]
pub struct DiffusionLoss {
    /// ᾱ by timestep.
    alphas_cumprod: Vec<f32>,
    prediction: PredictionType,
}

/// A batch on its way to the U-Net.
#[derive(Debug)]
pub struct Noised {
    /// What the U-Net sees, `[batch, channels, h, w]` in fp32.
    pub latents: Tensor,
    /// `[batch]` in fp32.
    pub timesteps: Tensor,
    /// What it should predict, in the shape of the latents.
    target: Tensor,
    /// Weight of each picture's error, `[batch]`.
    weights: Tensor,
}

impl DiffusionLoss {
    /// The loss of `model`.
    pub fn new(model: &FrozenModel) -> Self {
        Self {
            alphas_cumprod: model.noise.alphas_cumprod().to_vec(),
            prediction: model.scheduler.prediction_type,
        }
    }

    /// Clean latents `[batch, channels, h, w]` (fp32) at random timesteps, which are spread evenly
    /// over the batch.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn noised(&self, clean: &Tensor, rng: &mut ChaCha8Rng) -> Result<Noised> {
        let batch = clean.size()[0];
        let count = self.alphas_cumprod.len();
        let timesteps: Vec<usize> = (0..batch)
            .map(|row| {
                let part = (row as f64 + rng.random::<f64>()) / batch as f64;
                ((part * count as f64) as usize).min(count - 1)
            })
            .collect();
        let noise = standard_normal(rng, &clean.size())?.f_to_device(clean.device())?;
        let column = |f: &dyn Fn(f64) -> f64| -> Result<Tensor> {
            let values = timesteps.iter().map(|&t| self.alphas_cumprod[t]);
            let values: Vec<f32> = values.map(|a| f(f64::from(a)) as f32).collect();
            Ok(Tensor::f_from_slice(&values)?.f_to_device(clean.device())?)
        };
        let signal = column(&f64::sqrt)?.f_view([-1, 1, 1, 1])?;
        let sigma = column(&|a| (1.0 - a).max(0.0).sqrt())?.f_view([-1, 1, 1, 1])?;
        let target = match self.prediction {
            PredictionType::Epsilon => noise.shallow_clone(),
            PredictionType::VPrediction => noise.f_mul(&signal)?.f_sub(&clean.f_mul(&sigma)?)?,
            PredictionType::Sample => clean.shallow_clone(),
        };
        let timesteps: Vec<f32> = timesteps.iter().map(|&t| t as f32).collect();
        Ok(Noised {
            latents: clean.f_mul(&signal)?.f_add(&noise.f_mul(&sigma)?)?,
            timesteps: Tensor::f_from_slice(&timesteps)?.f_to_device(clean.device())?,
            target,
            weights: column(&|a| self.weight(a))?,
        })
    }

    /// min(SNR, 5) of the clean sample's error, turned into a weight of the prediction's error.
    fn weight(&self, alpha_bar: f64) -> f64 {
        let snr = alpha_bar / (1.0 - alpha_bar).max(1e-8);
        let weight = match self.prediction {
            PredictionType::Epsilon => SNR_CAP.min(snr) / snr.max(1e-8),
            PredictionType::VPrediction => SNR_CAP.min(snr) / (snr + 1.0),
            PredictionType::Sample => SNR_CAP.min(snr),
        };
        weight.max(LEAST_WEIGHT)
    }
}

impl Noised {
    /// Weighted mean square error of the U-Net's `output` (fp32), a scalar with its graph.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn loss(&self, output: &Tensor) -> Result<Tensor> {
        let square = output.f_sub(&self.target)?.f_square()?;
        let each = square.f_mean_dim([1_i64, 2, 3].as_slice(), false, Kind::Float)?;
        Ok(each.f_mul(&self.weights)?.f_mean(Kind::Float)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::step_rng;

    const ALPHAS: [f32; 4] = [0.99, 5.0 / 6.0, 0.5, 0.04];

    fn loss(prediction: PredictionType) -> DiffusionLoss {
        DiffusionLoss {
            alphas_cumprod: ALPHAS.to_vec(),
            prediction,
        }
    }

    fn clean() -> Tensor {
        standard_normal(&mut step_rng(3, 0, 0), &[8, 2, 4, 4]).unwrap()
    }

    #[test]
    fn the_target_is_the_output_that_means_the_clean_picture() {
        for prediction in [
            PredictionType::Epsilon,
            PredictionType::VPrediction,
            PredictionType::Sample,
        ] {
            let clean = clean();
            let noised = loss(prediction)
                .noised(&clean, &mut step_rng(1, 0, 0))
                .unwrap();
            let timesteps: Vec<f32> = Vec::try_from(&noised.timesteps).unwrap();
            for (row, timestep) in timesteps.iter().enumerate() {
                let at = |x: &Tensor| x.get(row as i64);
                let alpha_bar = f64::from(ALPHAS[*timestep as usize]);
                let (signal, sigma) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
                let means = prediction
                    .clean(&at(&noised.target), &at(&noised.latents), signal, sigma)
                    .unwrap();
                assert!(means.allclose(&at(&clean), 1e-3, 1e-4, false));
            }
            // Two rows a timestep: they are spread evenly.
            let spread = [0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0];
            assert_eq!(timesteps, spread);
            assert!(noised.loss(&noised.target).unwrap().double_value(&[]) < 1e-12);
        }
    }

    #[test]
    fn weights_are_the_capped_ratio_in_the_space_of_the_prediction() {
        // SNR 99, 5, 1 and 1/24.
        let of = |prediction| ALPHAS.map(|a| loss(prediction).weight(f64::from(a)));
        let close = |got: [f64; 4], want: [f64; 4]| {
            let near = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-4);
            assert!(near, "{got:?} {want:?}");
        };
        close(of(PredictionType::Epsilon), [0.1, 1.0, 1.0, 1.0]);
        close(of(PredictionType::VPrediction), [0.1, 5.0 / 6.0, 0.5, 0.1]);
        close(of(PredictionType::Sample), [5.0, 5.0, 1.0, 0.1]);
    }
}
