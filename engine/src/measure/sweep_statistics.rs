//! What a sweep comes to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::statistics::{
    Anchors, mean, mean_mae, pairs_in_order, r_squared, spearman, spread, std_dev,
};
use super::{Sweep, SweepReading};
use crate::controls::ResponsePoint;

/// Where the target moves less than this, nothing is said as a part of its change.
const LEAST_CHANGE: f64 = 0.02;

/// Figures over all readings of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SweepStatistics {
    /// Mean and standard deviation of the target's reading at each setting; `raw` is the setting,
    /// whatever its scale.
    pub response: Vec<ResponsePoint>,
    /// Spearman's rank correlation of setting and reading over all pictures, -1..1.
    pub spearman: f64,
    /// The mean of the rows' own rank correlations: does the reading rise with the setting for a
    /// given prompt and seed?
    pub spearman_within_rows: f64,
    /// R² of a straight line through the mean readings, 0..1.
    pub r_squared: f64,
    /// Mean reading at the last setting minus that at the first.
    pub range: f64,
    /// `range` in standard deviations over the seeds of a prompt without the control.
    pub range_in_seed_stds: Option<f64>,
    /// Mean-MAE between the sweep's own ends, as a part of `range`; absent where nothing moves.
    pub mean_mae_own_ends: Option<f64>,
    /// Mean-MAE between fixed readings: the first and last setting where settings are readings
    /// that are asked for, else 0 and 1.
    pub mean_mae_absolute: f64,
    /// AvgDiff: mean distance, without sign, of each picture's reading from the one asked for.
    pub mean_difference_from_asked: Option<f64>,
    /// Mean-STD: mean over the settings of the standard deviation over prompts and seeds.
    pub mean_std: f64,
    /// The part of it between the prompts' means.
    pub mean_std_between_prompts: f64,
    /// The part of it between the seeds of a prompt.
    pub mean_std_between_seeds: f64,
    /// The part, 0..1, of neighbouring settings whose readings are in order, ties counted half.
    pub pairs_in_order: f64,
    /// By other attribute: mean change, without sign, from the first setting to the last.
    pub side_effects: BTreeMap<String, f64>,
    /// Change of the target without sign, divided by the mean of `side_effects` (disentanglement).
    pub target_over_side_effects: Option<f64>,
    /// Mean change of the same attribute on the other subject from the first setting to the last,
    /// as a part of the target's there; negative where it goes the other way.
    pub other_subject: Option<f64>,
    /// By setting, how many of the subjects that read as themselves without the control still do.
    pub kinds_kept: Option<Vec<f64>>,
    /// By setting, mean SSIM with the picture without the control.
    pub ssim: Vec<f64>,
    /// The same within the subjects' regions.
    pub ssim_inside: Option<Vec<f64>>,
    /// The same outside them.
    pub ssim_outside: Option<Vec<f64>>,
    /// By setting, mean perceptual distance from the picture without the control.
    pub distance: Option<Vec<f64>>,
}

