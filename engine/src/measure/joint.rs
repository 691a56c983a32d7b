//! Several settings at once for several readings at once.

use crate::Result;

/// Readings this close to their targets are good.
const CLOSE: f64 = 0.02;
/// Largest change of a setting in one step, as a part of its range.
const LARGEST_STEP: f64 = 0.5;

/// Settings that were found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// One a control.
    pub settings: Vec<f64>,
    /// The readings there.
    pub readings: Vec<f64>,
    /// The largest distance of a reading from its target.
    pub error: f64,
}

/// A search for settings at which every reading meets its target: Newton's method with Broyden's
/// updates of the Jacobian, damped as Levenberg and Marquardt do.
#[derive(Debug, Clone, PartialEq)]
pub struct JointSearch {
    /// The reading wanted of each control.
    pub targets: Vec<f64>,
    /// Lowest and highest setting of each control.
    pub ranges: Vec<[f64; 2]>,
    /// `jacobian[i][j]`: how far reading i moves per unit of setting j.
    pub jacobian: Vec<Vec<f64>>,
    /// Readings taken at most.
    pub most_tries: usize,
}

impl JointSearch {
    /// Begins at `settings`, where the readings are `readings`, and gives the best that was found.
    ///
    /// # Errors
    /// `read` fails.
    pub fn run(
        mut self,
        settings: Vec<f64>,
        readings: Vec<f64>,
        read: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
    ) -> Result<Found> {
        let mut best = self.found(settings, readings);
        let mut damping = 1e-3;
        for _ in 0..self.most_tries {
            if best.error <= CLOSE {
                break;
            }
            let step = self.step(&best, damping);
            let moved = |(s, d): (&f64, &f64)| s + d;
            let mut next: Vec<f64> = best.settings.iter().zip(&step).map(moved).collect();
            for (setting, range) in next.iter_mut().zip(&self.ranges) {
                *setting = setting.clamp(range[0].min(range[1]), range[0].max(range[1]));
            }
            let width = |r: &[f64; 2]| (r[1] - r[0]).abs();
            let same = next.iter().zip(&best.settings).zip(&self.ranges);
            if same
                .into_iter()
                .all(|((a, b), r)| (a - b).abs() < 1e-4 * width(r))
            {
                break;
            }
            let readings = read(&next)?;
            self.learn(&best, &next, &readings);
            let found = self.found(next, readings);
            if self.distance(&found) < self.distance(&best) {
                best = found;
                damping /= 3.0;
            } else {
                damping = 10.0 * damping.max(1e-3);
            }
        }
        Ok(best)
    }

    fn found(&self, settings: Vec<f64>, readings: Vec<f64>) -> Found {
        let misses = readings.iter().zip(&self.targets);
        Found {
            error: misses.map(|(r, t)| (r - t).abs()).fold(0.0, f64::max),
            settings,
            readings,
        }
    }

    fn distance(&self, found: &Found) -> f64 {
        let misses = found.readings.iter().zip(&self.targets);
        misses.map(|(r, t)| (r - t).powi(2)).sum()
    }

    /// The step that the Jacobian asks for: `(JᵀJ + λ diag(JᵀJ)) δ = Jᵀ (target − reading)`.
    fn step(&self, from: &Found, damping: f64) -> Vec<f64> {
        let n = self.targets.len();
        let misses: Vec<f64> = self
            .targets
            .iter()
            .zip(&from.readings)
            .map(|(t, r)| t - r)
            .collect();
        let j = &self.jacobian;
        let product = |a: usize, b: usize| (0..n).map(|i| j[i][a] * j[i][b]).sum::<f64>();
        let mut system: Vec<Vec<f64>> = (0..n)
            .map(|a| (0..n).map(|b| product(a, b)).collect())
            .collect();
        for (a, row) in system.iter_mut().enumerate() {
            row[a] += damping * row[a] + 1e-9;
            row.push((0..n).map(|i| j[i][a] * misses[i]).sum());
        }
        let mut step = solve(system);
        for (change, range) in step.iter_mut().zip(&self.ranges) {
            let longest = LARGEST_STEP * (range[1] - range[0]).abs();
            *change = change.clamp(-longest, longest);
        }
        step
    }

