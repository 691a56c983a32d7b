//! Figures that say how good something is.

/// Peak signal-to-noise ratio in dB of a mean square error on a scale that spans `range`.
pub fn psnr_db(mean_square: f64, range: f64) -> f64 {
    10.0 * (range * range / mean_square.max(1e-12)).log10()
}

/// Spearman's rank correlation of pairs, -1..1; ties share their mean rank. 0 where one side is
/// constant.
pub fn spearman(pairs: &[(f64, f64)]) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    let (a, b) = (ranks(&a), ranks(&b));
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        both += (x - mean) * (y - mean);
        left += (x - mean).powi(2);
        right += (y - mean).powi(2);
    }
    if left * right > 0.0 {
        both / (left * right).sqrt()
    } else {
        0.0
    }
}

/// The rank of each value, from 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for group in order.chunk_by(|&a, &b| values[a].total_cmp(&values[b]).is_eq()) {
        let mean = start as f64 + (group.len() as f64 - 1.0) / 2.0;
        for &i in group {
            ranks[i] = mean;
        }
        start += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::{psnr_db, spearman};

    #[test]
    fn ranks_correlate_whatever_the_curve() {
        let rising: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i), f64::from(i * i))).collect();
        assert!((spearman(&rising) - 1.0).abs() < 1e-12);
        let falling: Vec<(f64, f64)> = rising.iter().map(|&(a, b)| (a, -b)).collect();
        assert!((spearman(&falling) + 1.0).abs() < 1e-12);
    }

    #[test]
    fn ties_share_their_rank_and_a_constant_correlates_with_nothing() {
        // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / √(4.5 · 5).
        let pairs = [(1.0, 0.0), (2.0, 1.0), (2.0, 2.0), (3.0, 3.0)];
        assert!((spearman(&pairs) - 0.9_f64.sqrt()).abs() < 1e-12);
        let constant = [(1.0, 0.0), (1.0, 1.0)];
        assert!(spearman(&constant).abs() < 1e-12);
    }

    #[test]
    fn an_error_of_a_tenth_of_the_range_is_20_db() {
        assert!((psnr_db(25.5 * 25.5, 255.0) - 20.0).abs() < 1e-9);
        assert!((psnr_db(0.04, 2.0) - 20.0).abs() < 1e-9);
    }
}
