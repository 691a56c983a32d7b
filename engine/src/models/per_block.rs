//! Configuration values that config.json gives once for all blocks or once for each.

use serde::{Deserialize, Serialize};

/// One value for all blocks, or one for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PerBlock<T> {
    /// The same value for every block.
    All(T),
    /// One value a block, outermost (highest resolution) first.
    Each(Vec<T>),
}

impl<T: Copy> PerBlock<T> {
    /// The value of block `index`, or `None` where the list is too short.
    pub fn get(&self, index: usize) -> Option<T> {
        match self {
            Self::All(value) => Some(*value),
            Self::Each(values) => values.get(index).copied(),
        }
    }
}
