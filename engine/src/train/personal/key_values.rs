//! Keys and values of the attention to the text, whole (Custom Diffusion, arXiv 2212.04488): what
//! the text says to the picture, and nothing else.

use tch::Tensor;

use super::parts::find;
use crate::Result;
use crate::layers::LayerChange;
use crate::models::unet::UNet;

/// Whole differences of the key and value projections.
#[derive(Debug)]
pub(crate) struct KeyValues {
    /// By path in diffusers naming, `[out, in]`.
    pub(crate) deltas: Vec<(String, Tensor)>,
}

impl KeyValues {
    /// Differences that are zero still, in the dtype and on the device of `unet`'s layers.
    ///
    /// # Errors
    /// Memory runs out.
    pub(crate) fn fresh(unet: &UNet) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let mut deltas = Vec::new();
        let mut outcome = Ok(());
        unet.for_each_layer(&mut |path, layer| {
            if path.ends_with("attn2.to_k") || path.ends_with("attn2.to_v") {
                match layer.own().0.f_zeros_like() {
                    Ok(zeros) => deltas.push((path.to_owned(), zeros)),
                    Err(error) => outcome = Err(error),
                }
            }
        });
        outcome?;
        Ok(Self { deltas })
    }

    /// Puts the weights with their differences onto `unet`, with gradients to the differences.
    ///
    /// # Errors
    /// Memory runs out.
    pub(crate) fn put(&self, unet: &UNet) -> Result<()> {
        let mut outcome = Ok(());
        unet.for_each_layer(&mut |path, layer| {
            let Some((_, delta)) = self.deltas.iter().find(|(own, _)| own == path) else {
                return;
            };
            match layer.own().0.f_add(delta) {
                Ok(weight) => layer.set_change(Some(LayerChange {
                    weight: Some(weight),
                    ..LayerChange::default()
                })),
                Err(error) => outcome = Err(error),
            }
        });
        Ok(outcome?)
    }

    /// The differences by name, as they are trained.
    pub(crate) fn parameters(&self) -> Vec<(String, Tensor)> {
        let named = |(path, delta): &(String, Tensor)| (name(path), delta.shallow_clone());
        self.deltas.iter().map(named).collect()
    }

    /// The same layers with trained `parameters` in the place of their own.
    ///
    /// # Errors
    /// One of them is missing.
    pub(crate) fn with_parameters(&self, parameters: &[(String, Tensor)]) -> Result<Self> {
        let of = |(path, _): &(String, Tensor)| Ok((path.clone(), find(parameters, &name(path))?));
        let deltas = self.deltas.iter().map(of);
        Ok(Self {
            deltas: deltas.collect::<Result<_>>()?,
        })
    }
}

fn name(path: &str) -> String {
    format!("unet.{path}.delta")
}
