//! The losses of a training, raw and smoothed.

use serde::{Deserialize, Serialize};

/// Weight of the newest loss in the smoothed curve.
const SMOOTHING: f64 = 0.1;
/// More points than this are thinned: a plot shows no more, and they are kept in a file.
const MOST: usize = 4000;

/// Losses by step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Losses {
    /// Step and mean loss since the last point.
    points: Vec<(u64, f64)>,
}

impl Losses {
    /// Adds the mean loss since the last point; what is no number is left out.
    pub fn push(&mut self, step: u64, loss: f64) {
        if !loss.is_finite() {
            return;
        }
        self.points.push((step, loss));
        if self.points.len() > MOST {
            let pairs = self.points.chunks(2);
            self.points = pairs
                .map(|pair| {
                    let mean = pair.iter().map(|p| p.1).sum::<f64>() / pair.len() as f64;
                    (pair[pair.len() - 1].0, mean)
                })
                .collect();
        }
    }

    /// Takes away what came after `step`: a training goes on from its state, which may be older.
    pub fn forget_after(&mut self, step: u64) {
        self.points.retain(|(at, _)| *at <= step);
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Steps and losses.
    pub fn raw(&self) -> Vec<[f64; 2]> {
        let points = self.points.iter();
        points.map(|&(step, loss)| [step as f64, loss]).collect()
    }

    /// The same as an exponential mean, unbiased from its first point on.
    pub fn smoothed(&self) -> Vec<[f64; 2]> {
        let (mut mean, mut weight) = (0.0, 0.0);
        let points = self.points.iter();
        points
            .map(|&(step, loss)| {
                mean += SMOOTHING * (loss - mean);
                weight += SMOOTHING * (1.0 - weight);
                [step as f64, mean / weight]
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn many_points_are_thinned_and_later_ones_forgotten() {
        let mut losses = Losses::default();
        for step in 1..=(3 * MOST as u64) {
            losses.push(step, 1.0);
        }
        losses.push(9, f64::NAN);
        assert!(losses.len() <= MOST + 1);
        assert_eq!(losses.raw().last().map(|p| p[0]), Some(3.0 * MOST as f64));
        losses.forget_after(10);
        assert!(losses.raw().iter().all(|p| p[0] <= 10.0));
    }

    proptest! {
        #[test]
        fn the_smoothed_curve_stays_among_the_losses(
            all in proptest::collection::vec(0.0..9.0_f64, 1..50),
        ) {
            let mut losses = Losses::default();
            for (step, loss) in all.iter().enumerate() {
                losses.push(step as u64, *loss);
            }
            let low = all.iter().copied().fold(f64::INFINITY, f64::min);
            let high = all.iter().copied().fold(0.0, f64::max);
            for [_, mean] in losses.smoothed() {
                prop_assert!(low - 1e-9 <= mean && mean <= high + 1e-9);
            }
            prop_assert!((losses.smoothed()[0][1] - all[0]).abs() < 1e-9);
        }
    }
}
