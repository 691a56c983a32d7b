//! DPM-Solver++ multistep (arXiv 2211.01095), as diffusers' `DPMSolverMultistepScheduler` with
//! `algorithm_type` `dpmsolver++`.

use std::collections::VecDeque;

use tch::Tensor;

use super::{
    BetaSchedule, FinalSigmas, NoiseLevel, NoiseSchedule, PredictionType, Sampler, SamplerName,
    Schedule, SchedulerConfig, SolverType, TimestepSpacing, at,
    config::Family,
    in_fp32,
    pndm::weighted_sum,
    spacing::{
        final_sigma, interpolate, karras_sigmas, linspace, log_sigmas, refuse_repeated_sigmas,
        timestep_of_sigma, trailing,
    },
    too_many_steps,
};
use crate::{EngineError, Result};

/// Below this many steps the last ones fall back to lower orders (`lower_order_final`).
const FEW_STEPS: usize = 15;

/// DPM-Solver++ multistep of order 1 to 3, usually 2.
pub(super) struct Dpmpp2m {
    schedule: Schedule,
    prediction_type: PredictionType,
    order: usize,
    solver_type: SolverType,
    first_order_at_end: bool,
    second_order_before_end: bool,
    /// Clean samples of the last calls, the latest first.
    clean: VecDeque<Tensor>,
}

impl Dpmpp2m {
    pub(super) fn new(config: &SchedulerConfig, steps: usize, karras: bool) -> Result<Self> {
        config.check(&[Family::Thresholding, Family::Sigmas, Family::Dpmpp])?;
        let noise = NoiseSchedule::new(config)?;
        let table = noise.sigmas();
        let name = if karras {
            SamplerName::Dpmpp2mKarras
        } else {
            SamplerName::Dpmpp2m
        };
        let (timesteps, mut sigmas) = if karras {
            karras_steps(config, &table, steps)
        } else {
            let timesteps = spaced_timesteps(config, &table, steps)
                .ok_or_else(|| too_many_steps(steps, config, name))?;
            let sigmas = timesteps.iter().map(|&t| interpolate(&table, t)).collect();
            (timesteps, sigmas)
        };
        sigmas.push(final_sigma(config, &table));
        for sigma in &mut sigmas {
            *sigma = f64::from(*sigma as f32);
        }
        refuse_repeated_sigmas(name, config, &sigmas)?;
        let few = timesteps.len() < FEW_STEPS;
        Ok(Self {
            schedule: Schedule {
                timesteps,
                levels: sigmas[..sigmas.len() - 1]
                    .iter()
                    .map(|&sigma| {
                        let (signal, noise, _) = alpha_sigma_lambda(sigma);
                        NoiseLevel { signal, noise }
                    })
                    .collect(),
                sigmas,
                init_noise_sigma: 1.0,
            },
            prediction_type: config.prediction_type,
            order: config.solver_order,
            solver_type: config.solver_type,
            first_order_at_end: config.euler_at_final
                || (config.lower_order_final && few)
                || config.final_sigmas_type == FinalSigmas::Zero,
            second_order_before_end: config.lower_order_final && few,
            clean: VecDeque::with_capacity(config.solver_order),
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

/// Whole timesteps: one more than asked for, the smallest dropped (except for trailing spacing).
fn spaced_timesteps(config: &SchedulerConfig, table: &[f32], steps: usize) -> Option<Vec<f64>> {
    // Lu et al. (2022) clip the noisiest timesteps of cosine schedules away.
    let clipped = log_sigmas(table)
        .iter()
        .filter(|&&log| -f64::from(log) < config.lambda_min_clipped)
        .count();
    let total = table.len() - clipped;
    let timesteps: Vec<f64> = match config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace) {
        TimestepSpacing::Linspace => linspace(0.0, total as f64 - 1.0, steps + 1)
            .into_iter()
            .map(f64::round_ties_even)
            .skip(1)
            .rev()
            .collect(),
        TimestepSpacing::Leading => {
            let ratio = total / (steps + 1);
            (1..=steps)
                .rev()
                .map(|i| (i * ratio + config.steps_offset) as f64)
                .collect()
        }
        TimestepSpacing::Trailing => {
            let distance = config.num_train_timesteps as f64 / steps as f64;
            trailing(total, distance, steps)
        }
    };
    (!timesteps.is_empty()).then_some(timesteps)
}

/// Karras sigmas between the schedule's own smallest and largest, and their whole timesteps.
fn karras_steps(config: &SchedulerConfig, table: &[f32], steps: usize) -> (Vec<f64>, Vec<f64>) {
    let max = config
        .sigma_max
        .unwrap_or(f64::from(table[table.len() - 1]));
    let min = config.sigma_min.unwrap_or(f64::from(table[0]));
    let sigmas = karras_sigmas(max, min, steps);
    let logs = log_sigmas(table);
    let timesteps = sigmas
        .iter()
        .map(|&sigma| timestep_of_sigma(sigma, &logs))
        .map(|t| {
            if config.beta_schedule == BetaSchedule::SquaredcosCapV2 {
                t.trunc()
            } else {
                t.round_ties_even()
            }
        })
        .collect();
    (timesteps, sigmas)
}

/// α, σ and log(α/σ) of the variance-preserving sample at this sigma.
fn alpha_sigma_lambda(sigma: f64) -> (f64, f64, f64) {
    let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
    (alpha, sigma * alpha, -sigma.ln())
}

impl Sampler for Dpmpp2m {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        Ok(sample.f_to_kind(tch::Kind::Float)?)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        _: Option<&Tensor>,
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
        // e^(−h) − 1, exactly −1 where the step ends without noise and h is infinite.
        let shrink = (-h).exp() - 1.0;
        // Weights of D0, D1 and D2 in Lu et al. (2022), equations 9 to 12.
        let d0 = -alpha_to * shrink;
        let weights = match order {
            1 => vec![d0],
            2 => {
                let d1 = match self.solver_type {
                    SolverType::Midpoint => -0.5 * alpha_to * shrink,
                    SolverType::Heun => alpha_to * (shrink / h + 1.0),
                };
                let r0 = (lambda - lambda_before(1)) / h;
                vec![d0 + d1 / r0, -d1 / r0]
            }
            _ => {
                let d1 = alpha_to * (shrink / h + 1.0);
                let d2 = -alpha_to * ((shrink + h) / (h * h) - 0.5);
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
        super::blend(sigma_to / sigma, &sample, 1.0, &change)
    }
}