impl SweepStatistics {
    /// The figures of `sweep`, whatever it carries so far.
    pub fn of(sweep: &Sweep) -> Self {
        let settings = &sweep.settings;
        let rows: Vec<(&SweepReading, &[SweepReading])> = sweep.rows().collect();
        let row = |readings: &[SweepReading]| -> Vec<(f64, f64)> {
            let targets = readings.iter().map(|r| r.target);
            settings.iter().copied().zip(targets).collect()
        };
        let all: Vec<(f64, f64)> = rows.iter().flat_map(|(_, r)| row(r)).collect();
        let at = |i: usize| -> Vec<f64> { rows.iter().map(|(_, r)| r[i].target).collect() };
        let response: Vec<ResponsePoint> = settings
            .iter()
            .enumerate()
            .map(|(i, &raw)| ResponsePoint {
                raw,
                mean: mean(&at(i)),
                std: std_dev(&at(i)),
            })
            .collect();
        let curve: Vec<(f64, f64)> = response.iter().map(|p| (p.raw, p.mean)).collect();
        let first_and_last = curve.first().copied().zip(curve.last().copied());
        let range = first_and_last.map_or(0.0, |(first, last)| last.1 - first.1);
        let anchors = match first_and_last {
            Some((first, last)) if sweep.about.asks_readings => Anchors::Absolute(first.0, last.0),
            _ => Anchors::Absolute(0.0, 1.0),
        };
        let seeds = sweep.seeds.len().max(1);
        let spreads: Vec<_> = (0..settings.len())
            .map(|i| {
                let by_prompt: Vec<Vec<f64>> = at(i).chunks(seeds).map(<[f64]>::to_vec).collect();
                spread(&by_prompt)
            })
            .collect();
        let over = |f: fn(&super::statistics::Spread) -> f64| {
            mean(&spreads.iter().map(f).collect::<Vec<f64>>())
        };
        let zero: Vec<f64> = rows.iter().map(|(zero, _)| zero.target).collect();
        let zero: Vec<Vec<f64>> = zero.chunks(seeds).map(<[f64]>::to_vec).collect();
        let natural = spread(&zero).between_seeds;
        let side_effects = side_effects(&rows);
        let effects: Vec<f64> = side_effects.values().copied().collect();
        let per_row = |f: &dyn Fn(&[SweepReading]) -> f64| {
            mean(&rows.iter().map(|(_, r)| f(r)).collect::<Vec<f64>>())
        };
        let asked: Vec<f64> = all
            .iter()
            .map(|(asked, read)| (asked - read).abs())
            .collect();
        Self {
            spearman: spearman(&all),
            spearman_within_rows: per_row(&|r| spearman(&row(r))),
            r_squared: r_squared(&curve),
            range,
            range_in_seed_stds: (natural > 0.0).then(|| range / natural),
            mean_mae_own_ends: (range != 0.0)
                .then(|| mean_mae(&curve, Anchors::OwnEnds) / range.abs()),
            mean_mae_absolute: mean_mae(&curve, anchors),
            mean_difference_from_asked: sweep.about.asks_readings.then(|| mean(&asked)),
            mean_std: over(|s| s.total),
            mean_std_between_prompts: over(|s| s.between_prompts),
            mean_std_between_seeds: over(|s| s.between_seeds),
            pairs_in_order: per_row(&|r| {
                pairs_in_order(&r.iter().map(|r| r.target).collect::<Vec<f64>>())
            }),
            target_over_side_effects: (mean(&effects) > 0.0).then(|| range.abs() / mean(&effects)),
            side_effects,
            other_subject: other_subject(&rows),
            kinds_kept: kinds_kept(&rows, settings.len()),
            ssim: by_setting(&rows, settings.len(), |r| Some(r.ssim)).unwrap_or_default(),
            ssim_inside: by_setting(&rows, settings.len(), |r| r.ssim_inside),
            ssim_outside: by_setting(&rows, settings.len(), |r| r.ssim_outside),
            distance: by_setting(&rows, settings.len(), |r| r.distance),
            response,
        }
    }

