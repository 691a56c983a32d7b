//! Two evaluations a step, the second at the geometric mean of two sigmas, as diffusers'
//! `KDPM2DiscreteScheduler`.

use tch::Tensor;

use super::{
    NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, at, blend,
    in_fp32, scale_by_sigma,
    spacing::{levels_of, log_sigmas, sigma_schedule, timestep_of_sigma},
};
use crate::{EngineError, Result};

/// KDPM2: even calls step to the intermediate sigma, odd calls redo the whole step from there.
pub(super) struct Kdpm2 {
    schedule: Schedule,
    prediction_type: PredictionType,
    /// The sample that the current step began from.
    start: Option<Tensor>,
}

impl Kdpm2 {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if config.prediction_type == PredictionType::Sample {
            return Err(config.bad(
                "prediction_type",
                "is \"sample\", which DPM2 cannot use; choose another sampler",
            ));
        }
        let noise = NoiseSchedule::for_kdpm2(config)?;
        let whole = sigma_schedule(SamplerName::Kdpm2, &noise, config, steps)?;
        let logs = log_sigmas(&noise.sigmas());
        let mut timesteps = Vec::with_capacity(2 * steps - 1);
        let mut sigmas = Vec::with_capacity(2 * steps);
        for i in 0..steps {
            timesteps.push(whole.timesteps[i]);
            sigmas.push(whole.sigmas[i]);
            // The last step goes to 0 at once: the geometric mean with 0 is 0.
            if i + 1 < steps {
                let between = (whole.sigmas[i] * whole.sigmas[i + 1]).sqrt();
                timesteps.push(f64::from(timestep_of_sigma(between, &logs) as f32));
                sigmas.push(f64::from(between as f32));
            }
        }
        sigmas.push(0.0);
        Ok(Self {
            schedule: Schedule {
                timesteps,
                levels: levels_of(&sigmas),
                sigmas,
                init_noise_sigma: whole.init_noise_sigma,
            },
            prediction_type: config.prediction_type,
            start: None,
        })
    }

    /// Leaves out the first `steps` steps, two calls each.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(2 * steps);
        self
    }
}

impl Sampler for Kdpm2 {
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
        let denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        let derivative = sample.f_sub(&denoised)?.f_div_scalar(sigma)?;
        if i.is_multiple_of(2) {
            let next = blend(1.0, &sample, to - sigma, &derivative)?;
            self.start = Some(sample);
            Ok(next)
        } else {
            let from = at(sigmas, i - 1)?;
            let start = self.start.take().ok_or_else(|| {
                EngineError::request("step", "DPM2 was not begun at an even call")
            })?;
            blend(1.0, &start, to - from, &derivative)
        }
    }
}