    /// Broyden's update: the smallest change of the Jacobian that explains the new readings.
    fn learn(&mut self, from: &Found, settings: &[f64], readings: &[f64]) {
        let step: Vec<f64> = settings
            .iter()
            .zip(&from.settings)
            .map(|(a, b)| a - b)
            .collect();
        let square: f64 = step.iter().map(|s| s * s).sum();
        if square <= 0.0 {
            return;
        }
        for (i, row) in self.jacobian.iter_mut().enumerate() {
            let expected: f64 = row.iter().zip(&step).map(|(j, s)| j * s).sum();
            let surprise = readings[i] - from.readings[i] - expected;
            for (entry, s) in row.iter_mut().zip(&step) {
                *entry += surprise * s / square;
            }
        }
    }
}

/// Solves a small linear system, given as rows with the right side at their end, by elimination
/// with partial pivoting; what the system leaves open is 0.
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for column in 0..n {
        let largest =
            (column..n).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, largest.unwrap_or(column));
        let pivot = rows[column].clone();
        if pivot[column].abs() < 1e-300 {
            continue;
        }
        for row in &mut rows[column + 1..] {
            let factor = row[column] / pivot[column];
            for (entry, p) in row.iter_mut().zip(&pivot).skip(column) {
                *entry -= factor * p;
            }
        }
    }
    let mut solution = vec![0.0; n];
    for i in (0..n).rev() {
        let rest: f64 = (i + 1..n).map(|j| rows[i][j] * solution[j]).sum();
        if rows[i][i].abs() >= 1e-300 {
            solution[i] = (rows[i][n] - rest) / rows[i][i];
        }
    }
    solution
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Readings of two controls that pull at each other and bend.
    fn coupled(pull: f64, bend: f64) -> impl Fn(&[f64]) -> Vec<f64> {
        move |u: &[f64]| {
            let squash = |x: f64| 0.5 + 0.4 * (bend * x).tanh() / bend;
            vec![squash(u[0] + pull * u[1]), squash(u[1] - pull * u[0])]
        }
    }

    fn search(
        targets: Vec<f64>,
        read: &impl Fn(&[f64]) -> Vec<f64>,
        ranges: f64,
    ) -> (Found, usize) {
        let n = targets.len();
        let rest = vec![0.0; n];
        let at_rest = read(&rest);
        // What each control does by itself is all that is known.
        let mut jacobian = vec![vec![0.0; n]; n];
        for j in 0..n {
            let mut alone = rest.clone();
            alone[j] = 0.5;
            for (i, reading) in read(&alone).into_iter().enumerate() {
                jacobian[i][j] = (reading - at_rest[i]) / 0.5;
            }
        }
        let mut tries = 0;
        let found = JointSearch {
            targets,
            ranges: vec![[-ranges, ranges]; n],
            jacobian,
            most_tries: 12,
        }
        .run(rest, at_rest, &mut |u| {
            tries += 1;
            Ok(read(u))
        })
        .unwrap();
        (found, tries)
    }

    #[test]
    fn what_is_out_of_reach_ends_as_near_as_it_gets() {
        let read = |u: &[f64]| vec![0.5 + 0.2 * u[0], 0.5 + 0.2 * u[1]];
        let (found, tries) = search(vec![0.9, 0.6], &read, 1.0);
        assert!((found.settings[0] - 1.0).abs() < 1e-3 && found.error > 0.19);
        assert!((found.readings[1] - 0.6).abs() < 0.02 && tries < 12);
        // Where the Jacobian says nothing, nothing moves.
        let dead = |_: &[f64]| vec![0.2];
        let (found, tries) = search(vec![0.8], &dead, 1.0);
        assert_eq!((found.settings[0], tries), (0.0, 0));
    }

    #[test]
    fn systems_are_solved_whatever_their_order() {
        let rows = vec![
            vec![0.0, 2.0, 1.0, 7.0],
            vec![1.0, 0.0, 0.0, 1.0],
            vec![0.0, 0.0, 3.0, 9.0],
        ];
        assert_eq!(solve(rows), [1.0, 2.0, 3.0]);
        assert_eq!(solve(vec![vec![0.0, 5.0]]), [0.0]);
    }

    proptest! {
        #[test]
        fn targets_in_reach_are_met_though_the_controls_fight(
            pull in -0.8_f64..0.8,
            bend in 0.2_f64..1.2,
            wanted in proptest::array::uniform2(-0.9_f64..0.9),
        ) {
            let read = coupled(pull, bend);
            let (found, _) = search(read(&wanted), &read, 1.5);
            prop_assert!(found.error <= 0.03, "{found:?}");
        }
    }
}
