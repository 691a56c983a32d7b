//! How far a control can be trusted, from a sweep over its raw settings.

use std::fmt;

use super::statistics::{mean, spearman, std_dev};
use super::{Sweep, SweepReading};

/// What a picture may lose before its setting no longer counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundnessLimits {
    /// Largest mean change of another attribute, in its own full range.
    pub side_effect: f64,
    /// Least part, 0..1, of the subjects that must still read as themselves, of those that do at
    /// the neutral setting.
    pub kinds_kept: f64,
    /// Largest mean perceptual distance from the picture without the control; the distance
    /// between pictures of different seeds where that is known, for beyond it nothing of the
    /// picture is left.
    pub distance: Option<f64>,
}

impl Default for SoundnessLimits {
    fn default() -> Self {
        Self {
            side_effect: 0.35,
            kinds_kept: 0.7,
            distance: None,
        }
    }
}

/// A change of the mean reading below this is nothing, however sure it is.
const LEAST_EFFECT: f64 = 0.02;
/// The range ends where this part of all that can be had is reached: what follows is saturation.
const ENOUGH: f64 = 0.95;

/// Why a side of the range ends where it does.
#[derive(Debug, Clone, PartialEq)]
pub enum RangeEnd {
    /// Further settings move the reading no further.
    Saturates,
    /// Further settings move the reading back.
    Declines,
    /// Further settings move this other attribute too far.
    SideEffect(String),
    /// Further settings turn the subject into something else.
    SubjectLost,
    /// Further settings leave nothing of the picture.
    PictureLost,
    /// The sweep went no further.
    EndOfSweep,
    /// No setting on this side moves the reading reliably.
    NoEffect,
}

impl fmt::Display for RangeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Saturates => f.write_str("the reading moves no further beyond it"),
            Self::Declines => f.write_str("the reading moves back beyond it"),
            Self::SideEffect(name) => write!(f, "{name} moves too far beyond it"),
            Self::SubjectLost => f.write_str("the subject is lost beyond it"),
            Self::PictureLost => f.write_str("nothing of the picture is left beyond it"),
            Self::EndOfSweep => f.write_str("it was not searched beyond it"),
            Self::NoEffect => f.write_str("nothing reliable happens on this side"),
        }
    }
}

/// The widest range around the neutral setting in which the reading rises and pictures are sound.
#[derive(Debug, Clone, PartialEq)]
pub struct ReliableRange {
    /// Whether the reading rises with the raw setting.
    pub rising: bool,
    /// The lowest raw setting, and why there.
    pub low: (f64, RangeEnd),
    /// The highest raw setting, and why there.
    pub high: (f64, RangeEnd),
}

impl ReliableRange {
    /// The range in `sweep`, whose settings are raw and include the one nearest to `neutral`;
    /// `None` where there are no settings.
    pub fn of(sweep: &Sweep, neutral: f64, limits: &SoundnessLimits) -> Option<Self> {
        let settings = &sweep.settings;
        let nearest = |a: &usize, b: &usize| {
            let distance = |i: usize| (settings[i] - neutral).abs();
            distance(*a).total_cmp(&distance(*b))
        };
        let at = (0..settings.len()).min_by(nearest)?;
        let walk = Walk {
            rows: sweep.rows().collect(),
            settings,
            neutral: at,
            limits,
        };
        let rising = walk.rises();
        let below: Vec<usize> = (0..at).rev().collect();
        let above: Vec<usize> = (at + 1..settings.len()).collect();
        Some(Self {
            rising,
            low: walk.side(&below, if rising { -1.0 } else { 1.0 }),
            high: walk.side(&above, if rising { 1.0 } else { -1.0 }),
        })
    }

    /// Whether any setting does anything reliable.
    pub fn does_anything(&self) -> bool {
        self.low.1 != RangeEnd::NoEffect || self.high.1 != RangeEnd::NoEffect
    }
}

struct Walk<'a> {
    rows: Vec<(&'a SweepReading, &'a [SweepReading])>,
    settings: &'a [f64],
    neutral: usize,
    limits: &'a SoundnessLimits,
}

