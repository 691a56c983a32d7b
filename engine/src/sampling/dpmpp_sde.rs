//! DPM-Solver++ as an equation with noise, in single steps of two calls, as diffusers'
//! `DPMSolverSDEScheduler` (k-diffusion's `sample_dpmpp_sde`).

use tch::Tensor;

use super::{
    NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, ancestral, at,
    blend, fresh_noise, in_fp32, scale_by_sigma,
    spacing::{levels_of, log_sigmas, sigma_schedule, timestep_of_sigma},
};
use crate::{EngineError, Result};

/// DPM++ SDE: even calls step to the geometric mean of two sigmas, odd calls redo the whole step
/// with what the model says there.
///
/// Both halves of a step ride on one Brownian path over σ, as in diffusers, whose tree gives the
/// path's values; here the image's own noise does: one draw for the path from a step's start to
/// its middle, one from there to its end. The law is the same, the numbers are not.
pub(super) struct DpmppSde {
    schedule: Schedule,
    prediction_type: PredictionType,
    /// The sample that the current step began from, and the path's noise up to its middle.
    start: Option<(Tensor, Tensor)>,
}

impl DpmppSde {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        if config.prediction_type == PredictionType::Sample {
            return Err(config.bad(
                "prediction_type",
                "is \"sample\", which DPM++ SDE cannot use; choose another sampler",
            ));
        }
        let noise = NoiseSchedule::for_second_order(config)?;
        let whole = sigma_schedule(SamplerName::DpmppSde, &noise, config, steps)?;
        let between = |from: f64, to: f64| (from * to).sqrt();
        let logs = log_sigmas(&noise.sigmas());
        Ok(Self {
            schedule: with_middles(&whole, between, |sigma| timestep_of_sigma(sigma, &logs)),
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

/// `whole` with a call in the middle of every step but the last, which ends without noise at once.
pub(super) fn with_middles(
    whole: &Schedule,
    between: impl Fn(f64, f64) -> f64,
    timestep_of: impl Fn(f64) -> f64,
) -> Schedule {
    let steps = whole.timesteps.len();
    let mut timesteps = Vec::with_capacity(2 * steps);
    let mut sigmas = Vec::with_capacity(2 * steps);
    for i in 0..steps {
        timesteps.push(whole.timesteps[i]);
        sigmas.push(whole.sigmas[i]);
        if i + 1 < steps {
            let middle = between(whole.sigmas[i], whole.sigmas[i + 1]);
            timesteps.push(f64::from(timestep_of(middle) as f32));
            sigmas.push(f64::from(middle as f32));
        }
    }
    sigmas.push(0.0);
    Schedule {
        timesteps,
        levels: levels_of(&sigmas),
        sigmas,
        init_noise_sigma: whole.init_noise_sigma,
    }
}

impl Sampler for DpmppSde {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        scale_by_sigma(sample, at(&self.schedule.sigmas, i)?)
    }

    /// All but the last call, which ends without noise.
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
        let sigmas = &self.schedule.sigmas;
        let (sigma, to) = (at(sigmas, i)?, at(sigmas, i + 1)?);
        let (output, sample) = in_fp32(model_output, sample)?;
        let denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        let Some(noise) = fresh_noise(self, i, noise)? else {
            return Ok(denoised);
        };
        let (from, start, noise) = if i.is_multiple_of(2) {
            let first = noise.shallow_clone();
            self.start = Some((sample.shallow_clone(), first));
            (sigma, sample, noise)
        } else {
            let from = at(sigmas, i - 1)?;
            let (start, first) = self.start.take().ok_or_else(|| {
                EngineError::request("step", "DPM++ SDE was not begun at an even call")
            })?;
            // The path's two halves together, as one draw of unit variance.
            let whole = from - to;
            let (a, b) = ((from - sigma) / whole, (sigma - to) / whole);
            (from, start, blend(a.sqrt(), &first, b.sqrt(), &noise)?)
        };
        let (up, down) = ancestral(from, to);
        let kept = down / from;
        let stepped = blend(kept, &start, 1.0 - kept, &denoised)?;
        blend(1.0, &stepped, up, &noise)
    }
}
