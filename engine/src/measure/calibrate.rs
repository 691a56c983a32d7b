//! Finds how far a control can be trusted and how it responds there.
//!
//! Three sweeps: a wide one on a few rows looks for the ends of the reliable range, doubling or
//! halving its settings until it has them; a fine one over the range gives the response curve; and
//! one in calibrated units, on seeds that the curve has not seen, says how well it holds.

mod zeros;

use std::collections::BTreeMap;

use self::zeros::Zeros;
use super::reliable::{RangeEnd, ReliableRange, SoundnessLimits};
use super::{MeasuredPrompt, Meter, Sweep, SweepPlan, SweepStatistics, Workbench};
use crate::controls::{Calibration, ControlKind, ResponsePoint};
use crate::recipe::{ControlScale, ControlUse, Recipe};
use crate::{EngineError, Result};

/// Rows of the wide sweep at most.
const WIDE_ROWS: usize = 8;
/// Settings of the fine sweep on each side.
const FINE_STEPS: u32 = 5;
/// How often the wide sweep goes on.
const MOST_EXTENSIONS: usize = 6;
/// Calibrated units of the last sweep.
const CHECKED_UNITS: [f64; 9] = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0];

/// What is to be calibrated, and on what.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationPlan {
    /// Everything of a recipe but prompt and seed.
    pub base: Recipe,
    /// The control; its value and scale do not count.
    pub control: ControlUse,
    /// How it works.
    pub kind: ControlKind,
    /// The attribute that it moves.
    pub attribute: String,
    /// Prompts that leave the attribute open.
    pub prompts: Vec<MeasuredPrompt>,
    /// Seeds of the first two sweeps.
    pub seeds: Vec<u64>,
    /// Seeds of the last one; none of the others.
    pub fresh_seeds: Vec<u64>,
    /// What a picture may lose.
    pub limits: SoundnessLimits,
}

/// A control that was calibrated.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// For the control's file.
    pub calibration: Calibration,
    /// The reliable range and why it ends where it does.
    pub range: ReliableRange,
    /// The fine sweep, over raw settings.
    pub fine: Sweep,
    /// The last sweep, over calibrated units.
    pub check: Sweep,
}

/// Raw settings that make sense for a kind of control.
struct Scope {
    neutral: f64,
    /// The first settings tried, as distances from the neutral one.
    first: [f64; 3],
    /// The farthest distances on both sides, and the nearest worth trying.
    farthest: [f64; 2],
    nearest: f64,
}

impl Scope {
    fn of(kind: ControlKind) -> Self {
        match kind {
            ControlKind::Guidance => Self {
                neutral: 0.5,
                first: [0.15, 0.3, 0.5],
                farthest: [0.5, 0.5],
                nearest: 0.1,
            },
            kind if kind.takes_values() => Self {
                neutral: 0.5,
                first: [0.2, 0.4, 0.6],
                farthest: [1.5, 1.5],
                nearest: 0.05,
            },
            _ => Self {
                neutral: 0.0,
                first: [0.5, 1.0, 2.0],
                farthest: [64.0, 64.0],
                nearest: 0.02,
            },
        }
    }
}

impl CalibrationPlan {
    /// About how many pictures it takes; the wide sweep may need more.
    pub fn pictures(&self) -> usize {
        let rows = |seeds: usize| self.prompts.len() * seeds;
        let wide = WIDE_ROWS.min(rows(self.seeds.len())) * 7;
        let fine = rows(self.seeds.len()) * (2 * FINE_STEPS as usize + 1);
        let check = rows(self.fresh_seeds.len()) * CHECKED_UNITS.len();
        wide + fine + check
    }

    /// Calibrates.
    ///
    /// # Errors
    /// The meter does not read the attribute of a prompt's subject, the control moves nothing
    /// reliably, `bench` fails, or memory runs out.
    pub fn run(&self, meter: &dyn Meter, bench: &mut dyn Workbench) -> Result<Calibrated> {
        let mut zeros = Zeros::default();
        let scope = Scope::of(self.kind);
        bench.tell("looking for the ends of the reliable range".to_owned());
        let wide = self.wide(&scope, meter, bench, &mut zeros)?;
        let limits = self.limits(meter, &zeros)?;
        let rough = self.range_of(&wide, &scope, &limits)?;
        bench.tell(format!(
            "measuring the response from raw {:.3} to {:.3}",
            rough.low.0, rough.high.0
        ));
        let settings = fine_settings(scope.neutral, rough.low.0, rough.high.0);
        let fine_plan = self.plan(ControlScale::Raw, &settings, &self.seeds)?;
        let fine = zeros.run(&fine_plan, meter, bench)?;
        let limits = self.limits(meter, &zeros)?;
        let mut range = self.range_of(&fine, &scope, &limits)?;
        // The fine sweep goes no further than the wide one found sound.
        for (end, rough) in [(&mut range.low, rough.low), (&mut range.high, rough.high)] {
            if end.1 == RangeEnd::EndOfSweep {
                end.1 = rough.1;
            }
        }
        let mut calibration = self.calibration(&fine, &range, &scope, meter);
        bench.tell("checking the calibrated scale on fresh seeds".to_owned());
        let check = self.check(&calibration, meter, bench, &mut zeros)?;
        let s = &check.statistics;
        calibration.spearman = s.spearman_within_rows;
        calibration.r_squared = s.r_squared;
        calibration.spread = s.mean_std;
        calibration.side_effects.clone_from(&s.side_effects);
        calibration.other_subject = s.other_subject;
        Ok(Calibrated {
            calibration,
            range,
            fine,
            check,
        })
    }

