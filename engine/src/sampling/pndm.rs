//! PNDM (arXiv 2202.09778), as diffusers' `PNDMScheduler`.

use tch::Tensor;

use super::{
    NoiseLevel, NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig,
    TimestepSpacing, at, blend,
    ddim::{AlphaPair, alpha_pair},
    in_fp32,
    spacing::whole_timesteps,
    too_many_steps,
};
use crate::{EngineError, Result};

/// Calls of the Runge-Kutta start: four a step, three steps.
const RUNGE_KUTTA_CALLS: usize = 12;

/// What one call does with the outputs so far.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// Call 0 to 3 within a Runge-Kutta step.
    RungeKutta(usize),
    /// The multistep formula with as many outputs as there are.
    Multistep,
    /// The second evaluation of the first step, when there is no Runge-Kutta start.
    Again,
}

/// PNDM, with or without its Runge-Kutta start.
pub(super) struct Pndm {
    schedule: Schedule,
    stages: Vec<(Stage, AlphaPair)>,
    prediction_type: PredictionType,
    /// Outputs at whole steps, the latest last, at most four.
    outputs: Vec<Tensor>,
    /// Weighted sum of the outputs within a Runge-Kutta step.
    sum: Option<Tensor>,
    /// The sample that a step with several evaluations began from.
    start: Option<Tensor>,
}

impl Pndm {
    /// Without the first `skipped` steps; the rest is walked as if it were all.
    pub(super) fn new(config: &SchedulerConfig, steps: usize, skipped: usize) -> Result<Self> {
        if config.prediction_type == PredictionType::Sample {
            return Err(config.bad(
                "prediction_type",
                "is \"sample\", which PNDM cannot use; choose another sampler",
            ));
        }
        let noise = NoiseSchedule::never_rescaled(config)?;
        let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Leading);
        let mut whole = whole_timesteps(spacing, config, steps);
        whole.drain(..skipped.min(whole.len()));
        let distance = (config.num_train_timesteps / steps) as i64;
        // The Runge-Kutta start needs four steps; few that are left go without.
        let calls = if config.skip_prk_steps || (skipped > 0 && whole.len() < 4) {
            multistep_calls(&whole, distance)
        } else if steps < 4 {
            return Err(EngineError::request(
                "steps",
                "this model's scheduler_config.json starts PNDM with Runge-Kutta steps, \
                 which need at least 4 steps",
            ));
        } else {
            runge_kutta_calls(&whole, distance)
        };
        let level = |call: &Call| {
            let alphas = noise.alphas_cumprod();
            Some(f64::from(*alphas.get(usize::try_from(call.told).ok()?)?))
        };
        let levels = calls.iter().map(level).collect::<Option<Vec<_>>>();
        let levels = levels.ok_or_else(|| too_many_steps(steps, config, SamplerName::Pndm))?;
        let set_alpha_to_one = config.set_alpha_to_one.unwrap_or(false);
        let stages = calls
            .iter()
            .map(|call| {
                let pair = alpha_pair(&noise, set_alpha_to_one, call.from, call.to)?;
                Some((call.stage, pair))
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| too_many_steps(steps, config, SamplerName::Pndm))?;
        Ok(Self {
            schedule: Schedule {
                timesteps: calls.iter().map(|call| call.told as f64).collect(),
                sigmas: Vec::new(),
                init_noise_sigma: 1.0,
                levels: levels.into_iter().map(NoiseLevel::of_alpha).collect(),
            },
            stages,
            prediction_type: config.prediction_type,
            outputs: Vec::new(),
            sum: None,
            start: None,
        })
    }

    /// Keeps the last three outputs and adds this one.
    fn remember(&mut self, output: &Tensor) {
        let old = self.outputs.len().saturating_sub(3);
        self.outputs.drain(..old);
        self.outputs.push(output.shallow_clone());
    }

    /// The Adams-Bashforth combination of the remembered outputs, up to order 4.
    fn multistep(&self) -> Result<Tensor> {
        let weights: &[f64] = match self.outputs.len() {
            0 | 1 => &[1.0],
            2 => &[3.0 / 2.0, -1.0 / 2.0],
            3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
            _ => &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
        };
        weighted_sum(weights, self.outputs.iter().rev())
    }
}

