//! Two-dimensional convolutions.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use super::{LayerChange, LowRankBranch};
use crate::Result;
use crate::weights::{Init, Params};

/// A convolution weight of this many elements is worth not to be copied at every call.
const LARGE_WEIGHT: usize = 1 << 20;

/// Output channels per output pixel from which on a matrix product is the faster convolution.
const DEEP: i64 = 4;

/// Geometry of a square convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Kernel side in pixels.
    pub kernel: i64,
    /// Step in pixels.
    pub stride: i64,
    /// Zero border in pixels.
    pub padding: i64,
}

impl ConvShape {
    /// 3×3, stride 1, border 1.
    pub const SAME_3X3: Self = Self {
        kernel: 3,
        stride: 1,
        padding: 1,
    };
    /// 1×1.
    pub const POINTWISE: Self = Self {
        kernel: 1,
        stride: 1,
        padding: 0,
    };
}

/// A convolution with bias, plus any low-rank branches.
#[derive(Debug)]
pub struct Conv2d {
    /// `[out, in, k, k]`.
    pub weight: Tensor,
    /// `[out]`; absent in the patch embedding of vision towers.
    pub bias: Option<Tensor>,
    shape: ConvShape,
    branches: RefCell<Vec<LowRankBranch>>,
    change: RefCell<Option<LayerChange>>,
}

