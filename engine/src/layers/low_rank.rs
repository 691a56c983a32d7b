//! Low-rank branches beside a frozen weight (LoRA, arXiv 2106.09685).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tch::Tensor;

/// A strength shared by all branches of one adapter; it may change from step to step.
#[derive(Debug, Clone)]
pub struct Multiplier(Arc<AtomicU64>);

impl Multiplier {
    /// A strength that starts at `value`.
    pub fn new(value: f64) -> Self {
        Self(Arc::new(AtomicU64::new(value.to_bits())))
    }

    /// The present strength.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Changes the strength for every branch that shares it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

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
