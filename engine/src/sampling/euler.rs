//! Euler's method on the probability flow, with and without fresh noise, as diffusers'
//! `EulerDiscreteScheduler` (without churn) and `EulerAncestralDiscreteScheduler`.

use tch::Tensor;

use super::{
    Convention, Interpolation, NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule,
    SchedulerConfig, TimestepSpacing, ancestral, at, blend,
    config::Family,
    fresh_noise, in_fp32, scale_by_sigma,
    spacing::{finish, linspace, sigma_schedule, timesteps},
};
use crate::Result;

/// Euler (Karras et al., 2022, algorithm 2 without churn).
pub(super) struct Euler {
    schedule: Schedule,
    prediction_type: PredictionType,
}

impl Euler {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check(&[Family::Euler])?;
        let noise = NoiseSchedule::new(config)?;
        let log_linear = config.interpolation_type == Interpolation::LogLinear
            && config.convention == Convention::Diffusers;
        let curve = config.curve()?;
        let schedule = if log_linear && curve.is_none() {
            log_linear_schedule(&noise, config, steps)?
        } else if log_linear {
            return Err(config.bad(
                "interpolation_type",
                "is \"log_linear\", which cannot be combined with Karras or exponential sigmas",
            ));
        } else {
            sigma_schedule(SamplerName::Euler, &noise, config, steps)?
        };
        Ok(Self {
            schedule,
            prediction_type: config.prediction_type,
        })
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }
}

/// Equal steps of log sigma down to the smallest, where it ends: `final_sigmas_type` comes after.
fn log_linear_schedule(
    noise: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Schedule> {
    config.check(&[Family::Sigmas])?;
    let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace);
    let table = noise.sigmas();
    let max = f64::from(table[table.len() - 1].ln());
    let min = f64::from(table[0].ln());
    let sigmas = linspace(max, min, steps + 1)
        .into_iter()
        .map(f64::exp)
        .collect();
    finish(
        SamplerName::Euler,
        config,
        spacing,
        timesteps(spacing, config, steps),
        sigmas,
    )
}

/// `sample + (sample − denoised) / σ · (to − σ)`.
fn euler_step(sample: &Tensor, denoised: &Tensor, sigma: f64, to: f64) -> Result<Tensor> {
    let derivative = sample.f_sub(denoised)?.f_div_scalar(sigma)?;
    blend(1.0, sample, to - sigma, &derivative)
}

impl Sampler for Euler {
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
        let (sigma, to) = (
            at(&self.schedule.sigmas, i)?,
            at(&self.schedule.sigmas, i + 1)?,
        );
        let (output, sample) = in_fp32(model_output, sample)?;
        let denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        euler_step(&sample, &denoised, sigma, to)
    }
}

/// Euler ancestral: a step down past the next sigma, then noise up to it (k-diffusion).
pub(super) struct EulerAncestral {
    schedule: Schedule,
    prediction_type: PredictionType,
}

impl EulerAncestral {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if config.prediction_type == PredictionType::Sample {
            return Err(config.bad(
                "prediction_type",
                "is \"sample\", which Euler a cannot use; choose another sampler",
            ));
        }
        let noise = NoiseSchedule::new(config)?;
        let schedule = sigma_schedule(SamplerName::EulerA, &noise, config, steps)?;
        Ok(Self {
            schedule,
            prediction_type: config.prediction_type,
        })
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }
}

impl Sampler for EulerAncestral {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        scale_by_sigma(sample, at(&self.schedule.sigmas, i)?)
    }

    /// All but the last step, which ends without noise.
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
        let (from, to) = (
            at(&self.schedule.sigmas, i)?,
            at(&self.schedule.sigmas, i + 1)?,
        );
        let (output, sample) = in_fp32(model_output, sample)?;
        let (up, down) = ancestral(from, to);
        let denoised = self.prediction_type.denoised(&output, &sample, from)?;
        let stepped = euler_step(&sample, &denoised, from, down)?;
        match fresh_noise(self, i, noise)? {
            Some(noise) => blend(1.0, &stepped, up, &noise),
            None => Ok(stepped),
        }
    }
}
