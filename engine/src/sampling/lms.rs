//! Linear multistep of order 4 on the probability flow, as diffusers' `LMSDiscreteScheduler`.

use std::collections::VecDeque;

use tch::Tensor;

use super::{
    NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, at, in_fp32,
    pndm::weighted_sum, scale_by_sigma, spacing::sigma_schedule,
};
use crate::Result;

const ORDER: usize = 4;

/// LMS of order 4.
pub(super) struct Lms {
    schedule: Schedule,
    prediction_type: PredictionType,
    /// dx/dσ at the last calls, the latest first.
    derivatives: VecDeque<Tensor>,
}

impl Lms {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        let noise = NoiseSchedule::never_rescaled(config)?;
        let schedule = sigma_schedule(SamplerName::Lms, &noise, config, steps)?;
        Ok(Self {
            schedule,
            prediction_type: config.prediction_type,
            derivatives: VecDeque::with_capacity(ORDER),
        })
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }
}

/// Integral over `sigmas[i]..sigmas[i + 1]` of the Lagrange polynomial that is 1 at
/// `sigmas[i - which]` and 0 at the other `order - 1` sigmas up to `i`.
///
/// Gauss-Legendre with two points is exact: the polynomial is at most cubic.
fn coefficient(sigmas: &[f64], i: usize, order: usize, which: usize) -> f64 {
    let polynomial = |tau: f64| -> f64 {
        (0..order)
            .filter(|&k| k != which)
            .map(|k| (tau - sigmas[i - k]) / (sigmas[i - which] - sigmas[i - k]))
            .product()
    };
    let middle = f64::midpoint(sigmas[i], sigmas[i + 1]);
    let half = (sigmas[i + 1] - sigmas[i]) / 2.0;
    let node = half / 3.0_f64.sqrt();
    half * (polynomial(middle - node) + polynomial(middle + node))
}

impl Sampler for Lms {
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
        at(&self.schedule.timesteps, i)?;
        let sigma = at(&self.schedule.sigmas, i)?;
        let (output, sample) = in_fp32(model_output, sample)?;
        let denoised = self.prediction_type.denoised(&output, &sample, sigma)?;
        self.derivatives
            .push_front(sample.f_sub(&denoised)?.f_div_scalar(sigma)?);
        self.derivatives.truncate(ORDER);
        let order = ORDER.min(i + 1);
        let weights: Vec<f64> = (0..order)
            .map(|which| coefficient(&self.schedule.sigmas, i, order, which))
            .collect();
        let change = weighted_sum(&weights, self.derivatives.iter())?;
        Ok(sample.f_add(&change)?)
    }
}
