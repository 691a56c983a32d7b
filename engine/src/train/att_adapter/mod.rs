//! Training of adapters on pictures with attribute values (Att-Adapter, arXiv 2503.11937), and of
//! the two baselines that learn from the same data.

mod attention;
mod masks;
mod numbers;
mod start;

use std::sync::Arc;

use crate::controls::AttributeRange;

pub use attention::CvaeWeights;
pub(crate) use attention::{AttentionTrainer, is_for_training_only};
pub(crate) use numbers::{NumbersTrainer, slider};

/// What a worker is told.
#[derive(Debug, Clone)]
pub(crate) struct AdapterTask {
    /// The attributes.
    pub(crate) ranges: Vec<AttributeRange>,
    /// The pictures drawn from.
    pub(crate) learnt: Arc<[usize]>,
    /// Weights of the CVAE's terms.
    pub(crate) cvae: CvaeWeights,
    /// Pictures each step.
    pub(crate) batch: usize,
    /// Seed of parameters, data order and noise.
    pub(crate) seed: u64,
    /// Number of the worker.
    pub(crate) worker: usize,
}

impl AdapterTask {
    /// The attributes' names.
    fn names(&self) -> Vec<String> {
        self.ranges.iter().map(|range| range.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
