//! Adapters on the layers of a loaded model, whose own weights they leave as they are.
//!
//! Plain low-rank branches stay unmerged, all adapters' side by side. What is no low-rank branch
//! becomes a second weight of each layer that it touches, so that a step costs no more than without
//! it.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::delta::Delta;
use super::keys::Component;
use super::read::{Adapter, LayerDelta};
use crate::Result;
use crate::layers::{
    LayerChange, LayerRef, LayerVisitor, LowRankSum, NormChange, NormRef, NormVisitor,
};
use crate::models::clip::ClipTextModel;
use crate::models::unet::UNet;

/// What adapters make of one network. Adapters at weight 0 are not in it.
#[derive(Debug, Default)]
pub struct Changes {
    layers: BTreeMap<String, LayerChange>,
    norms: BTreeMap<String, NormChange>,
    branches: Vec<Branches>,
    /// Whether a new weight of an adapter changes more than strengths of branches.
    is_rigid: bool,
}

/// The low-rank branches of one layer.
#[derive(Debug)]
struct Branches {
    /// `[out, ranks]`, each column at weight 1; fp32.
    at_one: Tensor,
    /// The same times the weights, in the layer's dtype: what the layer reads.
    up: Tensor,
    /// Which adapter has how many columns, in order.
    columns: Vec<(usize, i64)>,
}

impl Changes {
    /// What `adapters` make of `unet`, each at its weight.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn of_unet(unet: &UNet, adapters: &[(&Adapter, f64)]) -> Result<Self> {
        Self::collect(
            Component::UNet,
            adapters,
            |visitor| unet.for_each_layer(visitor),
            |visitor| unet.for_each_norm(visitor),
        )
    }

    /// What `adapters` make of `encoder`, which is the text encoder `component`.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn of_text(
        encoder: &ClipTextModel,
        component: Component,
        adapters: &[(&Adapter, f64)],
    ) -> Result<Self> {
        Self::collect(
            component,
            adapters,
            |visitor| encoder.for_each_layer(visitor),
            |visitor| encoder.for_each_norm(visitor),
        )
    }

    fn collect(
        component: Component,
        adapters: &[(&Adapter, f64)],
        for_each_layer: impl FnOnce(&mut LayerVisitor<'_>),
        for_each_norm: impl FnOnce(&mut NormVisitor<'_>),
    ) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let mut changes = Self::default();
        let mut outcome = Ok(());
        for_each_layer(&mut |path, layer| {
            if outcome.is_ok() {
                outcome = changes.add_layer(component, path, layer, adapters);
            }
        });
        outcome?;
        let mut outcome = Ok(());
        for_each_norm(&mut |path, norm| {
            if outcome.is_ok() {
                outcome = changes.add_norm(component, path, norm, adapters);
            }
        });
        outcome.map(|()| changes)
    }

    fn add_layer(
        &mut self,
        component: Component,
        path: &str,
        layer: LayerRef<'_>,
        adapters: &[(&Adapter, f64)],
    ) -> Result<()> {
        let place = (component, path.to_owned());
        let own = adapters.iter().enumerate();
        let own = own.filter(|(_, (_, weight))| *weight != 0.0);
        let own: Vec<(usize, &LayerDelta, f64)> = own
            .filter_map(|(i, (adapter, weight))| Some((i, adapter.layers.get(&place)?, *weight)))
            .collect();
        if own.is_empty() {
            return Ok(());
        }
        let options = layer.weight_options();
        let mut change = LayerChange::default();
        let (mut downs, mut ups, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for (index, delta, strength) in own {
            if let (Some(Delta::LowRank { down, up, scale }), None) =
                (&delta.weight, &delta.magnitude)
            {
                let rank = down.size()[0];
                let mut shape = layer.weight_shape();
                shape[0] = rank;
                downs.push(down.f_reshape(&shape)?);
                ups.push(up.f_mul_scalar(*scale)?);
                columns.push((index, rank));
            } else if let Some(weight) = &delta.weight {
                let own = layer.own().0;
                let so_far = change.weight.take();
                let so_far = so_far.map_or_else(|| fp32(own), Ok)?;
                let difference = weight
                    .dense(&layer.weight_shape())?
                    .f_to_device(options.1)?;
                let difference = match &delta.magnitude {
                    None => difference.f_mul_scalar(strength)?,
                    Some(magnitude) => {
                        let own = fp32(own)?;
                        let magnitude = magnitude.on(options.1)?;
                        magnitude.apply(&own, &difference, strength)?.f_sub(&own)?
                    }
                };
                change.weight = Some(so_far.f_add(&difference)?);
                self.is_rigid = true;
            }
            if let Some(bias) = &delta.bias {
                let so_far = change.bias.take();
                let so_far = match (so_far, layer.own().1) {
                    (Some(so_far), _) => Some(so_far),
                    (None, Some(own)) => Some(fp32(own)?),
                    (None, None) => None,
                };
                let difference = bias.f_to_device(options.1)?.f_mul_scalar(strength)?;
                change.bias = Some(match so_far {
                    Some(so_far) => so_far.f_add(&difference)?,
                    None => difference,
                });
                self.is_rigid = true;
            }
        }
        change.weight = cast(change.weight, options)?;
        change.bias = cast(change.bias, options)?;
        if !downs.is_empty() {
            let at_one = Tensor::f_cat(&ups, 1)?.f_to_device(options.1)?;
            let down = Tensor::f_cat(&downs, 0)?;
            let down = down.f_to_device(options.1)?.f_to_kind(options.0)?;
            let up = at_one.f_zeros_like()?.f_to_kind(options.0)?;
            change.low_rank = Some(LowRankSum::new(down, up.shallow_clone()));
            let branches = Branches {
                at_one,
                up,
                columns,
            };
            let weights: Vec<f64> = adapters.iter().map(|(_, weight)| *weight).collect();
            branches.set(&weights, &mut BTreeMap::new())?;
            self.branches.push(branches);
        }
        self.layers.insert(path.to_owned(), change);
        Ok(())
    }

    fn add_norm(
        &mut self,
        component: Component,
        path: &str,
        norm: NormRef<'_>,
        adapters: &[(&Adapter, f64)],
    ) -> Result<()> {
        let place = (component, path.to_owned());
        let (weight, bias) = norm.own();
        let options = norm.options();
        let (mut new_weight, mut new_bias) = (fp32(weight)?, fp32(bias)?);
        let mut found = false;
        for (adapter, strength) in adapters.iter().filter(|(_, weight)| *weight != 0.0) {
            let Some(delta) = adapter.norms.get(&place) else {
                continue;
            };
            let scaled = |delta: &Tensor| -> Result<Tensor> {
                Ok(delta.f_to_device(options.1)?.f_mul_scalar(*strength)?)
            };
            if let Some(delta) = &delta.weight {
                new_weight = new_weight.f_add(&scaled(delta)?)?;
            }
            if let Some(delta) = &delta.bias {
                new_bias = new_bias.f_add(&scaled(delta)?)?;
            }
            found = true;
        }
        if found {
            self.is_rigid = true;
            let change = NormChange {
                weight: new_weight.f_to_kind(options.0)?,
                bias: new_bias.f_to_kind(options.0)?,
            };
            self.norms.insert(path.to_owned(), change);
        }
        Ok(())
    }

    /// Moves the same adapters to other weights, in the very tensors that the layers read; false
    /// where that is not enough and the changes must be made anew. None of the weights that were
    /// not 0 may become 0, nor the other way round.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn set_weights(&self, weights: &[f64]) -> Result<bool> {
        if self.is_rigid {
            return Ok(false);
        }
        let _guard = tch::no_grad_guard();
        let mut rows = BTreeMap::new();
        for branches in &self.branches {
            branches.set(weights, &mut rows)?;
        }
        Ok(true)
    }

    /// Puts the changes on `unet`, and takes off those that were there.
    pub fn put_on_unet(&self, unet: &UNet) {
        unet.for_each_layer(&mut |path, layer| self.put_on_layer(path, layer));
        unet.for_each_norm(&mut |path, norm| self.put_on_norm(path, norm));
    }

    /// Puts the changes on `encoder`, and takes off those that were there.
    pub fn put_on_text(&self, encoder: &ClipTextModel) {
        encoder.for_each_layer(&mut |path, layer| self.put_on_layer(path, layer));
        encoder.for_each_norm(&mut |path, norm| self.put_on_norm(path, norm));
    }

    fn put_on_layer(&self, path: &str, layer: LayerRef<'_>) {
        layer.set_change(self.layers.get(path).map(LayerChange::shallow_clone));
    }

    fn put_on_norm(&self, path: &str, norm: NormRef<'_>) {
        norm.set_change(self.norms.get(path).map(NormChange::shallow_clone));
    }
}