impl Walk<'_> {
    /// Whether readings rise with settings, judged by the sound pictures.
    fn rises(&self) -> bool {
        let sound = (0..self.settings.len()).filter(|&i| self.unsound(i).is_none());
        let pairs: Vec<(f64, f64)> = sound
            .flat_map(|i| self.rows.iter().map(move |(_, r)| (i as f64, r[i].target)))
            .collect();
        spearman(&pairs) >= 0.0
    }

    /// Where the side ends whose settings are `outward`, the nearest first, and on which readings
    /// go the way of `sign`.
    fn side(&self, outward: &[usize], sign: f64) -> (f64, RangeEnd) {
        let neutral = self.settings[self.neutral];
        let mut end = RangeEnd::EndOfSweep;
        // Index and gain of what is good so far.
        let mut good: Vec<(usize, f64)> = Vec::new();
        let mut best = (self.neutral, 0.0);
        for &i in outward {
            if let Some(why) = self.unsound(i) {
                end = why;
                break;
            }
            let since_best = self.changes(best.0, i, sign);
            let noise = standard_error(&since_best).max(LEAST_EFFECT / 2.0);
            if mean(&since_best) < -noise {
                end = RangeEnd::Declines;
                break;
            }
            let gain = mean(&self.changes(self.neutral, i, sign));
            good.push((i, gain));
            if gain > best.1 {
                best = (i, gain);
            }
        }
        let gains = self.changes(self.neutral, best.0, sign);
        if best.1 < LEAST_EFFECT.max(2.0 * standard_error(&gains)) {
            return (neutral, RangeEnd::NoEffect);
        }
        let last = good.last().map(|&(i, _)| i);
        let enough = good.iter().find(|(_, gain)| *gain >= ENOUGH * best.1);
        let reached = enough.map_or(best.0, |&(i, _)| i);
        if last != Some(reached) && end == RangeEnd::EndOfSweep {
            end = RangeEnd::Saturates;
        }
        (self.settings[reached], end)
    }

    /// Per row, how far the reading goes the way of `sign` from setting `from` to setting `to`.
    fn changes(&self, from: usize, to: usize, sign: f64) -> Vec<f64> {
        let change =
            |(_, r): &(&SweepReading, &[SweepReading])| sign * (r[to].target - r[from].target);
        self.rows.iter().map(change).collect()
    }

    /// What is wrong with the pictures at setting `i`.
    fn unsound(&self, i: usize) -> Option<RangeEnd> {
        if i == self.neutral {
            return None;
        }
        let neutral = self.neutral;
        let sound = self
            .rows
            .iter()
            .filter(|(_, r)| r[neutral].kind_kept == Some(true));
        let kept: Vec<f64> = sound
            .filter_map(|(_, r)| r[i].kind_kept)
            .map(|kept| f64::from(u8::from(kept)))
            .collect();
        if !kept.is_empty() && mean(&kept) < self.limits.kinds_kept {
            return Some(RangeEnd::SubjectLost);
        }
        let distances: Vec<f64> = self
            .rows
            .iter()
            .filter_map(|(_, r)| r[i].distance)
            .collect();
        if self
            .limits
            .distance
            .is_some_and(|limit| mean(&distances) > limit)
        {
            return Some(RangeEnd::PictureLost);
        }
        let names = self.rows.first()?.1[i].others.keys();
        let moved = |name: &&String| {
            let changes: Vec<f64> = self
                .rows
                .iter()
                .filter_map(|(_, r)| Some(r[i].others.get(*name)? - r[neutral].others.get(*name)?))
                .collect();
            mean(&changes).abs() > self.limits.side_effect
        };
        let too_far = names.into_iter().find(moved)?;
        Some(RangeEnd::SideEffect(too_far.clone()))
    }
}

