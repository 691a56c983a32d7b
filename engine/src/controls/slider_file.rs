//! Concept Sliders and other plain LoRAs for the U-Net, as files (arXiv 2311.12092, 2106.09685).
//!
//! A file holds, per layer, `NAME.lora_down.weight`, `NAME.lora_up.weight` and perhaps `NAME.alpha`,
//! as `.pt` or `.safetensors`; see [`LayerNames`] for the names.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use crate::models::unet::{LayerNames, NamedLayer, UNet, flat_name};
use crate::weights::{TensorFile, save};
use crate::{EngineError, Result};

const DOWN: &str = "lora_down.weight";
const UP: &str = "lora_up.weight";
const ALPHA: &str = "alpha";

/// One layer's low-rank branch: `out += strength · scale · up(down(x))`.
#[derive(Debug)]
pub struct SliderLayer {
    /// Full name of the layer in Python diffusers, such as `mid_block.resnets.0.conv1`.
    pub path: String,
    /// `[rank, in]` for linear layers, `[rank, in, k, k]` for convolutions.
    pub down: Tensor,
    /// `[out, rank]` for linear layers, `[out, rank, 1, 1]` for convolutions.
    pub up: Tensor,
    /// Divided by the rank it is the branch's scale.
    pub alpha: f64,
}

impl SliderLayer {
    /// The rank: outputs of `down`.
    pub fn rank(&self) -> i64 {
        self.down.size().first().copied().unwrap_or_default()
    }

    /// `alpha / rank`.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank() as f64
    }
}

/// A slider for one U-Net.
#[derive(Debug)]
pub struct Slider {
    /// The branches, in the order of the U-Net's layers; at least one.
    pub layers: Vec<SliderLayer>,
    /// Names in the file that belong to no layer of the U-Net, such as those for a text encoder.
    pub unused: Vec<String>,
}

/// The tensors of one layer, by their names in the file.
#[derive(Default)]
struct Parts<'a> {
    down: Option<&'a str>,
    up: Option<&'a str>,
    alpha: Option<&'a str>,
}

