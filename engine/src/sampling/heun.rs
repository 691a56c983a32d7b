//! Heun's method on the probability flow, as diffusers' `HeunDiscreteScheduler`.

use tch::Tensor;

use super::{
    NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, at, blend,
    in_fp32, scale_by_sigma,
    spacing::{levels_of, sigma_schedule},
};
use crate::{EngineError, Result};

/// Heun (Karras et al., 2022, algorithm 1 without churn): even calls take Euler's step, odd calls
/// redo it with the mean of the slopes at both ends. The last step is Euler's alone.
pub(super) struct Heun {
    schedule: Schedule,
    prediction_type: PredictionType,
    /// Bound of the predicted clean sample, where it is clipped.
    clip: Option<f64>,
    /// The sample that the current step began from, and its slope there.
    start: Option<(Tensor, Tensor)>,
}

impl Heun {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let noise = NoiseSchedule::for_second_order(config)?;
        let whole = sigma_schedule(SamplerName::Heun, &noise, config, steps)?;
        // Every step but the first is told twice: where one ends, the next begins.
        let twice = |values: &[f64]| -> Vec<f64> {
            let (first, rest) = values.split_at(1);
            let rest = rest.iter().flat_map(|&value| [value, value]);
            first.iter().copied().chain(rest).collect()
        };
        let mut sigmas = twice(&whole.sigmas[..steps]);
        sigmas.push(0.0);
        Ok(Self {
            schedule: Schedule {
                timesteps: twice(&whole.timesteps),
                levels: levels_of(&sigmas),
                sigmas,
                init_noise_sigma: whole.init_noise_sigma,
            },
            prediction_type: config.prediction_type,
            clip: config
                .clip_sample
                .unwrap_or(false)
                .then_some(config.clip_sample_range),
            start: None,
        })
    }

    /// Leaves out the first `steps` steps, two calls each.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(2 * steps);
        self
    }
}

impl Sampler for Heun {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        scale_by_sigma(sample, at(&self.schedule.sigmas, i)?)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        _: Option<&Tensor>,
    ) -> Result<Tensor> {
        let sigmas = &self.schedule.sigmas;
        let (sigma, to) = (at(sigmas, i)?, at(sigmas, i + 1)?);
        let (output, sample) = in_fp32(model_output, sample)?;
        let mut denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        if let Some(range) = self.clip {
            denoised = denoised.f_clamp(-range, range)?;
        }
        let slope = sample.f_sub(&denoised)?.f_div_scalar(sigma)?;
        if i.is_multiple_of(2) {
            let next = blend(1.0, &sample, to - sigma, &slope)?;
            self.start = Some((sample, slope));
            Ok(next)
        } else {
            let from = at(sigmas, i - 1)?;
            let (start, first) = self.start.take().ok_or_else(|| {
                EngineError::request("step", "Heun was not begun at an even call")
            })?;
            blend(1.0, &start, sigma - from, &blend(0.5, &first, 0.5, &slope)?)
        }
    }
}
