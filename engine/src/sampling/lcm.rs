//! Latent consistency models (arXiv 2310.04378), as diffusers' `LCMScheduler`.

use tch::Tensor;

use super::{
    NoiseLevel, NoiseSchedule, PredictionType, Sampler, Schedule, SchedulerConfig, at, blend,
    config::Family, fresh_noise, in_fp32, spacing::linspace,
};
use crate::{EngineError, Result};

/// σ of the data in the boundary condition (Luo et al., 2023, section 4.1).
const SIGMA_DATA: f64 = 0.5;

/// LCM: every step goes all the way to the clean sample, and back to the next timestep's noise.
pub(super) struct Lcm {
    schedule: Schedule,
    prediction_type: PredictionType,
    /// Bound of the predicted clean sample, where it is clipped.
    clip: Option<f64>,
    timestep_scaling: f64,
}

impl Lcm {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check(&[Family::Thresholding])?;
        let noise = NoiseSchedule::for_lcm(config)?;
        let distilled = config.original_inference_steps;
        if distilled == 0 || distilled > config.num_train_timesteps {
            return Err(config.bad(
                "original_inference_steps",
                format!(
                    "is {distilled}; it must be 1 to the {} training timesteps",
                    config.num_train_timesteps
                ),
            ));
        }
        if steps > distilled {
            return Err(EngineError::request(
                "steps",
                format!(
                    "{steps} are more than the {distilled} that LCM's steps are chosen from; 4 to \
                     8 are usual"
                ),
            ));
        }
        let distance = config.num_train_timesteps / distilled;
        // `steps` of the distilled ones from the noisiest on, evenly spaced by their number.
        let timesteps: Vec<usize> = linspace(0.0, distilled as f64, steps + 1)
            .into_iter()
            .take(steps)
            .map(|back| (distilled - back.floor() as usize) * distance - 1)
            .collect();
        let alphas = noise.alphas_cumprod();
        let levels: Vec<NoiseLevel> = timesteps
            .iter()
            .filter_map(|&t| alphas.get(t))
            .map(|&alpha| NoiseLevel::of_alpha(f64::from(alpha)))
            .collect();
        let from_pure_noise = levels.iter().any(|level| level.signal == 0.0);
        if from_pure_noise && config.prediction_type == PredictionType::Epsilon {
            return Err(config.bad(
                "rescale_betas_zero_snr",
                "is true, but a model that predicts epsilon cannot start from pure noise; choose \
                 another sampler",
            ));
        }
        Ok(Self {
            schedule: Schedule {
                timesteps: timesteps.iter().map(|&t| t as f64).collect(),
                sigmas: Vec::new(),
                init_noise_sigma: 1.0,
                levels,
            },
            prediction_type: config.prediction_type,
            clip: config
                .clip_sample
                .unwrap_or(false)
                .then_some(config.clip_sample_range),
            timestep_scaling: config.timestep_scaling,
        })
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }
}

impl Sampler for Lcm {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        Ok(sample.f_to_kind(tch::Kind::Float)?)
    }

    /// All but the last step, which ends on the clean sample.
    fn needs_noise(&self, i: usize) -> bool {
        i + 1 < self.schedule.timesteps.len()
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let timestep = at(&self.schedule.timesteps, i)?;
        let level = at(&self.schedule.levels, i)?;
        let (output, sample) = in_fp32(model_output, sample)?;
        let mut clean = self
            .prediction_type
            .clean(&output, &sample, level.signal, level.noise)?;
        if let Some(range) = self.clip {
            clean = clean.f_clamp(-range, range)?;
        }
        let scaled = timestep * self.timestep_scaling;
        let variance = SIGMA_DATA * SIGMA_DATA;
        let total = scaled * scaled + variance;
        let denoised = blend(scaled / total.sqrt(), &clean, variance / total, &sample)?;
        match fresh_noise(self, i, noise)? {
            Some(noise) => {
                let to = at(&self.schedule.levels, i + 1)?;
                blend(to.signal, &denoised, to.noise, &noise)
            }
            None => Ok(denoised),
        }
    }
}
