//! What an adapter adds to one weight, in the form in which its file has it.
//!
//! Sources of the formulas: LoRA (arXiv 2106.09685), LoCon, LoHa and LoKr as LyCORIS has them
//! (arXiv 2309.14859), DoRA (arXiv 2402.09353).

use tch::{Device, Kind, Tensor};

use crate::Result;

/// The difference that an adapter makes to a weight `[out, in]` or `[out, in, k, k]` at weight 1.
/// All tensors are fp32.
#[derive(Debug)]
pub enum Delta {
    /// `scale · up · down`: LoRA, and LoCon with its middle matrix multiplied into `down`.
    LowRank {
        /// `[rank, in]`, or `[rank, in, k, k]`.
        down: Tensor,
        /// `[out, rank]`.
        up: Tensor,
        /// `alpha / rank`.
        scale: f64,
    },
    /// `scale · first ∘ second`, element by element: LoHa.
    Hadamard {
        /// The first factor.
        first: Product,
        /// The second factor.
        second: Product,
        /// `alpha / rank`.
        scale: f64,
    },
    /// `scale · first ⊗ second`, Kronecker's product over the first two dimensions: `LoKr`.
    Kronecker {
        /// `[a, b]`.
        first: Tensor,
        /// `[out / a, in / b]`, or `[out / a, in / b, k, k]`.
        second: Tensor,
        /// `alpha / rank`, or 1 where both factors are whole.
        scale: f64,
    },
    /// The difference itself.
    Full(Tensor),
}

/// A matrix in factors.
#[derive(Debug)]
pub struct Product {
    /// `[out, rank]`; `[rank, out]` beside a core.
    pub a: Tensor,
    /// `[rank, in]`, `[rank, in·k·k]`.
    pub b: Tensor,
    /// The core `[rank, rank, k, k]` of Tucker's form.
    pub core: Option<Tensor>,
}

impl Product {
    /// `[out, ..]`: the whole matrix.
    fn whole(&self) -> Result<Tensor> {
        match &self.core {
            None => Ok(self.a.f_matmul(&self.b)?),
            Some(core) => tucker(core, &self.a.f_transpose(0, 1)?, &self.b),
        }
    }
}

/// `Σ a[o, i] · core[i, j, k, l] · b[j, n]` as `[out, in, k, k]`, for `a` `[out, rank]` and `b`
/// `[rank, in]`.
pub(super) fn tucker(core: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (i, j, height, width) = core.size4()?;
    let out = a.f_matmul(&core.f_reshape([i, j * height * width])?)?;
    let out = out.f_reshape([-1, j, height * width])?;
    // [out, k·k, rank] × [rank, in]
    let out = out.f_transpose(1, 2)?.f_matmul(b)?.f_transpose(1, 2)?;
    Ok(out.f_reshape([a.size()[0], b.size()[1], height, width])?)
}

/// Kronecker's product of `first` `[a, b]` and `second` `[c, d(, k, k)]`: `[a·c, b·d(, k, k)]`.
fn kronecker(first: &Tensor, second: &Tensor) -> Result<Tensor> {
    let [a, b] = [first.size()[0], first.size()[1]];
    let shape = second.size();
    let (c, d, inner) = (shape[0], shape[1], shape[2..].iter().product::<i64>());
    let first = first.f_reshape([a, 1, b, 1, 1])?;
    let second = second.f_reshape([1, c, 1, d, inner])?;
    let mut whole = vec![a * c, b * d];
    whole.extend(&shape[2..]);
    Ok(first.f_mul(&second)?.f_reshape(whole)?)
}

impl Delta {
    /// The difference as one tensor of `shape`, the weight's; fp32.
    ///
    /// # Errors
    /// It has another number of elements, or memory runs out.
    pub fn dense(&self, shape: &[i64]) -> Result<Tensor> {
        let (delta, scale) = match self {
            Self::LowRank { down, up, scale } => {
                let down = down.f_reshape([down.size()[0], -1])?;
                (up.f_matmul(&down)?, *scale)
            }
            Self::Hadamard {
                first,
                second,
                scale,
            } => (first.whole()?.f_mul(&second.whole()?)?, *scale),
            Self::Kronecker {
                first,
                second,
                scale,
            } => (kronecker(first, second)?, *scale),
            Self::Full(delta) => (delta.shallow_clone(), 1.0),
        };
        let delta = delta.f_reshape(shape)?;
        Ok(if scale.to_bits() == 1.0_f64.to_bits() {
            delta
        } else {
            delta.f_mul_scalar(scale)?
        })
    }

