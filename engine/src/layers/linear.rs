//! Linear layers.

use std::cell::RefCell;

use tch::Tensor;

use super::{LayerChange, LowRankBranch};
use crate::Result;
use crate::weights::{Init, Params};

/// `x Wᵀ + b`, plus any low-rank branches.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    branches: RefCell<Vec<LowRankBranch>>,
    change: RefCell<Option<LayerChange>>,
}

impl Linear {
    /// Takes `weight` `[out_dim, in_dim]` and, where `bias` is set, `bias` `[out_dim]` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, in_dim: i64, out_dim: i64, bias: bool) -> Result<Self> {
        let init = Init::FanIn(in_dim);
        let weight = params.get("weight", &[out_dim, in_dim], init)?;
        let bias = if bias {
            Some(params.get("bias", &[out_dim], init)?)
        } else {
            None
        };
        Ok(Self::from_tensors(weight, bias))
    }

    /// A layer around existing tensors: `weight` `[out, in]`, `bias` `[out]`.
    pub fn from_tensors(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            weight,
            bias,
            branches: RefCell::default(),
            change: RefCell::default(),
        }
    }

    /// Adds an unmerged low-rank branch.
    pub fn add_branch(&self, branch: LowRankBranch) {
        self.branches.borrow_mut().push(branch);
    }

    /// Removes all branches.
    pub fn clear_branches(&self) {
        self.branches.borrow_mut().clear();
    }

    /// Whether a branch is attached, be it at strength 0.
    pub fn has_branches(&self) -> bool {
        !self.branches.borrow().is_empty()
    }

    /// Folds the branches into the weight at their present strength and removes them.
    ///
    /// # Errors
    /// libtorch runs out of memory.
    pub fn merge_branches(&self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        for branch in self.branches.take() {
            let delta = branch.up.f_matmul(&branch.down)?;
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

    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let change = self.change.borrow();
        let change = change.as_ref();
        let weight = change.and_then(|c| c.weight.as_ref());
        let bias = change.and_then(|c| c.bias.as_ref());
        let bias = bias.or(self.bias.as_ref());
        let mut out = x.f_linear(weight.unwrap_or(&self.weight), bias)?;
        if let Some(sum) = change.and_then(|c| c.low_rank.as_ref()) {
            out = sum.add_to_linear(out, x)?;
        }
        for branch in self
            .branches
            .borrow()
            .iter()
            .filter(|b| b.strength() != 0.0)
        {
            let low = x.f_linear::<&Tensor>(&branch.down, None)?;
            let high = low.f_linear::<&Tensor>(&branch.up, None)?;
            out = out.f_add(&high.f_mul_scalar(branch.strength())?)?;
        }
        Ok(out)
    }
}
