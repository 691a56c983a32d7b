//! How a control responds, measured: its reliable range, its curve, its side effects.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the meter read at one setting, over prompts and seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResponsePoint {
    /// The raw setting.
    pub raw: f64,
    /// Mean reading, 0..1.
    pub mean: f64,
    /// Standard deviation of the readings.
    pub std: f64,
}

/// One attribute of one control, calibrated on one model.
///
/// In calibrated units 0 is neutral, -1 and 1 are the ends of the reliable range, and equal
/// distances move the reading equally: the response curve is inverted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// SHA-256 over the model's files, in hex.
    pub model_hash: String,
    /// Name of the meter that read the pictures.
    pub meter: String,
    /// Raw setting at -1; equal to `neutral_raw` where this side does nothing reliable.
    pub raw_low: f64,
    /// Raw setting at 1.
    pub raw_high: f64,
    /// Raw setting at 0: where the control changes nothing, or for values the middle.
    #[serde(default)]
    pub neutral_raw: f64,
    /// Reading by setting, ascending by `raw`, with a point at `neutral_raw`.
    pub response: Vec<ResponsePoint>,
    /// Spearman's rank correlation of setting and reading within the reliable range, -1..1.
    pub spearman: f64,
    /// R² of the mean reading against calibrated units.
    pub r_squared: f64,
    /// Mean over the settings of the standard deviation over prompts and seeds.
    pub spread: f64,
    /// By other attribute of the same subject and of the picture: mean change, without sign, from
    /// -1 to 1, in the attribute's own full range.
    #[serde(default)]
    pub side_effects: BTreeMap<String, f64>,
    /// Change of the same attribute on the other subject, as a part of the target's change.
    #[serde(default)]
    pub other_subject: Option<f64>,
    /// Prompts that it was measured on.
    pub prompts: usize,
    /// Seeds a prompt.
    pub seeds: usize,
}

#[allow(
    clippy::float_cmp,
    reason = "ends and neutral point are compared as stored"
)]
impl Calibration {
    /// The raw setting for `unit` in calibrated units; beyond -1 and 1 it goes on in proportion.
    pub fn raw_of_unit(&self, unit: f64) -> f64 {
        let end = if unit < 0.0 {
            self.raw_low
        } else {
            self.raw_high
        };
        let neutral = self.neutral_raw;
        if unit == 0.0 || end == neutral {
            return neutral;
        }
        let part = unit.abs();
        if part >= 1.0 {
            return neutral + part * (end - neutral);
        }
        let curve = self.monotone_towards(end);
        let (first, last) = (curve[0].1, curve[curve.len() - 1].1);
        if first == last {
            return neutral + part * (end - neutral);
        }
        let wanted = first + part * (last - first);
        interpolate(curve.iter().map(|&(raw, mean)| (mean, raw)), wanted)
    }

    /// Calibrated units of a raw setting.
    pub fn unit_of_raw(&self, raw: f64) -> f64 {
        let neutral = self.neutral_raw;
        let upwards = (raw - neutral) * (self.raw_high - neutral) > 0.0;
        let (end, sign) = if upwards {
            (self.raw_high, 1.0)
        } else {
            (self.raw_low, -1.0)
        };
        if raw == neutral || end == neutral {
            return 0.0;
        }
        let part = (raw - neutral) / (end - neutral);
        if part >= 1.0 {
            return sign * part;
        }
        let curve = self.monotone_towards(end);
        let (first, last) = (curve[0].1, curve[curve.len() - 1].1);
        if first == last {
            return sign * part;
        }
        let along = curve
            .iter()
            .map(|&(r, mean)| ((r - neutral) / (end - neutral), mean));
        sign * (interpolate(along, part) - first) / (last - first)
    }

    /// Mean reading to expect at a raw setting.
    pub fn expected(&self, raw: f64) -> Option<f64> {
        self.response.first()?;
        Some(interpolate(
            self.response.iter().map(|p| (p.raw, p.mean)),
            raw,
        ))
    }

    /// Whether `raw` lies within the reliable range.
    pub fn is_reliable(&self, raw: f64) -> bool {
        let (a, b) = (self.raw_low, self.raw_high);
        (a.min(b)..=a.max(b)).contains(&raw)
    }

    /// `(raw, mean)` from the neutral point to `end`, the means made monotone by pooling adjacent
    /// violators, so that the curve can be inverted.
    fn monotone_towards(&self, end: f64) -> Vec<(f64, f64)> {
        let neutral = self.neutral_raw;
        let (low, high) = (neutral.min(end), neutral.max(end));
        let mut points: Vec<(f64, f64)> = self
            .response
            .iter()
            .filter(|p| p.raw > low && p.raw < high)
            .map(|p| (p.raw, p.mean))
            .collect();
        for edge in [neutral, end] {
            points.push((edge, self.expected(edge).unwrap_or(0.0)));
        }
        points.sort_by(|a, b| (a.0 - neutral).abs().total_cmp(&(b.0 - neutral).abs()));
        let rising = points[points.len() - 1].1 >= points[0].1;
        let sign = if rising { 1.0 } else { -1.0 };
        let mut blocks: Vec<(f64, usize)> = Vec::new();
        for &(_, mean) in &points {
            blocks.push((sign * mean, 1));
            while let [.., (a, n), (b, m)] = blocks[..]
                && a > b
            {
                blocks.truncate(blocks.len() - 2);
                let total = n + m;
                blocks.push(((a * n as f64 + b * m as f64) / total as f64, total));
            }
        }
        let pooled = blocks
            .into_iter()
            .flat_map(|(mean, count)| std::iter::repeat_n(sign * mean, count));
        points
            .into_iter()
            .zip(pooled)
            .map(|((raw, _), mean)| (raw, mean))
            .collect()
    }
}