    /// Number of elements of the difference.
    pub(super) fn numel(&self) -> i64 {
        let rows = |product: &Product| match &product.core {
            None => product.a.size()[0] * product.b.size()[1],
            Some(core) => {
                product.a.size()[1] * product.b.size()[1] * core.size()[2] * core.size()[3]
            }
        };
        match self {
            Self::LowRank { down, up, .. } => {
                up.size()[0] * down.numel() as i64 / down.size()[0].max(1)
            }
            Self::Hadamard { first, .. } => rows(first),
            Self::Kronecker { first, second, .. } => (first.numel() * second.numel()) as i64,
            Self::Full(delta) => delta.numel() as i64,
        }
    }

    /// Its name among adapters.
    pub fn label(&self) -> &'static str {
        match self {
            Self::LowRank { .. } => "LoRA",
            Self::Hadamard { .. } => "LoHa",
            Self::Kronecker { .. } => "LoKr",
            Self::Full(_) => "full difference",
        }
    }
}

/// DoRA's magnitudes.
#[derive(Debug)]
pub struct Magnitude {
    /// Of every output `[out, 1, ..]`, or of every input `[1, in, ..]`; as many dimensions as the
    /// weight.
    pub lengths: Tensor,
}

impl Magnitude {
    /// The same on `device`.
    pub(super) fn on(&self, device: Device) -> Result<Self> {
        Ok(Self {
            lengths: self.lengths.f_to_device(device)?,
        })
    }

    /// The weight that the adapter makes of `weight`, with `delta` of its shape and at strength
    /// `strength`: `(W + m·Δ) · (m · (magnitude / ‖W + m·Δ‖ − 1) + 1)`, as LyCORIS has it; at 1
    /// the rule of the paper, at 0 the weight itself.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn apply(&self, weight: &Tensor, delta: &Tensor, strength: f64) -> Result<Tensor> {
        let moved = weight.f_add(&delta.f_mul_scalar(strength)?)?;
        // Over all dimensions along which there is one magnitude.
        let shape = self.lengths.size();
        let over: Vec<i64> = (0..shape.len() as i64)
            .filter(|&dim| shape[dim as usize] == 1)
            .collect();
        let norm = moved
            .f_square()?
            .f_sum_dim_intlist(over.as_slice(), true, None::<Kind>)?
            .f_sqrt()?
            .f_add_scalar(f64::from(f32::EPSILON))?;
        let scale = self.lengths.f_div(&norm)?;
        let scale = scale
            .f_sub_scalar(1.0)?
            .f_mul_scalar(strength)?
            .f_add_scalar(1.0)?;
        Ok(moved.f_mul(&scale)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::lock_generator;

    fn random(size: &[i64]) -> Tensor {
        Tensor::randn(size, (Kind::Float, Device::Cpu))
    }

    fn at(tensor: &Tensor, place: &[i64]) -> f64 {
        tensor.double_value(place)
    }

    #[test]
    fn tucker_and_kronecker_are_their_dense_loops() {
        let _generator = lock_generator();
        tch::manual_seed(4);
        let (core, a, b) = (random(&[2, 3, 2, 2]), random(&[4, 2]), random(&[3, 5]));
        let fast = tucker(&core, &a, &b).unwrap();
        let (first, second) = (random(&[2, 3]), random(&[4, 5, 2, 2]));
        let product = kronecker(&first, &second).unwrap();
        assert_eq!(product.size(), [8, 15, 2, 2]);
        for (k, l) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for o in 0..4 {
                for n in 0..5 {
                    let mut sum = 0.0;
                    for i in 0..2 {
                        for j in 0..3 {
                            sum += at(&a, &[o, i]) * at(&core, &[i, j, k, l]) * at(&b, &[j, n]);
                        }
                    }
                    assert!((at(&fast, &[o, n, k, l]) - sum).abs() < 1e-5);
                }
            }
            for o in 0..8 {
                for n in 0..15 {
                    let expected = at(&first, &[o / 4, n / 5]) * at(&second, &[o % 4, n % 5, k, l]);
                    assert!((at(&product, &[o, n, k, l]) - expected).abs() < 1e-6);
                }
            }
        }
    }

    #[test]
    fn dora_at_nothing_is_the_weight_and_at_one_has_its_magnitudes() {
        let _generator = lock_generator();
        tch::manual_seed(5);
        let (weight, delta) = (random(&[4, 3, 2, 2]), random(&[4, 3, 2, 2]));
        for shape in [[4, 1, 1, 1], [1, 3, 1, 1]] {
            let magnitude = Magnitude {
                lengths: random(&shape).abs(),
            };
            let none = magnitude.apply(&weight, &delta, 0.0).unwrap();
            assert!(none.allclose(&weight, 1e-6, 1e-6, false));
            let one = magnitude.apply(&weight, &delta, 1.0).unwrap();
            let over: &[i64] = if shape[0] == 1 {
                &[0, 2, 3]
            } else {
                &[1, 2, 3]
            };
            let norm = one.square().sum_dim_intlist(over, true, Kind::Float).sqrt();
            assert!(norm.allclose(&magnitude.lengths, 1e-4, 1e-5, false));
        }
    }
}