/// `Σ weightᵢ · tensorᵢ` over as many as there are of both.
pub(super) fn weighted_sum<'a>(
    weights: &[f64],
    tensors: impl Iterator<Item = &'a Tensor>,
) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (&weight, tensor) in weights.iter().zip(tensors) {
        let term = tensor.f_mul_scalar(weight)?;
        sum = Some(match sum {
            Some(sum) => sum.f_add(&term)?,
            None => term,
        });
    }
    sum.ok_or_else(|| EngineError::request("step", "a multistep sampler was not begun at call 0"))
}

/// One model call: the timestep that the U-Net is told, and the step that follows.
struct Call {
    told: i64,
    stage: Stage,
    from: i64,
    to: i64,
}

/// Without the Runge-Kutta start: the second-largest timestep is evaluated twice.
fn multistep_calls(descending: &[i64], distance: i64) -> Vec<Call> {
    let mut told = descending.to_vec();
    if told.len() > 1 {
        told.insert(1, told[1]);
    }
    told.iter()
        .enumerate()
        .map(|(i, &t)| match i {
            1 => Call {
                told: t,
                stage: Stage::Again,
                from: t + distance,
                to: t,
            },
            _ => Call {
                told: t,
                stage: Stage::Multistep,
                from: t,
                to: t - distance,
            },
        })
        .collect()
}

/// With it: three steps of four evaluations each, then the multistep formula.
fn runge_kutta_calls(descending: &[i64], distance: i64) -> Vec<Call> {
    let half = distance / 2;
    // t₀, then t₁ + h/2 twice, t₁ twice, and so on: every step ends where the next begins.
    let mut told = vec![descending[0]];
    for &t in &descending[1..4] {
        told.extend([t + half, t + half, t, t]);
    }
    told.truncate(RUNGE_KUTTA_CALLS);
    let start = (0..RUNGE_KUTTA_CALLS).map(|i| Call {
        told: told[i],
        stage: Stage::RungeKutta(i % 4),
        from: told[i / 4 * 4],
        to: told[i] - if i % 2 == 0 { half } else { 0 },
    });
    let rest = descending[3..].iter().map(|&t| Call {
        told: t,
        stage: Stage::Multistep,
        from: t,
        to: t - distance,
    });
    start.chain(rest).collect()
}

impl Sampler for Pndm {
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
        let (stage, (from, to)) = at(&self.stages, i)?;
        let (output, sample) = in_fp32(model_output, sample)?;
        let (output, sample) = match stage {
            Stage::RungeKutta(0) => {
                self.outputs.push(output.shallow_clone());
                self.sum = Some(output.f_mul_scalar(1.0 / 6.0)?);
                self.start = Some(sample.shallow_clone());
                (output, sample)
            }
            Stage::RungeKutta(part) => {
                let weight = if part == 3 { 1.0 / 6.0 } else { 1.0 / 3.0 };
                let before = begun(self.sum.take())?;
                let sum = blend(1.0, &before, weight, &output)?;
                let start = begun(self.start.as_ref().map(Tensor::shallow_clone))?;
                if part == 3 {
                    (sum, start)
                } else {
                    self.sum = Some(sum);
                    (output, start)
                }
            }
            Stage::Multistep => {
                self.remember(&output);
                if i == 0 {
                    self.start = Some(sample.shallow_clone());
                }
                (self.multistep()?, sample)
            }
            Stage::Again => {
                let first = begun(self.outputs.last().map(Tensor::shallow_clone))?;
                (blend(0.5, &output, 0.5, &first)?, begun(self.start.take())?)
            }
        };
        let output =
            self.prediction_type
                .epsilon(&output, &sample, from.sqrt(), (1.0 - from).sqrt())?;
        // Liu et al. (2022), equation 9.
        let scale = (to / from).sqrt();
        let denominator = from * (1.0 - to).sqrt() + (from * (1.0 - from) * to).sqrt();
        blend(scale, &sample, -(to - from) / denominator, &output)
    }
}

fn begun(tensor: Option<Tensor>) -> Result<Tensor> {
    tensor.ok_or_else(|| EngineError::request("step", "PNDM was not begun at call 0"))
}