    fn plan(&self, scale: ControlScale, settings: &[f64], seeds: &[u64]) -> Result<SweepPlan> {
        let control = ControlUse {
            scale,
            ..self.control.clone()
        };
        SweepPlan::of_control(
            &self.base,
            &control,
            self.kind.takes_values(),
            &self.attribute,
            settings,
            self.prompts.clone(),
            seeds.to_vec(),
        )
    }

    /// A sweep over raw settings on a few rows that reaches past both ends of the range.
    fn wide(
        &self,
        scope: &Scope,
        meter: &dyn Meter,
        bench: &mut dyn Workbench,
        zeros: &mut Zeros,
    ) -> Result<Sweep> {
        let neutral = scope.neutral;
        let within = |distance: f64, side: usize| distance.min(scope.farthest[side]);
        let mut settings = vec![neutral];
        for distance in scope.first {
            settings.push(neutral - within(distance, 0));
            settings.push(neutral + within(distance, 1));
        }
        // How far apart two seeds are says what is too far; the fine sweep needs these pictures too.
        let first = self.plan(ControlScale::Raw, &settings, &self.seeds)?;
        first.targets(meter)?;
        let seeds = self.seeds.len();
        let two_seeds = first.rows.iter().enumerate().filter(|(i, _)| i % seeds < 2);
        for (_, row) in two_seeds.take(WIDE_ROWS) {
            zeros.make(&row.zero, bench)?;
        }
        let mut sweep: Option<Sweep> = None;
        for _ in 0..=MOST_EXTENSIONS {
            let mut plan = self.plan(ControlScale::Raw, &settings, &self.seeds)?;
            plan.rows = spread_out(plan.rows.len())
                .map(|at| plan.rows[at].clone())
                .collect();
            let more = zeros.run(&plan, meter, bench)?;
            let so_far = match sweep.take() {
                None => more,
                Some(before) => merged(&before, &more),
            };
            let limits = self.limits(meter, zeros)?;
            settings = ReliableRange::of(&so_far, neutral, &limits)
                .map_or_else(Vec::new, |range| next_settings(&range, &so_far, scope));
            sweep = Some(so_far);
            if settings.is_empty() {
                break;
            }
        }
        sweep.ok_or_else(|| EngineError::request("values", "there are none to sweep over"))
    }

    /// The limits, with the distance between seeds where it is known and not given.
    fn limits(&self, meter: &dyn Meter, zeros: &Zeros) -> Result<SoundnessLimits> {
        let distance = match self.limits.distance {
            Some(distance) => Some(distance),
            None => zeros.distance_between_seeds(meter)?,
        };
        Ok(SoundnessLimits {
            distance,
            ..self.limits
        })
    }

    fn range_of(
        &self,
        sweep: &Sweep,
        scope: &Scope,
        limits: &SoundnessLimits,
    ) -> Result<ReliableRange> {
        let range = ReliableRange::of(sweep, scope.neutral, limits);
        let settings = sweep.settings.first().zip(sweep.settings.last());
        let (first, last) = settings.unwrap_or((&0.0, &0.0));
        range.filter(ReliableRange::does_anything).ok_or_else(|| {
            EngineError::request(
                format!("control \"{}\"", self.control.name),
                format!(
                    "from raw {first} to {last} it does not move {} reliably in this model's \
                     pictures, so there is nothing to calibrate; train it longer, or measure it \
                     on other prompts with --prompts",
                    self.attribute
                ),
            )
        })
    }

    /// The calibration by the fine sweep; what only the check can say is left at nothing.
    fn calibration(
        &self,
        fine: &Sweep,
        range: &ReliableRange,
        scope: &Scope,
        meter: &dyn Meter,
    ) -> Calibration {
        let (low, high) = (range.low.0, range.high.0);
        let response: Vec<ResponsePoint> = fine.statistics.response.clone();
        Calibration {
            model_hash: fine.model_hash.clone(),
            meter: meter.name(),
            raw_low: if range.rising { low } else { high },
            raw_high: if range.rising { high } else { low },
            neutral_raw: scope.neutral,
            response: response
                .into_iter()
                .filter(|p| (low..=high).contains(&p.raw))
                .collect(),
            spearman: 0.0,
            r_squared: 0.0,
            spread: 0.0,
            side_effects: BTreeMap::new(),
            other_subject: None,
            prompts: self.prompts.len(),
            seeds: self.seeds.len(),
        }
    }

