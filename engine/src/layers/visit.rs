//! Walking over the layers that can carry low-rank branches.

use tch::{Device, Kind, Tensor};

use super::{Conv2d, LayerChange, Linear, LowRankBranch};
use crate::Result;

/// A layer that can carry low-rank branches.
#[derive(Debug, Clone, Copy)]
pub enum LayerRef<'a> {
    /// A linear layer.
    Linear(&'a Linear),
    /// A convolution.
    Conv2d(&'a Conv2d),
}

/// What is called for every layer, with its full name in diffusers naming, such as
/// `mid_block.resnets.0.conv1`.
pub type LayerVisitor<'v> = dyn FnMut(&str, LayerRef<'_>) + 'v;

impl LayerRef<'_> {
    /// Shape of the weight: `[out, in]` or `[out, in, k, k]`.
    pub fn weight_shape(&self) -> Vec<i64> {
        match self {
            Self::Linear(layer) => layer.weight.size(),
            Self::Conv2d(layer) => layer.weight.size(),
        }
    }

    /// The weight as loaded, and the bias.
    pub fn own(&self) -> (&Tensor, Option<&Tensor>) {
        match self {
            Self::Linear(layer) => (&layer.weight, layer.bias.as_ref()),
            Self::Conv2d(layer) => (&layer.weight, layer.bias.as_ref()),
        }
    }

    /// Sets what adapters make of it; `None` leaves it as it was loaded.
    pub fn set_change(&self, change: Option<LayerChange>) {
        match self {
            Self::Linear(layer) => layer.set_change(change),
            Self::Conv2d(layer) => layer.set_change(change),
        }
    }

    /// Dtype and device of the weight.
    pub fn weight_options(&self) -> (Kind, Device) {
        let weight = match self {
            Self::Linear(layer) => &layer.weight,
            Self::Conv2d(layer) => &layer.weight,
        };
        (weight.kind(), weight.device())
    }

    /// Adds an unmerged low-rank branch.
    pub fn add_branch(&self, branch: LowRankBranch) {
        match self {
            Self::Linear(layer) => layer.add_branch(branch),
            Self::Conv2d(layer) => layer.add_branch(branch),
        }
    }

    /// Removes all branches.
    pub fn clear_branches(&self) {
        match self {
            Self::Linear(layer) => layer.clear_branches(),
            Self::Conv2d(layer) => layer.clear_branches(),
        }
    }

    /// Folds the branches into the weight at their present strength and removes them.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn merge_branches(&self) -> Result<()> {
        match self {
            Self::Linear(layer) => layer.merge_branches(),
            Self::Conv2d(layer) => layer.merge_branches(),
        }
    }
}