impl Slider {
    /// Reads `path` for `unet`, with the branches in `kind` on `device`.
    ///
    /// `alpha` takes the place of every layer's own. An alpha that is absent or 0 stands for the
    /// rank, as in other programs.
    ///
    /// # Errors
    /// The file cannot be read, has no layer of `unet`, was made for a U-Net of another geometry,
    /// lacks one of a layer's two matrices, or holds something else than plain LoRA for a layer.
    pub fn read(
        path: &Path,
        unet: &UNet,
        alpha: Option<f64>,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let names = LayerNames::of(unet);
        let bad = |problem: String| EngineError::bad_file(path, problem);

        let mut found: BTreeMap<usize, Parts<'_>> = BTreeMap::new();
        let mut unused = Vec::new();
        let headers = file.headers();
        for header in &headers {
            let (layer, part) = header.name.split_once('.').unwrap_or((header.name, ""));
            let Some(index) = names.find(layer) else {
                unused.push(header.name.to_owned());
                continue;
            };
            let parts = found.entry(index).or_default();
            let place = match part {
                DOWN => &mut parts.down,
                UP => &mut parts.up,
                ALPHA => &mut parts.alpha,
                _ => {
                    return Err(bad(format!(
                        "has {}, so it is no plain LoRA; only files with {DOWN}, {UP} and {ALPHA} \
                         are read",
                        header.name
                    )));
                }
            };
            if let Some(other) = place.replace(header.name) {
                return Err(bad(format!(
                    "names one layer twice, as {other} and {}",
                    header.name
                )));
            }
        }
        if found.is_empty() {
            let first = unused.first().map_or("nothing", String::as_str);
            return Err(bad(format!(
                "has no LoRA for any layer of this U-Net (it has {first}); it is made for another \
                 kind of model"
            )));
        }

        let shapes: BTreeMap<&str, &[i64]> = headers.iter().map(|h| (h.name, h.shape)).collect();
        let mut misfits = Vec::new();
        let mut whole = Vec::new();
        for (index, parts) in &found {
            let layer = &names.layers()[*index];
            let (Some(down), Some(up)) = (parts.down, parts.up) else {
                let lacks = if parts.down.is_none() { DOWN } else { UP };
                let name = parts.down.or(parts.up).or(parts.alpha).unwrap_or_default();
                return Err(bad(format!(
                    "has {name} without the {lacks} beside it; fetch or export it again"
                )));
            };
            match Fit::of(layer, shapes[down], shapes[up]) {
                Some(fit) => whole.push((layer, fit, down, up, parts.alpha)),
                None => misfits.push(format!(
                    "{} is {:?} and {:?} for a weight of {:?}",
                    layer.path, shapes[down], shapes[up], layer.weight_shape
                )),
            }
        }
        if let Some(first) = misfits.first() {
            return Err(bad(format!(
                "is made for another U-Net: {} of its {} layers have other shapes, such as {first}",
                misfits.len(),
                found.len()
            )));
        }

        let read_alpha = |name: &str| -> Result<f64> {
            let value = file.require(name, Kind::Double, Device::Cpu)?;
            if value.numel() == 1 {
                let value = f64::try_from(value.f_reshape([1])?.f_squeeze()?)?;
                if value.is_finite() {
                    return Ok(value);
                }
            }
            Err(bad(format!("has {name} that is not one finite number")))
        };
        let layers = whole
            .into_iter()
            .map(|(layer, fit, down, up, own_alpha)| {
                let own_alpha = match (alpha, own_alpha) {
                    (Some(alpha), _) => alpha,
                    (None, Some(name)) => read_alpha(name)?,
                    (None, None) => 0.0,
                };
                let rank = fit.down[0];
                Ok(SliderLayer {
                    path: layer.path.clone(),
                    down: file.require(down, kind, device)?.f_reshape(&fit.down)?,
                    up: file.require(up, kind, device)?.f_reshape(&fit.up)?,
                    alpha: if own_alpha == 0.0 {
                        rank as f64
                    } else {
                        own_alpha
                    },
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { layers, unused })
    }

    /// Writes the slider as safetensors, with the names of Python diffusers and the metadata by
    /// which other programs know a LoRA, and `metadata` besides. Every tensor keeps its dtype.
    ///
    /// # Errors
    /// The folder cannot be written, or a tensor's dtype has no place in the format.
    pub fn save(&self, path: &Path, metadata: &[(&str, String)]) -> Result<()> {
        let mut tensors = Vec::new();
        for layer in &self.layers {
            let name = flat_name(&layer.path);
            // As other programs have it, unless that would change it.
            let kind = if same_bits(layer.alpha, f64::from(layer.alpha as f32)) {
                Kind::Float
            } else {
                Kind::Double
            };
            let alpha = Tensor::f_full([] as [i64; 0], layer.alpha, (kind, Device::Cpu))?;
            tensors.push((format!("{name}.{DOWN}"), layer.down.shallow_clone()));
            tensors.push((format!("{name}.{UP}"), layer.up.shallow_clone()));
            tensors.push((format!("{name}.{ALPHA}"), alpha));
        }
        let mut notes = vec![("ss_network_module", "networks.lora".to_owned())];
        if let Some(first) = self.layers.first() {
            let same = |layer: &SliderLayer| {
                layer.rank() == first.rank() && same_bits(layer.alpha, first.alpha)
            };
            if self.layers.iter().all(same) {
                notes.push(("ss_network_dim", first.rank().to_string()));
                notes.push(("ss_network_alpha", first.alpha.to_string()));
            }
        }
        notes.extend(metadata.iter().map(|(key, value)| (*key, value.clone())));
        save(path, &tensors, &notes)
    }
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

/// The shapes that a layer's two matrices take on it.
struct Fit {
    down: Vec<i64>,
    up: Vec<i64>,
}

impl Fit {
    /// `None` where matrices of these shapes do not go on the layer. A linear layer takes those of
    /// a 1×1 convolution and the other way round: models store some layers either way.
    fn of(layer: &NamedLayer, down: &[i64], up: &[i64]) -> Option<Self> {
        let (out, inside) = layer.weight_shape.split_first()?;
        let rank = *down.first()?;
        let is_conv = inside.len() == 3;
        let mut fit = Self {
            down: [&[rank], inside].concat(),
            up: vec![*out, rank],
        };
        if is_conv {
            fit.up.extend([1, 1]);
        }
        let trimmed = |shape: &[i64]| match shape {
            [rest @ .., 1, 1] if shape.len() == 4 => rest.to_vec(),
            _ => shape.to_vec(),
        };
        let fits =
            rank > 0 && trimmed(down) == trimmed(&fit.down) && trimmed(up) == trimmed(&fit.up);
        fits.then_some(fit)
    }
}
