//! Where the sampling steps lie among the training timesteps, and their sigmas.
//!
//! The formulas are those of numpy as diffusers calls it, roundings included.

use super::{
    Convention, FinalSigmas, NoiseLevel, NoiseSchedule, SamplerName, Schedule, SchedulerConfig,
    SigmaCurve, TimestepSpacing, config::Family, too_many_steps,
};
use crate::Result;

/// Descending timesteps, whole except for linspace (numpy rounds those to fp32).
pub(super) fn timesteps(
    spacing: TimestepSpacing,
    config: &SchedulerConfig,
    steps: usize,
) -> Vec<f64> {
    let total = config.num_train_timesteps;
    match spacing {
        TimestepSpacing::Leading => {
            let ratio = total / steps;
            (0..steps)
                .rev()
                .map(|i| (i * ratio + config.steps_offset) as f64)
                .collect()
        }
        TimestepSpacing::Trailing => trailing(total, total as f64 / steps as f64, steps),
        TimestepSpacing::Linspace => linspace(0.0, (total - 1) as f64, steps)
            .into_iter()
            .rev()
            .map(|t| f64::from(t as f32))
            .collect(),
        TimestepSpacing::SgmUniform => linspace((total - 1) as f64, 0.0, steps + 1)
            .into_iter()
            .take(steps)
            .collect(),
    }
}

/// The same as whole numbers: numpy rounds halves to even.
pub(super) fn whole_timesteps(
    spacing: TimestepSpacing,
    config: &SchedulerConfig,
    steps: usize,
) -> Vec<i64> {
    match spacing {
        TimestepSpacing::Linspace => linspace(0.0, (config.num_train_timesteps - 1) as f64, steps)
            .into_iter()
            .rev()
            .map(|t| t.round_ties_even() as i64)
            .collect(),
        _ => timesteps(spacing, config, steps)
            .into_iter()
            .map(|t| t.round_ties_even() as i64)
            .collect(),
    }
}

/// From `from` downward in steps of `distance`, rounded, minus one.
///
/// At some counts, 61 of 1000 among them, rounding makes numpy's `arange` one value longer, which
/// sends diffusers to timestep −1 at the end; we take the `steps` that were asked for.
pub(super) fn trailing(from: usize, distance: f64, steps: usize) -> Vec<f64> {
    let start = from as f64;
    // numpy's arange takes its distance from the rounded second value.
    let delta = (start - distance) - start;
    let count = ((start / distance).ceil() as usize).min(steps);
    (0..count)
        .map(|i| (start + i as f64 * delta).round_ties_even() - 1.0)
        .collect()
}

/// numpy's `linspace`: `count` values, both ends included (only the first when `count` is 1).
pub(super) fn linspace(start: f64, stop: f64, count: usize) -> Vec<f64> {
    let step = (stop - start) / (count.max(2) - 1) as f64;
    (0..count)
        .map(|i| {
            if i > 0 && i == count - 1 {
                stop
            } else {
                i as f64 * step + start
            }
        })
        .collect()
}

/// `values` at the fractional index `x`, linearly, held at both ends (numpy's `interp`).
pub(super) fn interpolate(values: &[f32], x: f64) -> f64 {
    let last = values.len() - 1;
    if x >= last as f64 {
        return f64::from(values[last]);
    }
    let low = x.max(0.0).floor();
    let (from, to) = (
        f64::from(values[low as usize]),
        f64::from(values[low as usize + 1]),
    );
    (to - from) * (x.max(0.0) - low) + from
}

/// The fractional timestep of `sigma`, linearly in log sigma, held at both ends.
pub(super) fn timestep_of_sigma(sigma: f64, log_sigmas: &[f32]) -> f64 {
    let log_sigma = sigma.max(1e-10).ln();
    let above = log_sigmas.partition_point(|&log| f64::from(log) <= log_sigma);
    let low = above.saturating_sub(1).min(log_sigmas.len() - 2);
    let (from, to) = (log_sigmas[low], log_sigmas[low + 1]);
    let weight = ((f64::from(from) - log_sigma) / f64::from(from - to)).clamp(0.0, 1.0);
    (1.0 - weight) * low as f64 + weight * (low + 1) as f64
}

impl SigmaCurve {
    /// `count` sigmas from `max` to `min`.
    pub(super) fn sigmas(self, max: f64, min: f64, count: usize) -> Vec<f64> {
        const RHO: f64 = 7.0;
        match self {
            Self::Karras => {
                let (max_root, min_root) = (max.powf(1.0 / RHO), min.powf(1.0 / RHO));
                linspace(0.0, 1.0, count)
                    .into_iter()
                    .map(|ramp| (max_root + ramp * (min_root - max_root)).powf(RHO))
                    .collect()
            }
            Self::Exponential => linspace(max.ln(), min.ln(), count)
                .into_iter()
                .map(f64::exp)
                .collect(),
        }
    }
}

/// Logarithms as numpy takes them of fp32 sigmas.
pub(super) fn log_sigmas(sigmas: &[f32]) -> Vec<f32> {
    sigmas.iter().map(|sigma| sigma.ln()).collect()
}