    /// The figures as a person reads them: what, and how much.
    pub fn lines(&self) -> Vec<(String, String)> {
        let mut lines: Vec<(String, String)> = Vec::new();
        let mut add = |what: &str, how_much: String| lines.push((what.to_owned(), how_much));
        add("Spearman", format!("{:.3}", self.spearman));
        add(
            "Spearman within rows",
            format!("{:.3}", self.spearman_within_rows),
        );
        add("R² of a straight line", format!("{:.3}", self.r_squared));
        add("Range", format!("{:+.3}", self.range));
        if let Some(stds) = self.range_in_seed_stds {
            add("Range in seeds' deviations", format!("{stds:+.2}"));
        }
        if let Some(mae) = self.mean_mae_own_ends {
            add("Mean-MAE / range", format!("{mae:.3}"));
        }
        add(
            "Mean-MAE, absolute",
            format!("{:.3}", self.mean_mae_absolute),
        );
        if let Some(difference) = self.mean_difference_from_asked {
            add("AvgDiff from asked", format!("{difference:.3}"));
        }
        add("Mean-STD", format!("{:.3}", self.mean_std));
        add(
            "  between prompts, seeds",
            format!(
                "{:.3}, {:.3}",
                self.mean_std_between_prompts, self.mean_std_between_seeds
            ),
        );
        add("Pairs in order", format!("{:.3}", self.pairs_in_order));
        if let Some((name, effect)) = self.largest_side_effect() {
            add("Largest side effect", format!("{effect:.3} {name}"));
        }
        if let Some(ratio) = self.target_over_side_effects {
            add("Target / side effects", format!("{ratio:.2}"));
        }
        if let Some(other) = self.other_subject {
            add("Other subject / target", format!("{other:+.2}"));
        }
        for (what, values) in [
            ("SSIM inside, at the ends", &self.ssim_inside),
            ("SSIM outside, at the ends", &self.ssim_outside),
            ("Distance, at the ends", &self.distance),
            ("Kinds kept, at the ends", &self.kinds_kept),
        ] {
            let ends = values.as_ref().and_then(|v| v.first().zip(v.last()));
            if let Some((first, last)) = ends {
                add(what, format!("{first:.3}, {last:.3}"));
            }
        }
        lines
    }

    /// The other attribute that moves most from the first setting to the last, and how far.
    pub fn largest_side_effect(&self) -> Option<(&str, f64)> {
        let effects = self.side_effects.iter();
        let largest = effects.max_by(|a, b| a.1.total_cmp(b.1));
        largest.map(|(name, effect)| (name.as_str(), *effect))
    }
}

/// Mean change, without sign, of every other attribute from the first setting to the last.
fn side_effects(rows: &[(&SweepReading, &[SweepReading])]) -> BTreeMap<String, f64> {
    let mut changes: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (_, readings) in rows {
        let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
            continue;
        };
        for (name, before) in &first.others {
            if let Some(after) = last.others.get(name) {
                let change = (after - before).abs();
                changes.entry(name.clone()).or_default().push(change);
            }
        }
    }
    let means = changes.into_iter().map(|(name, all)| (name, mean(&all)));
    means.collect()
}

fn other_subject(rows: &[(&SweepReading, &[SweepReading])]) -> Option<f64> {
    let (mut theirs, mut own) = (Vec::new(), Vec::new());
    for (_, readings) in rows {
        let (first, last) = (readings.first()?, readings.last()?);
        if let (Some(before), Some(after)) = (first.other_subject, last.other_subject) {
            theirs.push(after - before);
            own.push(last.target - first.target);
        }
    }
    let own = mean(&own);
    (own.abs() >= LEAST_CHANGE).then(|| mean(&theirs) / own)
}

/// The mean of one figure at each setting, over the rows that have it; `None` where none has.
fn by_setting(
    rows: &[(&SweepReading, &[SweepReading])],
    settings: usize,
    figure: impl Fn(&SweepReading) -> Option<f64>,
) -> Option<Vec<f64>> {
    (0..settings)
        .map(|i| {
            let values: Vec<f64> = rows.iter().filter_map(|(_, r)| figure(&r[i])).collect();
            (!values.is_empty()).then(|| mean(&values))
        })
        .collect()
}

