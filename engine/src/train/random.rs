//! Random numbers that follow from seed, worker and step alone: a training that is resumed sees
//! what it would have seen.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

use crate::Result;

/// Random numbers of one training step of one worker.
pub(super) fn step_rng(seed: u64, worker: usize, step: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((worker as u64) << 48 | step);
    rng
}

/// Standard normal numbers of `shape`, in fp32 on the CPU (Box and Muller, 1958).
///
/// libtorch's own generator belongs to the pictures that are rendered meanwhile.
pub(super) fn standard_normal(rng: &mut ChaCha8Rng, shape: &[i64]) -> Result<Tensor> {
    let count = shape.iter().product::<i64>() as usize;
    let mut numbers = Vec::with_capacity(count + 1);
    while numbers.len() < count {
        // 1 − u lies above 0, where the logarithm is finite.
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
        numbers.extend([radius * cos, radius * sin]);
    }
    numbers.truncate(count);
    Ok(Tensor::f_from_slice(&numbers)?.f_view(shape)?)
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn the_numbers_are_standard_normal() {
        let x = standard_normal(&mut step_rng(1, 0, 0), &[50_001]).unwrap();
        let mean = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
        let moments = [1, 2, 3, 4].map(|p| mean(&x.pow_tensor_scalar(p)));
        for (got, want) in moments.into_iter().zip([0.0, 1.0, 0.0, 3.0]) {
            assert!((got - want).abs() < 0.08, "{moments:?}");
        }
        // Neighbours come from one pair.
        let (a, b) = (x.narrow(0, 0, 50_000), x.narrow(0, 1, 50_000));
        assert!(mean(&(a * b)).abs() < 0.02);
    }

    #[test]
    fn every_step_of_every_worker_has_its_own_and_always_the_same() {
        let first = |worker, step| {
            let x = standard_normal(&mut step_rng(7, worker, step), &[2, 3]).unwrap();
            Vec::<f32>::try_from(x.view([-1])).unwrap()
        };
        assert_eq!(first(1, 5), first(1, 5));
        assert_ne!(first(1, 5), first(1, 6));
        assert_ne!(first(1, 5), first(0, 5));
    }
}