    /// A sweep over calibrated units on fresh seeds.
    fn check(
        &self,
        calibration: &Calibration,
        meter: &dyn Meter,
        bench: &mut dyn Workbench,
        zeros: &mut Zeros,
    ) -> Result<Sweep> {
        let neutral = calibration.neutral_raw;
        let has = |unit: f64| {
            let end = if unit < 0.0 {
                calibration.raw_low
            } else {
                calibration.raw_high
            };
            // Leaving a value unset is not the middle of its scale.
            unit == 0.0 && !self.kind.takes_values() || unit != 0.0 && (end - neutral).abs() > 0.0
        };
        let units: Vec<f64> = CHECKED_UNITS.into_iter().filter(|&u| has(u)).collect();
        let mut plan = self.plan(ControlScale::Calibrated, &units, &self.fresh_seeds)?;
        // The control's file does not know its calibration yet.
        for row in &mut plan.rows {
            for (recipe, &unit) in row.recipes.iter_mut().zip(&plan.settings) {
                if let Some(control) = recipe.controls.last_mut().filter(|_| unit != 0.0) {
                    control.scale = ControlScale::Raw;
                    control.value = calibration.raw_of_unit(unit);
                }
            }
        }
        zeros.run(&plan, meter, bench)
    }
}

/// Settings of the fine sweep: the neutral one and equal steps to both ends.
fn fine_settings(neutral: f64, low: f64, high: f64) -> Vec<f64> {
    let mut settings = vec![neutral];
    for end in [low, high] {
        if (end - neutral).abs() > 0.0 {
            let part = |i: u32| f64::from(i) / f64::from(FINE_STEPS);
            settings.extend((1..=FINE_STEPS).map(|i| neutral + part(i) * (end - neutral)));
        }
    }
    settings
}

/// What the wide sweep must try next: twice as far where its end was not reached, half as far
/// where even the nearest setting was too much.
fn next_settings(range: &ReliableRange, sweep: &Sweep, scope: &Scope) -> Vec<f64> {
    let neutral = scope.neutral;
    let mut next = Vec::new();
    for (side, (end, why)) in [&range.low, &range.high].into_iter().enumerate() {
        let sign = if side == 0 { -1.0 } else { 1.0 };
        let distances = sweep.settings.iter().map(|s| sign * (s - neutral));
        let tried: Vec<f64> = distances.filter(|d| *d > 0.0).collect();
        let nearest = tried.iter().copied().fold(f64::INFINITY, f64::min);
        let farthest = tried.iter().copied().fold(0.0, f64::max);
        let reached = sign * (end - neutral);
        if *why == RangeEnd::EndOfSweep && farthest < scope.farthest[side] {
            next.push(neutral + sign * (2.0 * farthest).min(scope.farthest[side]));
        } else if *why != RangeEnd::EndOfSweep && *why != RangeEnd::Saturates {
            // A setting in the gap between the last good one and the first bad one, or nearer
            // to the neutral one than any so far.
            let bad = tried
                .iter()
                .copied()
                .filter(|d| *d > reached)
                .fold(f64::INFINITY, f64::min);
            let middle = f64::midpoint(reached.max(0.0), bad.min(farthest));
            let quiet = *why == RangeEnd::NoEffect && farthest < scope.farthest[side];
            if reached > 0.0 && bad - reached > 0.3 * bad {
                next.push(neutral + sign * middle);
            } else if quiet {
                // Nothing yet: it may only need more.
                next.push(neutral + sign * (2.0 * farthest).min(scope.farthest[side]));
            } else if reached <= 0.0 && nearest / 2.0 >= scope.nearest {
                next.push(neutral + sign * nearest / 2.0);
            }
        }
    }
    next
}

/// Indices of at most [`WIDE_ROWS`] of `rows` rows, evenly spread over them.
fn spread_out(rows: usize) -> impl Iterator<Item = usize> {
    let count = rows.min(WIDE_ROWS);
    (0..count).map(move |i| i * rows / count.max(1))
}

/// Two sweeps over the same rows as one; where both have a setting, the second counts.
fn merged(first: &Sweep, second: &Sweep) -> Sweep {
    let mut settings: Vec<f64> = first
        .settings
        .iter()
        .chain(&second.settings)
        .copied()
        .collect();
    settings.sort_by(f64::total_cmp);
    settings.dedup();
    let mut readings = Vec::new();
    for ((zero, old), (_, new)) in first.rows().zip(second.rows()) {
        readings.push(zero.clone());
        for setting in &settings {
            let mut both = new.iter().chain(old);
            let found = both.find(|r| r.setting == Some(*setting));
            readings.extend(found.cloned());
        }
    }
    let mut sweep = Sweep {
        settings,
        readings,
        ..first.clone()
    };
    sweep.statistics = SweepStatistics::of(&sweep);
    sweep
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests;
