//! Timesteps and sigmas of the samplers that keep the variance: DPM-Solver++ and UniPC.

use super::{
    BetaSchedule, Convention, FinalSigmas, NoiseLevel, NoiseSchedule, SamplerName, Schedule,
    SchedulerConfig, SigmaCurve, TimestepSpacing,
    spacing::{
        final_sigma, interpolate, linspace, log_sigmas, refuse_repeated_sigmas, sigma_schedule,
        timestep_of_sigma, trailing,
    },
    too_many_steps,
};
use crate::Result;

/// The schedule of `steps` steps of the sampler `name`.
///
/// diffusers' classes differ: UniPC knows no `lambda_min_clipped`, always rounds the timesteps of
/// Karras sigmas, and ends a curve of sigmas on the curve's own smallest.
///
/// # Errors
/// There are more steps than timesteps for them, or two steps share one sigma.
pub(super) fn vp_schedule(
    name: SamplerName,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Schedule> {
    let noise = NoiseSchedule::new(config)?;
    let (timesteps, sigmas) = if config.convention == Convention::KDiffusion {
        let whole = sigma_schedule(name, &noise, config, steps)?;
        (whole.timesteps, whole.sigmas)
    } else {
        let table = noise.sigmas();
        let (timesteps, mut sigmas) = if let Some(curve) = config.curve()? {
            curve_steps(curve, name, config, &table, steps)
        } else {
            let timesteps = spaced_timesteps(name, config, &table, steps)
                .ok_or_else(|| too_many_steps(steps, config, name))?;
            let sigmas = timesteps.iter().map(|&t| interpolate(&table, t)).collect();
            (timesteps, sigmas)
        };
        let ends_on_curve = name == SamplerName::UniPc
            && config.final_sigmas_type == FinalSigmas::SigmaMin
            && config.curve()?.is_some();
        let last = sigmas.last().copied().filter(|_| ends_on_curve);
        sigmas.push(last.unwrap_or_else(|| final_sigma(config, &table)));
        for sigma in &mut sigmas {
            *sigma = f64::from(*sigma as f32);
        }
        (timesteps, sigmas)
    };
    refuse_repeated_sigmas(name, config, &sigmas)?;
    let levels: Vec<NoiseLevel> = sigmas[..sigmas.len() - 1]
        .iter()
        .map(|&sigma| {
            let (signal, noise, _) = alpha_sigma_lambda(sigma);
            NoiseLevel { signal, noise }
        })
        .collect();
    Ok(Schedule {
        timesteps,
        init_noise_sigma: match config.convention {
            Convention::Diffusers => 1.0,
            // k-diffusion begins with noise of the first sigma alone, scaled as the sample is.
            Convention::KDiffusion => levels[0].noise,
        },
        levels,
        sigmas,
    })
}

/// Whole timesteps: one more than asked for, the smallest dropped (except for trailing spacing).
fn spaced_timesteps(
    name: SamplerName,
    config: &SchedulerConfig,
    table: &[f32],
    steps: usize,
) -> Option<Vec<f64>> {
    // Lu et al. (2022) clip the noisiest timesteps of cosine schedules away.
    let clips = name != SamplerName::UniPc;
    let clipped = log_sigmas(table)
        .iter()
        .filter(|&&log| clips && -f64::from(log) < config.lambda_min_clipped)
        .count();
    let total = table.len() - clipped;
    let timesteps: Vec<f64> = match config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace) {
        TimestepSpacing::Linspace | TimestepSpacing::SgmUniform => {
            linspace(0.0, total as f64 - 1.0, steps + 1)
                .into_iter()
                .map(f64::round_ties_even)
                .skip(1)
                .rev()
                .collect()
        }
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

/// Sigmas on a curve between the schedule's own smallest and largest, and their whole timesteps.
fn curve_steps(
    curve: SigmaCurve,
    name: SamplerName,
    config: &SchedulerConfig,
    table: &[f32],
    steps: usize,
) -> (Vec<f64>, Vec<f64>) {
    let max = config
        .sigma_max
        .unwrap_or(f64::from(table[table.len() - 1]));
    let min = config.sigma_min.unwrap_or(f64::from(table[0]));
    let sigmas = curve.sigmas(max, min, steps);
    let logs = log_sigmas(table);
    let is_cosine = config.beta_schedule == Some(BetaSchedule::SquaredcosCapV2);
    let rounds = curve == SigmaCurve::Karras && (name == SamplerName::UniPc || !is_cosine);
    let timesteps = sigmas
        .iter()
        .map(|&sigma| timestep_of_sigma(sigma, &logs))
        .map(|t| {
            if rounds {
                t.round_ties_even()
            } else {
                t.trunc()
            }
        })
        .collect();
    (timesteps, sigmas)
}

/// α, σ and log(α/σ) of the variance-preserving sample at this sigma.
pub(super) fn alpha_sigma_lambda(sigma: f64) -> (f64, f64, f64) {
    let alpha = 1.0 / (sigma * sigma + 1.0).sqrt();
    (alpha, sigma * alpha, -sigma.ln())
}