fn kinds_kept(rows: &[(&SweepReading, &[SweepReading])], settings: usize) -> Option<Vec<f64>> {
    let sound: Vec<_> = rows
        .iter()
        .copied()
        .filter(|(zero, _)| zero.kind_kept == Some(true))
        .collect();
    by_setting(&sound, settings, |r| {
        r.kind_kept.map(|kept| f64::from(u8::from(kept)))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sweep::tests::{base, pair, raw_of};
    use super::super::{MeasuredPrompt, SweepPlan};
    use super::*;
    use crate::measure::fake::{FakeMeter, fake_picture};
    use crate::recipe::Recipe;

    fn sweep(text: &str, takes_values: bool, settings: &[f64], slope: f64) -> Sweep {
        let control = text.parse().unwrap();
        let alone = MeasuredPrompt {
            text: "a man".to_owned(),
            subject: Some("man".to_owned()),
        };
        let plan = SweepPlan::of_control(
            &base(),
            &control,
            takes_values,
            "smile",
            settings,
            vec![pair(), alone],
            vec![1, 2, 3],
        )
        .unwrap();
        let mut render = |recipe: &Recipe| {
            // Prompts and seeds shift the reading, the other subject moves by a quarter.
            let shift = 0.05 * recipe.seed as f64 + 0.002 * recipe.prompt.len() as f64;
            let s = slope * raw_of(recipe, "smile");
            let brightness = if s > 0.25 { 0.1 } else { 0.5 };
            Ok(fake_picture(
                [0.3 + shift + s, 0.3 + shift + s / 4.0],
                [0.5 + s / 2.0; 2],
                brightness,
            ))
        };
        let meter = FakeMeter { lost_below: 0.2 };
        plan.run(&meter, &mut render, &mut |_, _, _| Ok(()))
            .unwrap()
    }

    #[test]
    fn a_straight_control_has_the_figures_of_one() {
        let sweep = sweep("smile~1", false, &[-1.0, 0.0, 1.0], 0.2);
        let s = &sweep.statistics;
        let near = |a: f64, b: f64| (a - b).abs() < 0.01;
        // Alone, the reading is the mean of both halves.
        assert!(near(s.range, f64::midpoint(0.4, 0.25)), "{}", s.range);
        assert!(s.r_squared > 0.999 && near(s.spearman_within_rows, 1.0));
        assert!(s.spearman < 1.0 && near(s.pairs_in_order, 1.0));
        assert!(s.mean_mae_own_ends.unwrap() < 0.01);
        assert!(near(s.side_effects["age"], 0.2) && near(s.side_effects["brightness"], 0.0));
        assert!(near(s.other_subject.unwrap(), 0.25));
        let seeds = std_dev(&[0.05, 0.1, 0.15]);
        assert!(near(s.mean_std_between_seeds, seeds));
        let ratio = s.range_in_seed_stds.unwrap() * seeds / s.range;
        assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
        assert_eq!(s.mean_difference_from_asked, None);
        assert!(s.ssim_outside.as_ref().unwrap()[0] > s.ssim_inside.as_ref().unwrap()[0]);
        assert_eq!(s.kinds_kept.as_deref(), Some([1.0, 1.0, 1.0].as_slice()));
        assert!(s.lines().len() > 12);
    }

    #[test]
    fn a_control_that_breaks_the_picture_loses_kinds() {
        let sweep = sweep("smile~1", false, &[0.0, 1.0, 2.0], 0.2);
        assert_eq!(sweep.statistics.kinds_kept, Some(vec![1.0, 1.0, 0.0]));
    }

    #[test]
    fn settings_that_ask_for_readings_are_held_to_them() {
        let sweep = sweep("smile~1", true, &[0.2, 0.6], 0.1);
        let s = &sweep.statistics;
        let misses: Vec<f64> = sweep
            .rows()
            .flat_map(|(_, r)| r.to_vec())
            .map(|r| (r.target - r.setting.unwrap()).abs())
            .collect();
        assert!((s.mean_difference_from_asked.unwrap() - mean(&misses)).abs() < 1e-12);
        let curve: Vec<f64> = s.response.iter().map(|p| (p.mean - p.raw).abs()).collect();
        assert!((s.mean_mae_absolute - mean(&curve)).abs() < 1e-12);
    }
}
