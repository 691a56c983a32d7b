//! Figures that say how well a control's settings and a meter's readings go together.
//!
//! The metrics of "Evaluating the Smooth Control of Attribute Intensity in Text Generation with
//! LLMs" (arXiv 2406.04460), carried over to pictures, and the usual ones beside them.

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the whole population (divided by n, not n − 1); 0 of nothing.
pub fn std_dev(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: Vec<f64> = values.iter().map(|v| (v - centre).powi(2)).collect();
    mean(&squares).sqrt()
}

/// The rank of each value, from 1; equal values share the mean of their ranks.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        let shared = before as f64 + f64::midpoint(group.len() as f64, 1.0);
        for &at in group {
            ranks[at] = shared;
        }
        before += group.len();
    }
    ranks
}

/// Pearson's correlation of pairs, -1..1; 0 where one side is constant.
pub fn pearson(pairs: &[(f64, f64)]) -> f64 {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (mean_x, mean_y) = (mean(&xs), mean(&ys));
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        both += (x - mean_x) * (y - mean_y);
        left += (x - mean_x).powi(2);
        right += (y - mean_y).powi(2);
    }
    if left > 0.0 && right > 0.0 {
        (both / (left.sqrt() * right.sqrt())).clamp(-1.0, 1.0)
    } else {
        0.0
    }
}

/// Spearman's rank correlation of pairs, -1..1: [`pearson`] of the [`ranks`].
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (xs, ys): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let ranked: Vec<(f64, f64)> = ranks(&xs).into_iter().zip(ranks(&ys)).collect();
    pearson(&ranked)
}

/// R² of the straight line fitted to pairs by least squares, 0..1; 0 where one side is constant.
pub fn r_squared(pairs: &[(f64, f64)]) -> f64 {
    pearson(pairs).powi(2)
}

/// Between which readings a perfect control would move in a straight line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Anchors {
    /// From the reading at the first setting to the one at the last: linearity alone, which also
    /// rewards a control that barely moves.
    OwnEnds,
    /// From one fixed reading to another.
    Absolute(f64, f64),
}

/// Mean-MAE of `(setting, mean reading)` pairs ascending by setting: the mean distance, without
/// sign, from the straight line between the anchors. 0 of nothing.
pub fn mean_mae(curve: &[(f64, f64)], anchors: Anchors) -> f64 {
    let Some((first, last)) = curve.first().zip(curve.last()) else {
        return 0.0;
    };
    let (low, high) = match anchors {
        Anchors::OwnEnds => (first.1, last.1),
        Anchors::Absolute(low, high) => (low, high),
    };
    let width = last.0 - first.0;
    let errors: Vec<f64> = curve
        .iter()
        .map(|(setting, reading)| {
            let part = if width == 0.0 {
                0.0
            } else {
                (setting - first.0) / width
            };
            (reading - (low + part * (high - low))).abs()
        })
        .collect();
    mean(&errors)
}

/// How readings at one setting vary; `total² = between_prompts² + between_seeds²`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// Standard deviation over all prompts and seeds.
    pub total: f64,
    /// Standard deviation of the prompts' means.
    pub between_prompts: f64,
    /// Root of the mean variance over the seeds of a prompt.
    pub between_seeds: f64,
}

/// The spread of `by_prompt`, the readings of each prompt's seeds; as many for every prompt.
pub fn spread(by_prompt: &[Vec<f64>]) -> Spread {
    let all: Vec<f64> = by_prompt.iter().flatten().copied().collect();
    let means: Vec<f64> = by_prompt.iter().map(|seeds| mean(seeds)).collect();
    let variances: Vec<f64> = by_prompt.iter().map(|s| std_dev(s).powi(2)).collect();
    Spread {
        total: std_dev(&all),
        between_prompts: std_dev(&means),
        between_seeds: mean(&variances).sqrt(),
    }
}