/// The standard error of the mean of `values`; 0 of fewer than two.
fn standard_error(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    std_dev(values) / ((values.len() - 1) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::{MeasuredPrompt, SWEEP_VERSION, SweepStatistics, SweepSubject};
    use crate::recipe::ControlScale;

    /// A sweep whose row `k` reads `read(setting, k)`, with everything else at rest.
    fn sweep(
        settings: &[f64],
        rows: u64,
        read: impl Fn(f64, u64) -> f64,
        change: impl Fn(&mut SweepReading),
    ) -> Sweep {
        let mut readings = Vec::new();
        for seed in 0..rows {
            let at = [None].into_iter().chain(settings.iter().copied().map(Some));
            readings.extend(at.map(|setting| {
                let mut reading = SweepReading {
                    prompt: 0,
                    seed,
                    setting,
                    target: read(setting.unwrap_or(0.0), seed).clamp(0.0, 1.0),
                    others: [("age".to_owned(), 0.5)].into(),
                    other_subject: None,
                    kind_kept: Some(true),
                    ssim: 1.0,
                    ssim_inside: None,
                    ssim_outside: None,
                    distance: Some(0.1),
                };
                change(&mut reading);
                reading
            }));
        }
        Sweep {
            version: SWEEP_VERSION,
            about: SweepSubject {
                control: "smile".to_owned(),
                scale: ControlScale::Raw,
                asks_readings: false,
                attribute: "smile".to_owned(),
            },
            model_hash: String::new(),
            meter: String::new(),
            settings: settings.to_vec(),
            prompts: vec![MeasuredPrompt {
                text: "a man".to_owned(),
                subject: None,
            }],
            seeds: (0..rows).collect(),
            readings,
            statistics: SweepStatistics::default(),
        }
    }

    const SETTINGS: [f64; 9] = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0];

    fn range(read: impl Fn(f64, u64) -> f64, change: impl Fn(&mut SweepReading)) -> ReliableRange {
        let sweep = sweep(&SETTINGS, 6, read, change);
        let limits = SoundnessLimits {
            distance: Some(0.5),
            ..SoundnessLimits::default()
        };
        ReliableRange::of(&sweep, 0.0, &limits).unwrap()
    }

    /// A reading at rest 0.4 that differs from row to row.
    fn rest(seed: u64) -> f64 {
        0.4 + 0.02 * seed as f64
    }

    #[test]
    fn saturation_decline_and_the_end_of_the_sweep_are_told_apart() {
        let found = range(|x, k| rest(k) + (0.1 * x).clamp(-0.2, 1.0), |_| ());
        assert!(found.rising);
        assert_eq!(found.low, (-2.0, RangeEnd::Saturates));
        assert_eq!(found.high, (4.0, RangeEnd::EndOfSweep));
        let found = range(|x, k| rest(k) + 0.1 * x.min(6.0 - 2.0 * x), |_| ());
        assert_eq!(found.high, (2.0, RangeEnd::Declines));
        let flat = range(|_, k| rest(k), |_| ());
        assert!(!flat.does_anything());
        assert_eq!(flat.high, (0.0, RangeEnd::NoEffect));
    }

    #[test]
    fn a_control_that_works_backwards_has_a_range_too() {
        let found = range(|x, k| rest(k) - 0.1 * x.clamp(-3.0, 2.0), |_| ());
        assert!(!found.rising);
        assert_eq!((found.low.0, found.high.0), (-3.0, 2.0));
    }

    #[test]
    fn unsound_pictures_end_the_range() {
        let read = |x: f64, k: u64| rest(k) + 0.05 * x;
        let beyond = |r: &SweepReading, limit: f64| r.setting.is_some_and(|s| s > limit);
        let lost = range(read, |r| r.kind_kept = Some(!beyond(r, 2.0)));
        assert_eq!(lost.high, (2.0, RangeEnd::SubjectLost));
        assert_eq!(lost.low, (-4.0, RangeEnd::EndOfSweep));
        let aged = range(read, |r| {
            r.others
                .insert("age".to_owned(), if beyond(r, 1.0) { 0.9 } else { 0.5 });
        });
        assert_eq!(aged.high, (1.0, RangeEnd::SideEffect("age".to_owned())));
        let gone = range(read, |r| {
            r.distance = Some(if beyond(r, 3.0) { 0.6 } else { 0.1 });
        });
        assert_eq!(gone.high, (3.0, RangeEnd::PictureLost));
        for end in [lost.high.1, aged.high.1, gone.high.1] {
            assert!(end.to_string().contains("beyond it"));
        }
    }

    #[test]
    fn a_value_has_its_middle_as_neutral_point() {
        let settings = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25];
        let sweep = sweep(
            &settings,
            4,
            |x, k| 0.1 * rest(k) + 0.8 * x.min(1.0),
            |_| (),
        );
        let found = ReliableRange::of(&sweep, 0.5, &SoundnessLimits::default()).unwrap();
        assert_eq!((found.low.0, found.high.0), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn the_range_holds_the_neutral_setting_and_rises_within(
            steps in proptest::collection::vec(-0.06_f64..0.15, 9),
            noise in proptest::collection::vec(-0.03_f64..0.03, 54),
        ) {
            let mut curve = Vec::new();
            let mut level = 0.2;
            for step in steps {
                level += step;
                curve.push(level);
            }
            let read = |x: f64, k: u64| {
                let at = (x + 4.0) as usize;
                curve[at] + noise[6 * at + k as usize]
            };
            let found = range(read, |_| ());
            prop_assert!(found.low.0 <= 0.0 && found.high.0 >= 0.0);
            // Within the range, no mean reading lies far below one nearer to the middle.
            if found.rising {
                let inside: Vec<f64> = SETTINGS.iter().copied()
                    .filter(|s| *s >= 0.0 && *s <= found.high.0).collect();
                let means: Vec<f64> = inside.iter()
                    .map(|&s| mean(&(0..6).map(|k| read(s, k).clamp(0.0, 1.0)).collect::<Vec<_>>()))
                    .collect();
                for (i, later) in means.iter().enumerate() {
                    for earlier in &means[..i] {
                        prop_assert!(later - earlier > -0.06, "{means:?}");
                    }
                }
            }
        }
    }
}
