//! Differences of weights as low-rank factors, by their singular values.

use tch::{Kind, Tensor};

use super::keys::Component;
use super::write::LoraLayer;
use crate::{EngineError, Result};

/// The best factors of one rank (Eckart and Young, 1936), each with the square roots of the
/// singular values.
#[derive(Debug)]
pub struct Factors {
    /// `[rank, in]`, or `[rank, in, k, k]` for convolutions; fp32.
    pub down: Tensor,
    /// `[out, rank]`, or `[out, rank, 1, 1]` for convolutions; fp32.
    pub up: Tensor,
    /// Fraction, 0..1, of the difference's squares that they hold.
    pub kept: f64,
}

impl Factors {
    /// The layer at `path` of `component`, at the scale 1.
    pub fn into_layer(self, component: Component, path: &str) -> LoraLayer {
        LoraLayer {
            component,
            path: path.to_owned(),
            alpha: self.down.size().first().copied().unwrap_or(1) as f64,
            down: self.down,
            up: self.up,
        }
    }
}

/// The factors of `delta` `[out, in]` or `[out, in, k, k]` with `rank`, or with as many as it has
/// dimensions.
///
/// # Errors
/// It has another shape, holds what is no number, or memory runs out.
pub fn low_rank_of(delta: &Tensor, rank: i64) -> Result<Factors> {
    let _guard = tch::no_grad_guard();
    let shape = delta.size();
    if rank < 1 || !matches!(shape.len(), 2 | 4) {
        let problem = format!("{shape:?} at rank {rank} has no low-rank factors");
        return Err(EngineError::request("rank", problem));
    }
    let flat = delta.f_to_kind(Kind::Float)?.f_reshape([shape[0], -1])?;
    if !bool::try_from(flat.f_isfinite()?.f_all()?)? {
        return Err(EngineError::request(
            "weights",
            "hold what is no number; train or fetch them again",
        ));
    }
    let rank = rank.min(flat.size()[0]).min(flat.size()[1]);
    let (u, s, v) = flat.f_svd(true, true)?;
    let squares = s.f_square()?;
    let all = f64::try_from(squares.f_sum(Kind::Double)?)?;
    let own = f64::try_from(squares.f_narrow(0, 0, rank)?.f_sum(Kind::Double)?)?;
    let root = s.f_narrow(0, 0, rank)?.f_sqrt()?;
    let up = u.f_narrow(1, 0, rank)?.f_mul(&root)?;
    let down = v.f_narrow(1, 0, rank)?.f_mul(&root)?.f_transpose(0, 1)?;
    let (mut down_shape, mut up_shape) = (shape.clone(), vec![1; shape.len()]);
    down_shape[0] = rank;
    (up_shape[0], up_shape[1]) = (shape[0], rank);
    Ok(Factors {
        down: down.f_reshape(down_shape)?.f_contiguous()?,
        up: up.f_reshape(up_shape)?.f_contiguous()?,
        kept: if all > 0.0 { own / all } else { 1.0 },
    })
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn factors_of_a_low_rank_difference_are_the_difference() {
        let options = (Kind::Float, Device::Cpu);
        let values = |n: i64, shape: &[i64]| (Tensor::arange(n, options) * 0.7).sin().view(shape);
        let (up, down) = (values(12, &[6, 2]), values(2 * 45, &[2, 45]) + 0.1);
        let delta = up.matmul(&down).view([6, 5, 3, 3]);
        let factors = low_rank_of(&delta, 2).unwrap();
        assert_eq!(factors.down.size(), [2, 5, 3, 3]);
        assert_eq!(factors.up.size(), [6, 2, 1, 1]);
        assert!(factors.kept > 1.0 - 1e-6);
        let again = factors.up.view([6, 2]).matmul(&factors.down.view([2, 45]));
        assert!(again.view([6, 5, 3, 3]).allclose(&delta, 1e-4, 1e-5, false));
        // One alone holds less, and none has more than the matrix.
        let one = low_rank_of(&delta, 1).unwrap();
        assert!(one.kept < 1.0 && one.kept > 0.5);
        assert_eq!(low_rank_of(&delta, 99).unwrap().up.size()[1], 6);
        assert!(low_rank_of(&delta, 0).is_err());
        assert!(low_rank_of(&(delta * f64::NAN), 1).is_err());
    }
}