/// The part, 0..1, of neighbouring readings of a row that rise; equal ones count half. 0.5 of
/// fewer than two.
pub fn pairs_in_order(row: &[f64]) -> f64 {
    let steps: Vec<f64> = row
        .windows(2)
        .map(|pair| match pair[1].total_cmp(&pair[0]) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .collect();
    if steps.is_empty() { 0.5 } else { mean(&steps) }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranks_correlate_whatever_the_curve() {
        let rising: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i), f64::from(i * i))).collect();
        assert!((spearman(&rising) - 1.0).abs() < 1e-12);
        let falling: Vec<(f64, f64)> = rising.iter().map(|&(a, b)| (a, -b)).collect();
        assert!((spearman(&falling) + 1.0).abs() < 1e-12);
        assert!(r_squared(&rising) < 0.95);
    }

    #[test]
    fn ties_share_their_rank_and_a_constant_correlates_with_nothing() {
        assert_eq!(ranks(&[7.0, 1.0, 7.0, -2.0]), [3.5, 2.0, 3.5, 1.0]);
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / √(4.5 · 5).
        let pairs = [(1.0, 0.0), (2.0, 1.0), (2.0, 2.0), (3.0, 3.0)];
        assert!((spearman(&pairs) - 0.9_f64.sqrt()).abs() < 1e-12);
        let constant = [(1.0, 0.0), (1.0, 1.0)];
        assert_eq!((spearman(&constant), r_squared(&constant)), (0.0, 0.0));
    }

    #[test]
    fn figures_agree_with_scipy() {
        // scipy.stats.spearmanr and linregress on the same numbers.
        let xs = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0];
        let ys = [0.11, 0.15, 0.15, 0.42, 0.38, 0.71, 0.69];
        let pairs: Vec<(f64, f64)> = xs.into_iter().zip(ys).collect();
        assert!((spearman(&pairs) - 0.918_956_211_949_470_3).abs() < 1e-12);
        assert!((r_squared(&pairs) - 0.885_855_043_420_173_8).abs() < 1e-12);
        assert!((std_dev(&ys) - 0.234_503_383_205_219_18).abs() < 1e-12);
    }

    #[test]
    fn own_ends_forgive_a_short_way_and_absolute_anchors_do_not() {
        let curve = [(0.0, 0.4), (0.5, 0.5), (1.0, 0.6)];
        assert!(mean_mae(&curve, Anchors::OwnEnds) < 1e-12);
        let absolute = mean_mae(&curve, Anchors::Absolute(0.0, 1.0));
        assert!((absolute - 0.8 / 3.0).abs() < 1e-12);
        // Settings that lie unevenly are met where they lie.
        let uneven = [(0.0, 0.0), (0.2, 0.2), (1.0, 1.0)];
        assert!(mean_mae(&uneven, Anchors::OwnEnds) < 1e-12);
        assert_eq!(mean_mae(&[], Anchors::OwnEnds), 0.0);
    }

    #[test]
    fn order_counts_ties_half() {
        assert_eq!(pairs_in_order(&[0.0, 1.0, 1.0, 0.5]), 0.5);
        assert_eq!(pairs_in_order(&[0.0, 1.0]), 1.0);
        assert_eq!(pairs_in_order(&[0.3]), 0.5);
    }

    fn readings(rows: usize) -> impl Strategy<Value = Vec<f64>> {
        proptest::collection::vec(-1.0_f64..1.0, rows)
    }

    proptest! {
        #[test]
        fn ranks_are_a_permutation_of_their_sum(values in proptest::collection::vec(0_u8..6, 1..30)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let n = values.len() as f64;
            let ranks = ranks(&values);
            prop_assert!((ranks.iter().sum::<f64>() - n * (n + 1.0) / 2.0).abs() < 1e-9);
            for (i, a) in values.iter().enumerate() {
                for (j, b) in values.iter().enumerate() {
                    prop_assert_eq!(a < b, ranks[i] < ranks[j]);
                }
            }
        }

        #[test]
        fn spearman_does_not_see_a_rising_bend(xs in readings(12), ys in readings(12)) {
            let pairs: Vec<(f64, f64)> = xs.into_iter().zip(ys).collect();
            let bent: Vec<(f64, f64)> = pairs.iter().map(|&(x, y)| (x.exp(), y * y * y)).collect();
            let rho = spearman(&pairs);
            prop_assert!((-1.0..=1.0).contains(&rho));
            prop_assert!((rho - spearman(&bent)).abs() < 1e-9);
            let swapped: Vec<(f64, f64)> = pairs.iter().map(|&(x, y)| (y, x)).collect();
            prop_assert!((rho - spearman(&swapped)).abs() < 1e-12);
        }

        #[test]
        fn r_squared_is_what_the_least_squares_line_explains(xs in readings(9), ys in readings(9)) {
            let pairs: Vec<(f64, f64)> = xs.iter().copied().zip(ys.iter().copied()).collect();
            let (mx, my) = (mean(&xs), mean(&ys));
            let slope = pairs.iter().map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
                / xs.iter().map(|x| (x - mx).powi(2)).sum::<f64>();
            let left: f64 = pairs.iter().map(|(x, y)| (y - my - slope * (x - mx)).powi(2)).sum();
            let all: f64 = ys.iter().map(|y| (y - my).powi(2)).sum();
            prop_assert!((r_squared(&pairs) - (1.0 - left / all)).abs() < 1e-9);
        }

        #[test]
        fn the_spread_splits_between_prompts_and_seeds(
            by_prompt in proptest::collection::vec(readings(4), 1..6),
        ) {
            let spread = spread(&by_prompt);
            let parts = spread.between_prompts.powi(2) + spread.between_seeds.powi(2);
            prop_assert!((spread.total.powi(2) - parts).abs() < 1e-9);
        }

        #[test]
        fn a_straight_line_has_no_error_and_a_shift_is_its_error(
            low in -1.0_f64..1.0, high in -1.0_f64..1.0, shift in -1.0_f64..1.0,
        ) {
            let curve: Vec<(f64, f64)> = (0..5)
                .map(|i| (f64::from(i), low + (high - low) * f64::from(i) / 4.0 + shift))
                .collect();
            prop_assert!(mean_mae(&curve, Anchors::OwnEnds) < 1e-12);
            let absolute = mean_mae(&curve, Anchors::Absolute(low, high));
            prop_assert!((absolute - shift.abs()).abs() < 1e-9);
        }
    }
}