/// The sigma that the last step goes to.
pub(super) fn final_sigma(config: &SchedulerConfig, sigmas: &[f32]) -> f64 {
    match config.final_sigmas_type {
        FinalSigmas::Zero => 0.0,
        FinalSigmas::SigmaMin => f64::from(sigmas[0]),
    }
}

/// The schedule of `steps` steps of a sampler of k-diffusion's kind; linspace where the configuration
/// names no spacing.
///
/// diffusers' classes differ: Euler a has no curves of sigmas, LMS and DPM++ SDE do not let the
/// configuration bound Karras sigmas, KDPM2 and KDPM2 a round their timesteps, and only Euler looks
/// at `final_sigmas_type`.
///
/// # Errors
/// The configuration asks for sigmas that are not supported, or two steps share one sigma.
pub(super) fn sigma_schedule(
    name: SamplerName,
    noise: &NoiseSchedule,
    config: &SchedulerConfig,
    steps: usize,
) -> Result<Schedule> {
    let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Linspace);
    let table = noise.sigmas();
    let logs = log_sigmas(&table);
    let is_k = config.convention == Convention::KDiffusion;
    // Other programs walk these two with one step more and leave out the last sigma above 0.
    let is_second = matches!(name, SamplerName::Kdpm2 | SamplerName::Kdpm2A);
    let discards = usize::from(is_k && is_second);
    let count = steps + discards;
    let mut timesteps = timesteps(spacing, config, count);
    let at = |&t: &f64| {
        if is_k {
            interpolate(&logs, t).exp()
        } else {
            interpolate(&table, t)
        }
    };
    let mut sigmas: Vec<f64> = timesteps.iter().map(at).collect();
    if name != SamplerName::EulerA {
        config.check(&[Family::Sigmas])?;
    }
    let heeds_curve = name != SamplerName::EulerA || config.curve_is_asked;
    if let Some(curve) = config.curve()?.filter(|_| heeds_curve) {
        let trained = (f64::from(table[table.len() - 1]), f64::from(table[0]));
        let unbound =
            matches!(name, SamplerName::Lms | SamplerName::DpmppSde) && curve == SigmaCurve::Karras;
        let (max, min) = if is_k {
            trained
        } else if unbound {
            (sigmas[0], sigmas[count - 1])
        } else {
            (
                config.sigma_max.unwrap_or(sigmas[0]),
                config.sigma_min.unwrap_or(sigmas[count - 1]),
            )
        };
        sigmas = curve.sigmas(max, min, count);
        let rounds = is_second && curve == SigmaCurve::Karras && !is_k;
        timesteps = sigmas
            .iter()
            .map(|&sigma| timestep_of_sigma(sigma, &logs))
            .map(|t| if rounds { t.round_ties_even() } else { t })
            .collect();
    }
    timesteps.truncate(steps);
    sigmas.truncate(steps);
    sigmas.push(match name {
        SamplerName::Euler if !is_k => final_sigma(config, &table),
        _ => 0.0,
    });
    finish(name, config, spacing, timesteps, sigmas)
}

/// Rounds to fp32 as diffusers stores the tables, and adds the initial scale.
///
/// # Errors
/// Two steps share one sigma.
pub(super) fn finish(
    name: SamplerName,
    config: &SchedulerConfig,
    spacing: TimestepSpacing,
    timesteps: Vec<f64>,
    sigmas: Vec<f64>,
) -> Result<Schedule> {
    let in_fp32 = |values: Vec<f64>| values.into_iter().map(|v| f64::from(v as f32)).collect();
    let sigmas: Vec<f64> = in_fp32(sigmas);
    refuse_repeated_sigmas(name, config, &sigmas)?;
    let largest = sigmas[0];
    let adds_signal =
        spacing == TimestepSpacing::Leading && config.convention == Convention::Diffusers;
    Ok(Schedule {
        timesteps: in_fp32(timesteps),
        init_noise_sigma: if adds_signal {
            (largest * largest + 1.0).sqrt()
        } else {
            largest
        },
        levels: levels_of(&sigmas),
        sigmas,
    })
}

/// The levels before each call of a sampler that works on sigmas: all but the last.
pub(super) fn levels_of(sigmas: &[f64]) -> Vec<NoiseLevel> {
    let before = &sigmas[..sigmas.len().saturating_sub(1)];
    before.iter().map(|&s| NoiseLevel::of_sigma(s)).collect()
}

/// Two equal sigmas make a step of length 0, which the multistep formulas divide by; only the last
/// step may stand still, as it does on Karras sigmas with `final_sigmas_type` `sigma_min`.
pub(super) fn refuse_repeated_sigmas(
    name: SamplerName,
    config: &SchedulerConfig,
    sigmas: &[f64],
) -> Result<()> {
    let calls = sigmas.len() - 1;
    if sigmas[..calls].windows(2).all(|pair| pair[0] > pair[1]) {
        Ok(())
    } else {
        Err(too_many_steps(calls, config, name))
    }
}
