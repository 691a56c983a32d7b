//! Normalisation layers.

use std::cell::RefCell;

use tch::{Device, Kind, Tensor};

use crate::Result;
use crate::weights::{Init, Params};

/// What adapters make of one normalisation: scale and shift `[channels]` in place of its own.
#[derive(Debug)]
pub struct NormChange {
    /// In place of the scale.
    pub weight: Tensor,
    /// In place of the shift.
    pub bias: Tensor,
}

/// A normalisation layer whose scale and shift an adapter may change.
#[derive(Debug, Clone, Copy)]
pub enum NormRef<'a> {
    /// Over groups of channels.
    Group(&'a GroupNorm),
    /// Over the last dimension.
    Layer(&'a LayerNorm),
}

/// What is called for every normalisation, with its full name in diffusers naming, such as
/// `mid_block.resnets.0.norm1`.
pub type NormVisitor<'v> = dyn FnMut(&str, NormRef<'_>) + 'v;

impl NormRef<'_> {
    /// Scale and shift as loaded, `[channels]` each.
    pub fn own(&self) -> (&Tensor, &Tensor) {
        match self {
            Self::Group(norm) => (&norm.weight, &norm.bias),
            Self::Layer(norm) => (&norm.weight, &norm.bias),
        }
    }

    /// Dtype and device of scale and shift.
    pub fn options(&self) -> (Kind, Device) {
        let (weight, _) = self.own();
        (weight.kind(), weight.device())
    }

    /// Sets what adapters make of it; `None` leaves it as it was loaded.
    pub fn set_change(&self, change: Option<NormChange>) {
        match self {
            Self::Group(norm) => *norm.change.borrow_mut() = change,
            Self::Layer(norm) => *norm.change.borrow_mut() = change,
        }
    }
}

impl NormChange {
    /// The same tensors again, for a second layer over the same parameters.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.shallow_clone(),
        }
    }
}

fn current<'a>(
    change: Option<&'a NormChange>,
    weight: &'a Tensor,
    bias: &'a Tensor,
) -> (&'a Tensor, &'a Tensor) {
    change.map_or((weight, bias), |change| (&change.weight, &change.bias))
}

/// Group normalisation with scale and shift.
#[derive(Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    eps: f64,
    change: RefCell<Option<NormChange>>,
}

impl GroupNorm {
    /// Takes `weight` and `bias` `[channels]` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, groups: i64, channels: i64, eps: f64) -> Result<Self> {
        let weight = params.get("weight", &[channels], Init::Ones)?;
        let bias = params.get("bias", &[channels], Init::Zeros)?;
        Ok(Self {
            weight,
            bias,
            groups,
            eps,
            change: RefCell::default(),
        })
    }

    /// `[batch, channels, ..]` to the same shape.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let change = self.change.borrow();
        let (weight, bias) = current(change.as_ref(), &self.weight, &self.bias);
        Ok(x.f_group_norm(self.groups, Some(weight), Some(bias), self.eps, true)?)
    }
}

/// Layer normalisation over the last dimension.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    eps: f64,
    change: RefCell<Option<NormChange>>,
}

impl LayerNorm {
    /// Takes `weight` and `bias` `[dim]` from `params`.
    ///
    /// # Errors
    /// See [`Params::get`].
    pub fn new(params: &Params, dim: i64, eps: f64) -> Result<Self> {
        let weight = params.get("weight", &[dim], Init::Ones)?;
        let bias = params.get("bias", &[dim], Init::Zeros)?;
        Ok(Self {
            weight,
            bias,
            eps,
            change: RefCell::default(),
        })
    }

    /// `[.., dim]` to the same shape.
    ///
    /// # Errors
    /// Shapes disagree or memory runs out.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let dim = self.weight.size();
        let change = self.change.borrow();
        let (weight, bias) = current(change.as_ref(), &self.weight, &self.bias);
        Ok(x.f_layer_norm(dim, Some(weight), Some(bias), self.eps, true)?)
    }
}