impl Branches {
    /// `rows` keeps the strengths of layers with the same columns.
    fn set(&self, weights: &[f64], rows: &mut BTreeMap<Vec<(usize, i64)>, Tensor>) -> Result<()> {
        let row = if let Some(row) = rows.get(&self.columns) {
            row.shallow_clone()
        } else {
            let strengths = self.columns.iter().flat_map(|&(index, rank)| {
                let weight = weights.get(index).copied().unwrap_or_default();
                std::iter::repeat_n(weight as f32, rank as usize)
            });
            let strengths: Vec<f32> = strengths.collect();
            let row = Tensor::f_from_slice(&strengths)?.f_to_device(self.at_one.device())?;
            rows.insert(self.columns.clone(), row.shallow_clone());
            row
        };
        if self.up.kind() == Kind::Float {
            let _ = self.at_one.f_mul_out(&self.up, &row)?;
        } else {
            self.up.shallow_clone().f_copy_(&self.at_one.f_mul(&row)?)?;
        }
        Ok(())
    }
}

fn fp32(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.f_to_kind(Kind::Float)?)
}

fn cast(tensor: Option<Tensor>, (kind, device): (Kind, Device)) -> Result<Option<Tensor>> {
    let cast =
        |tensor: Tensor| -> Result<Tensor> { Ok(tensor.f_to_device(device)?.f_to_kind(kind)?) };
    tensor.map(cast).transpose()
}
