//! Two evaluations a step, the second at the geometric mean of two sigmas, as diffusers'
//! `KDPM2DiscreteScheduler` and, with fresh noise, `KDPM2AncestralDiscreteScheduler`.

use tch::Tensor;

use super::{
    NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, ancestral, at,
    blend,
    dpmpp_sde::with_middles,
    fresh_noise, in_fp32, scale_by_sigma,
    spacing::{log_sigmas, sigma_schedule, timestep_of_sigma},
};
use crate::{EngineError, Result};

/// KDPM2: even calls step to the intermediate sigma, odd calls redo the whole step from there; with
/// fresh noise it steps below the next sigma and adds what is missing.
pub(super) struct Kdpm2 {
    schedule: Schedule,
    prediction_type: PredictionType,
    is_ancestral: bool,
    /// The sample that the current step began from.
    start: Option<Tensor>,
}

impl Kdpm2 {
    /// `name` is one of the two that run on it.
    pub(super) fn new(name: SamplerName, config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if config.prediction_type == PredictionType::Sample {
            return Err(config.bad(
                "prediction_type",
                format!(
                    "is \"sample\", which {} cannot use; choose another sampler",
                    name.label()
                ),
            ));
        }
        let noise = NoiseSchedule::for_second_order(config)?;
        let whole = sigma_schedule(name, &noise, config, steps)?;
        let logs = log_sigmas(&noise.sigmas());
        let is_ancestral = name == SamplerName::Kdpm2A;
        // The last step goes to 0 at once: the geometric mean with 0 is 0.
        let between = |from: f64, to: f64| {
            let end = if is_ancestral {
                rounded_ancestral(from, to).1
            } else {
                to
            };
            (from * end).sqrt()
        };
        Ok(Self {
            schedule: with_middles(&whole, between, |sigma| timestep_of_sigma(sigma, &logs)),
            prediction_type: config.prediction_type,
            is_ancestral,
            start: None,
        })
    }

    /// Leaves out the first `steps` steps, two calls each.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(2 * steps);
        self
    }
}

/// As [`ancestral`] in fp32, as diffusers computes it: in few steps the sigma that it steps down to
/// is the small difference of two numbers, where the rounding shows.
fn rounded_ancestral(from: f64, to: f64) -> (f64, f64) {
    let (high, low) = (from as f32, to as f32);
    let up = (low.powi(2) * (high.powi(2) - low.powi(2)) / high.powi(2)).sqrt();
    let down = (low.powi(2) - up.powi(2)).max(0.0).sqrt();
    if down > 0.0 {
        (f64::from(up), f64::from(down))
    } else {
        ancestral(from, to)
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

    /// Where a step ends, but for the last, which ends without noise.
    fn needs_noise(&self, i: usize) -> bool {
        self.is_ancestral && !i.is_multiple_of(2)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        let sigmas = &self.schedule.sigmas;
        let (sigma, to) = (at(sigmas, i)?, at(sigmas, i + 1)?);
        let (output, sample) = in_fp32(model_output, sample)?;
        let denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        let derivative = sample.f_sub(&denoised)?.f_div_scalar(sigma)?;
        if i.is_multiple_of(2) {
            let next = blend(1.0, &sample, to - sigma, &derivative)?;
            self.start = Some(sample);
            return Ok(next);
        }
        let from = at(sigmas, i - 1)?;
        let start = self
            .start
            .take()
            .ok_or_else(|| EngineError::request("step", "DPM2 was not begun at an even call"))?;
        match fresh_noise(self, i, noise)? {
            None => blend(1.0, &start, to - from, &derivative),
            Some(noise) => {
                let (up, down) = rounded_ancestral(from, to);
                let stepped = blend(1.0, &start, down - from, &derivative)?;
                blend(1.0, &stepped, up, &noise)
            }
        }
    }
}