impl Conv2d {
    /// Takes `weight` and `bias` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(
        params: &Params,
        in_channels: i64,
        out_channels: i64,
        shape: ConvShape,
    ) -> Result<Self> {
        let mut conv = Self::without_bias(params, in_channels, out_channels, shape)?;
        let fan_in = in_channels * shape.kernel * shape.kernel;
        conv.bias = Some(params.get("bias", &[out_channels], Init::FanIn(fan_in))?);
        Ok(conv)
    }

    /// Takes `weight` alone from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn without_bias(
        params: &Params,
        in_channels: i64,
        out_channels: i64,
        shape: ConvShape,
    ) -> Result<Self> {
        let k = shape.kernel;
        let fan_in = in_channels * k * k;
        let weight = params.get(
            "weight",
            &[out_channels, in_channels, k, k],
            Init::FanIn(fan_in),
        )?;
        Ok(Self {
            weight,
            bias: None,
            shape,
            branches: RefCell::default(),
            change: RefCell::default(),
        })
    }

    /// Adds an unmerged low-rank branch.
    pub fn add_branch(&self, branch: LowRankBranch) {
        self.branches.borrow_mut().push(branch);
    }

    /// Removes all branches.
    pub fn clear_branches(&self) {
        self.branches.borrow_mut().clear();
    }

    /// Folds the branches into the weight at their present strength and removes them.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn merge_branches(&self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for branch in self.branches.take() {
            // [out, rank] × [rank, in·k·k]
            let rank = branch.down.size()[0];
            let up = branch.up.f_reshape([-1, rank])?;
            let down = branch.down.f_reshape([rank, -1])?;
            let delta = up.f_matmul(&down)?.f_reshape(self.weight.size())?;
            let _ = self
                .weight
                .shallow_clone()
                .f_add_(&delta.f_mul_scalar(branch.strength())?)?;
        }
        Ok(())
    }

    /// Sets what adapters make of this layer; `None` leaves it as it was loaded.
    pub fn set_change(&self, change: Option<LayerChange>) {
        *self.change.borrow_mut() = change;
    }

    /// `[batch, in, height, width]` to `[batch, out, height', width']`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let ConvShape {
            stride, padding, ..
        } = self.shape;
        let conv = |x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, s: i64, p: i64| {
            x.f_conv2d(weight, bias, [s, s], [p, p], [1, 1], 1)
        };
        let change = self.change.borrow();
        let change = change.as_ref();
        let weight = change.and_then(|c| c.weight.as_ref());
        let weight = weight.unwrap_or(&self.weight);
        let bias = change.and_then(|c| c.bias.as_ref());
        let bias = bias.or(self.bias.as_ref());
        let mut out = if self.is_deep(x, weight)? {
            self.as_product(x, weight, bias)?
        } else {
            conv(x, weight, bias, stride, padding)?
        };
        if let Some(sum) = change.and_then(|c| c.low_rank.as_ref()) {
            let low = conv(x, sum.down(), None, stride, padding)?;
            out = sum.add_to_map(out, &low)?;
        }
        for branch in self
            .branches
            .borrow()
            .iter()
            .filter(|b| b.strength() != 0.0)
        {
            let low = conv(x, &branch.down, None, stride, padding)?;
            let high = conv(&low, &branch.up, None, 1, 0)?;
            out = out.f_add(&high.f_mul_scalar(branch.strength())?)?;
        }
        Ok(out)
    }

    /// Whether one matrix product does the work faster than oneDNN's convolution, which turns its
    /// weight into a layout of its own at every call: where the weight is large and the map small.
    fn is_deep(&self, x: &Tensor, weight: &Tensor) -> Result<bool> {
        let shape = weight.size();
        let large = self.shape.kernel > 1 && weight.numel() >= LARGE_WEIGHT;
        if !large || x.device() != Device::Cpu || x.kind() != Kind::Float {
            return Ok(false);
        }
        let records = x.requires_grad() || weight.requires_grad();
        let (height, width) = self.out_size(x)?;
        Ok(!records && shape[0] >= DEEP * height * width && weight.is_contiguous())
    }

    fn out_size(&self, x: &Tensor) -> Result<(i64, i64)> {
        let ConvShape {
            kernel,
            stride,
            padding,
        } = self.shape;
        let (_, _, height, width) = x.size4()?;
        let out = |side: i64| (side + 2 * padding - kernel) / stride + 1;
        Ok((out(height), out(width)))
    }

    /// The convolution as weight `[out, in·k·k]` times patches `[batch, in·k·k, pixels]`.
    fn as_product(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let ConvShape {
            kernel: k,
            stride,
            padding: p,
        } = self.shape;
        let (batch, channels, _, _) = x.size4()?;
        let (height, width) = self.out_size(x)?;
        let patches = x
            .f_constant_pad_nd([p, p, p, p])?
            .f_unfold(2, k, stride)?
            .f_unfold(3, k, stride)?
            .f_permute([0, 1, 4, 5, 2, 3])?
            .f_reshape([batch, channels * k * k, height * width])?;
        let out_channels = weight.size()[0];
        let weight = weight.f_view([1, out_channels, -1])?;
        let weight = weight.f_expand([batch, -1, -1], false)?;
        let out = match bias {
            Some(bias) => bias
                .f_view([1, -1, 1])?
                .f_baddbmm(&weight, &patches, 1, 1)?,
            None => weight.f_bmm(&patches)?,
        };
        Ok(out.f_view([batch, out_channels, height, width])?)
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::{Conv2d, ConvShape};
    use crate::sampling::lock_generator;
    use crate::weights::ParamStore;

    #[test]
    fn a_deep_convolution_is_the_same_convolution() {
        let _guard = tch::no_grad_guard();
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let shape = |kernel, stride, padding| ConvShape {
            kernel,
            stride,
            padding,
        };
        for (shape, channels, size, deep) in [
            (shape(3, 1, 1), 352, [2, 352, 8, 7], true),
            (shape(3, 2, 1), 352, [1, 352, 9, 16], true),
            (shape(3, 2, 0), 352, [1, 352, 9, 9], true),
            (shape(3, 1, 1), 352, [1, 352, 16, 16], false),
            (shape(3, 1, 1), 32, [1, 32, 2, 2], false),
        ] {
            let _generator = lock_generator();
            tch::manual_seed(3);
            let conv = Conv2d::new(&store.root(), channels, channels, shape).unwrap();
            let x = Tensor::randn(size, (Kind::Float, Device::Cpu));
            assert_eq!(
                conv.is_deep(&x, &conv.weight).unwrap(),
                deep,
                "{shape:?} {size:?}"
            );
            let (s, p) = (shape.stride, shape.padding);
            let expected = x
                .to_kind(Kind::Double)
                .f_conv2d(
                    &conv.weight.to_kind(Kind::Double),
                    conv.bias.as_ref().map(|b| b.to_kind(Kind::Double)),
                    [s, s],
                    [p, p],
                    [1, 1],
                    1,
                )
                .unwrap();
            let got = conv.forward(&x).unwrap().to_kind(Kind::Double);
            assert_eq!(got.size(), expected.size());
            assert!(
                got.allclose(&expected, 1e-4, 1e-5, false),
                "{shape:?} {size:?}"
            );
        }
    }

    #[test]
    fn a_deep_convolution_still_gives_gradients() {
        let store = ParamStore::fresh(Kind::Float, Device::Cpu);
        let conv = {
            let _generator = lock_generator();
            Conv2d::new(&store.root(), 352, 352, ConvShape::SAME_3X3).unwrap()
        };
        let options = (Kind::Float, Device::Cpu);
        let x = Tensor::ones([1, 352, 4, 4], options).set_requires_grad(true);
        conv.forward(&x).unwrap().sum(Kind::Float).backward();
        assert!(x.grad().abs().max().double_value(&[]) > 0.0);
    }
}
