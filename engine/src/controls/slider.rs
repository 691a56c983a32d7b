//! Concept Sliders (arXiv 2311.12092): low-rank branches whose shared strength is the slider.

use std::collections::BTreeMap;

use tch::Tensor;

use super::ControlFile;
use crate::layers::{LowRankBranch, Multiplier};
use crate::models::unet::UNet;
use crate::{EngineError, Result};

/// Endings of the tensors of one layer in a control's file, after its path in diffusers naming.
const DOWN: &str = ".lora_down.weight";
const UP: &str = ".lora_up.weight";
const ALPHA: &str = ".alpha";

/// One layer's branch.
#[derive(Debug)]
pub struct SliderLayer {
    /// The layer's path in diffusers naming.
    pub path: String,
    /// `[rank, in]`, or `[rank, in, k, k]` for convolutions.
    pub down: Tensor,
    /// `[out, rank]`, or `[out, rank, 1, 1]` for convolutions.
    pub up: Tensor,
    /// `alpha / rank`.
    pub scale: f64,
}

/// The branches of one slider.
#[derive(Debug)]
pub struct Slider {
    layers: Vec<SliderLayer>,
}

impl Slider {
    /// A slider of these branches.
    pub fn new(layers: Vec<SliderLayer>) -> Self {
        Self { layers }
    }

    /// The branches.
    pub fn layers(&self) -> &[SliderLayer] {
        &self.layers
    }

    /// Reads the branches of a control's file.
    ///
    /// # Errors
    /// A branch lacks its other half.
    pub fn read(file: &ControlFile) -> Result<Self> {
        let tensors: BTreeMap<String, Tensor> = file.tensors()?.into_iter().collect();
        let paths = tensors.keys().filter_map(|name| name.strip_suffix(DOWN));
        let layers = paths
            .map(|path| {
                let down = tensors[&format!("{path}{DOWN}")].shallow_clone();
                let up = file.tensor(&format!("{path}{UP}"))?;
                let rank = down.size()[0] as f64;
                let alpha = match tensors.get(&format!("{path}{ALPHA}")) {
                    Some(alpha) => f64::try_from(alpha)?,
                    None => rank,
                };
                Ok(SliderLayer {
                    path: path.to_owned(),
                    down,
                    up,
                    scale: alpha / rank,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self::new(layers))
    }

    /// Its tensors by name, for a control's file.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn named(&self) -> Result<Vec<(String, Tensor)>> {
        let mut named = Vec::with_capacity(3 * self.layers.len());
        for layer in &self.layers {
            let path = &layer.path;
            let alpha = layer.scale * layer.down.size()[0] as f64;
            named.push((format!("{path}{DOWN}"), layer.down.shallow_clone()));
            named.push((format!("{path}{UP}"), layer.up.shallow_clone()));
            named.push((
                format!("{path}{ALPHA}"),
                Tensor::f_from_slice(&[alpha as f32])?,
            ));
        }
        Ok(named)
    }

    /// Attaches the branches to `unet`, all at the strength of `multiplier`.
    ///
    /// # Errors
    /// `unet` lacks a layer that the slider has a branch for, or has it in another shape; nothing
    /// is attached then.
    pub fn attach(&self, unet: &UNet, multiplier: &Multiplier) -> Result<()> {
        let mut shapes = BTreeMap::new();
        unet.for_each_layer(&mut |name, layer| {
            shapes.insert(
                name.to_owned(),
                (layer.weight_shape(), layer.weight_options()),
            );
        });
        let mut ready = BTreeMap::new();
        for layer in &self.layers {
            let fits = shapes.get(&layer.path).filter(|(shape, _)| {
                let (down, up) = (layer.down.size(), layer.up.size());
                shape[0] == up[0] && up[1] == down[0] && shape[1..] == down[1..]
            });
            let Some((_, options)) = fits else {
                return Err(EngineError::request(
                    "slider",
                    format!(
                        "its branch for {} does not fit this model; take one that was made for it",
                        layer.path
                    ),
                ));
            };
            let branch = LowRankBranch {
                down: layer.down.f_to_device(options.1)?.f_to_kind(options.0)?,
                up: layer.up.f_to_device(options.1)?.f_to_kind(options.0)?,
                scale: layer.scale,
                multiplier: multiplier.clone(),
            };
            ready.insert(layer.path.as_str(), branch);
        }
        unet.for_each_layer(&mut |name, layer| {
            if let Some(branch) = ready.remove(name) {
                layer.add_branch(branch);
            }
        });
        Ok(())
    }
}
