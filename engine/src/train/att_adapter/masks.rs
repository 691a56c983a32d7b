//! Which attributes a picture shows the adapter at a step, so that any part of them can be set.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Fraction of pictures of which nothing is told.
const NONE: f64 = 0.1;
/// Fraction of pictures of which all that is known is told; of the others each value by a coin.
const ALL: f64 = 0.45;

/// `row` with some of its values taken away.
pub(super) fn mask(row: &[Option<f64>], rng: &mut ChaCha8Rng) -> Vec<Option<f64>> {
    let part: f64 = rng.random();
    let kept = if part < NONE {
        0.0
    } else if part < NONE + ALL {
        1.0
    } else {
        0.5
    };
    row.iter()
        .map(|value| value.filter(|_| rng.random_bool(kept)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::random::step_rng;

    #[test]
    fn nothing_all_and_parts_are_told_as_often_as_they_should() {
        let row = [Some(0.1), None, Some(0.3), Some(0.4), Some(0.5)];
        let mut rng = step_rng(1, 0, 0);
        let (mut none, mut all, mut first) = (0, 0, 0);
        for _ in 0..4000 {
            let masked = mask(&row, &mut rng);
            assert!(masked.iter().zip(&row).all(|(m, r)| m.is_none() || m == r));
            let told = masked.iter().flatten().count();
            none += usize::from(told == 0);
            all += usize::from(told == 4);
            first += usize::from(masked[0].is_some());
        }
        // A sixteenth of the coin's rows come out whole, and another one empty.
        let near = |got: usize, want: f64| (got as f64 / 4000.0 - want).abs() < 0.03;
        assert!(near(none, 0.1 + 0.45 / 16.0) && near(all, 0.45 + 0.45 / 16.0));
        assert!(near(first, 0.45 + 0.225));
    }
}
