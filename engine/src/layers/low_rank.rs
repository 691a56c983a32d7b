//! Low-rank branches beside a frozen weight (LoRA, arXiv 2106.09685).

use std::cell::Cell;
use std::rc::Rc;

use tch::Tensor;

/// A strength shared by all branches of one adapter; it may change from step to step.
pub type Multiplier = Rc<Cell<f64>>;

/// One unmerged branch: `out += multiplier · scale · up(down(x))`.
#[derive(Debug)]
pub struct LowRankBranch {
    /// `[rank, in]` for linear layers, `[rank, in, k, k]` for convolutions.
    pub down: Tensor,
    /// `[out, rank]` for linear layers, `[out, rank, 1, 1]` for convolutions.
    pub up: Tensor,
    /// `alpha / rank`.
    pub scale: f64,
    /// The adapter's present strength; at 0 the branch is skipped.
    pub multiplier: Multiplier,
}

impl LowRankBranch {
    /// `multiplier · scale`.
    pub fn strength(&self) -> f64 {
        self.multiplier.get() * self.scale
    }
}
