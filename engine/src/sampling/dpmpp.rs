//! DPM-Solver++ multistep (arXiv 2211.01095), as diffusers' `DPMSolverMultistepScheduler` with
//! `algorithm_type` `dpmsolver++` and `sde-dpmsolver++`.

use std::collections::VecDeque;

use tch::Tensor;

use super::{
    PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig, SolverType, at, blend,
    config::Family,
    fresh_noise, in_fp32,
    pndm::weighted_sum,
    vp_spacing::{alpha_sigma_lambda, vp_schedule},
};
use crate::{EngineError, Result};

/// Below this many steps the last ones fall back to lower orders (`lower_order_final`).
const FEW_STEPS: usize = 15;

/// DPM-Solver++ multistep of order 1 to 3, usually 2, as an equation with noise or without.
pub(super) struct Dpmpp2m {
    schedule: Schedule,
    prediction_type: PredictionType,
    order: usize,
    solver_type: SolverType,
    first_order_at_end: bool,
    second_order_before_end: bool,
    /// Whether every step but one that ends without noise adds fresh noise.
    is_stochastic: bool,
    /// Clean samples of the last calls, the latest first.
    clean: VecDeque<Tensor>,
}

impl Dpmpp2m {
    /// `name` is one of the three that run on it.
    pub(super) fn new(name: SamplerName, config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check(&[
            Family::Thresholding,
            Family::Sigmas,
            Family::Dpmpp,
            Family::Flow,
        ])?;
        let is_stochastic = name == SamplerName::Dpmpp2mSde;
        if !is_stochastic {
            config.check(&[Family::DpmppOde])?;
        }
        let schedule = vp_schedule(name, config, steps)?;
        let few = schedule.timesteps.len() < FEW_STEPS;
        Ok(Self {
            prediction_type: config.prediction_type,
            order: config.solver_order,
            solver_type: config.solver_type,
            first_order_at_end: config.euler_at_final
                || (config.lower_order_final && few)
                || schedule.sigmas.last() == Some(&0.0),
            second_order_before_end: config.lower_order_final && few,
            is_stochastic,
            clean: VecDeque::with_capacity(config.solver_order),
            schedule,
        })
    }

    /// The order of call `i`: rises from 1, and falls again at the end where the settings say so.
    fn order_at(&self, i: usize) -> usize {
        let left = self.schedule.timesteps.len() - i;
        let reachable = self.order.min(i + 1);
        match left {
            1 if self.first_order_at_end => 1,
            2 if self.second_order_before_end => reachable.min(2),
            _ => reachable,
        }
    }

    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self
    }
}

impl Sampler for Dpmpp2m {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        Ok(sample.f_to_kind(tch::Kind::Float)?)
    }

    /// All steps that end with noise.
    fn needs_noise(&self, i: usize) -> bool {
        let to = self.schedule.sigmas.get(i + 1);
        self.is_stochastic && to.is_some_and(|&to| to > 0.0)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        let sigmas = &self.schedule.sigmas;
        let (alpha, sigma, lambda) = alpha_sigma_lambda(at(sigmas, i)?);
        let (alpha_to, sigma_to, lambda_to) = alpha_sigma_lambda(at(sigmas, i + 1)?);
        let lambda_before = |back: usize| alpha_sigma_lambda(sigmas[i - back]).2;
        let (output, sample) = in_fp32(model_output, sample)?;
        self.clean
            .push_front(self.prediction_type.clean(&output, &sample, alpha, sigma)?);
        self.clean.truncate(self.order);

        let order = self.order_at(i);
        if self.clean.len() < order {
            return Err(EngineError::request(
                "step",
                "DPM++ was not begun at call 0",
            ));
        }
        let h = lambda_to - lambda;
        if h == 0.0 {
            // Karras sigmas that end on `sigma_min` are there already.
            return Ok(sample);
        }
        // With fresh noise the formulas are those of a step twice as long (Lu et al., 2022,
        // appendix on SDE solvers). e^(−h) − 1 is exactly −1 where the step ends without noise and
        // h is infinite.
        let length = if self.is_stochastic { 2.0 * h } else { h };
        let shrink = (-length).exp() - 1.0;
        // Weights of D0, D1 and D2 in Lu et al. (2022), equations 9 to 12.
        let d0 = -alpha_to * shrink;
        let weights = match order {
            1 => vec![d0],
            2 => {
                let d1 = match self.solver_type {
                    SolverType::Heun => alpha_to * (shrink / length + 1.0),
                    _ => -0.5 * alpha_to * shrink,
                };
                let r0 = (lambda - lambda_before(1)) / h;
                vec![d0 + d1 / r0, -d1 / r0]
            }
            _ => {
                let d1 = alpha_to * (shrink / length + 1.0);
                let d2 = -alpha_to * ((shrink + length) / (length * length) - 0.5);
                let r0 = (lambda - lambda_before(1)) / h;
                let r1 = (lambda_before(1) - lambda_before(2)) / h;
                // D1 and D2 as sums of the differences m0−m1 and m1−m2.
                let share = r0 / (r0 + r1);
                let first = (d1 * (1.0 + share) + d2 / (r0 + r1)) / r0;
                let second = -(d1 * share + d2 / (r0 + r1)) / r1;
                vec![d0 + first, second - first, -second]
            }
        };
        let change = weighted_sum(&weights, self.clean.iter())?;
        let keeps = sigma_to / sigma;
        let Some(noise) = fresh_noise(self, i, noise)? else {
            let keeps = if self.is_stochastic { 0.0 } else { keeps };
            return blend(keeps, &sample, 1.0, &change);
        };
        let next = blend(keeps * (-h).exp(), &sample, 1.0, &change)?;
        blend(1.0, &next, sigma_to * (-shrink).sqrt(), &noise)
    }
}
