//! Two-dimensional convolutions.

use std::cell::RefCell;

use tch::Tensor;

use super::LowRankBranch;
use crate::Result;
use crate::weights::{Init, Params};

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
        let mut out = conv(x, &self.weight, self.bias.as_ref(), stride, padding)?;
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
}