/// Piecewise linear `y` at `x` along points in the order of their `x`, rising or falling; held at
/// the ends.
fn interpolate(points: impl Iterator<Item = (f64, f64)>, x: f64) -> f64 {
    let points: Vec<(f64, f64)> = points.collect();
    let Some((&(first_x, first_y), &(last_x, last_y))) = points.first().zip(points.last()) else {
        return 0.0;
    };
    let sign = if last_x >= first_x { 1.0 } else { -1.0 };
    if sign * x <= sign * first_x {
        return first_y;
    }
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        if sign * x <= sign * x1 {
            let width = x1 - x0;
            let part = if width == 0.0 { 1.0 } else { (x - x0) / width };
            return y0 + part * (y1 - y0);
        }
    }
    last_y
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "ends must be hit exactly")]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn calibration(points: &[(f64, f64)]) -> Calibration {
        Calibration {
            model_hash: "m".to_owned(),
            meter: "meter".to_owned(),
            raw_low: points[0].0,
            raw_high: points[points.len() - 1].0,
            neutral_raw: 0.0,
            response: points
                .iter()
                .map(|&(raw, mean)| ResponsePoint {
                    raw,
                    mean,
                    std: 0.1,
                })
                .collect(),
            spearman: 0.9,
            r_squared: 0.9,
            spread: 0.1,
            side_effects: BTreeMap::new(),
            other_subject: None,
            prompts: 4,
            seeds: 2,
        }
    }

    #[test]
    fn equal_distances_in_units_are_equal_distances_in_readings() {
        let c = calibration(&[(-2.0, 0.1), (-1.0, 0.2), (0.0, 0.3), (1.0, 0.8), (2.0, 0.9)]);
        assert_eq!(
            [c.raw_of_unit(-1.0), c.raw_of_unit(0.0), c.raw_of_unit(1.0)],
            [-2.0, 0.0, 2.0]
        );
        for unit in [-0.75, -0.5, 0.25, 0.5, 0.9] {
            let side = if unit < 0.0 { 0.3 - 0.1 } else { 0.9 - 0.3 };
            let read = c.expected(c.raw_of_unit(unit)).unwrap();
            assert!((read - (0.3 + unit * side)).abs() < 1e-9, "{unit}: {read}");
        }
        assert_eq!(c.raw_of_unit(1.5), 3.0);
        assert!(c.is_reliable(-2.0) && !c.is_reliable(2.1));
    }

    #[test]
    fn a_control_that_works_backwards_still_rises_with_its_units() {
        let mut c = calibration(&[(-2.0, 0.9), (0.0, 0.5), (1.0, 0.2)]);
        (c.raw_low, c.raw_high) = (1.0, -2.0);
        assert_eq!([c.raw_of_unit(1.0), c.raw_of_unit(-1.0)], [-2.0, 1.0]);
        assert!((c.raw_of_unit(0.5) + 1.0).abs() < 1e-9);
        assert!((c.unit_of_raw(-1.0) - 0.5).abs() < 1e-9);
        assert!((c.unit_of_raw(0.5) + 0.5).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn units_and_raw_settings_are_each_others_inverse(
            steps in proptest::collection::vec((0.1_f64..1.0, -0.05_f64..0.3), 3..7),
            unit in -1.4_f64..1.4,
        ) {
            let mut points = vec![(-1.0, 0.1), (0.0, 0.4)];
            for (dx, dy) in steps {
                let (x, y) = points[points.len() - 1];
                points.push((x + dx, y + dy));
            }
            let c = calibration(&points);
            let last = points[points.len() - 1].1;
            prop_assume!(last > 0.45);
            let raw = c.raw_of_unit(unit);
            // Pooled stretches are flat: there the readings must agree, not the settings.
            let back = c.raw_of_unit(c.unit_of_raw(raw));
            prop_assert!((c.unit_of_raw(back) - c.unit_of_raw(raw)).abs() < 1e-6);
            prop_assert!((c.unit_of_raw(raw) - unit).abs() < 1e-6);
        }

        #[test]
        fn more_units_never_mean_less_raw(a in -2.0_f64..2.0, b in -2.0_f64..2.0) {
            let c = calibration(&[(-2.0, 0.2), (-1.0, 0.1), (0.0, 0.3), (1.0, 0.25), (2.0, 0.9)]);
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(c.raw_of_unit(low) <= c.raw_of_unit(high) + 1e-12);
        }
    }
}
