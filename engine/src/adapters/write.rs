//! LoRAs that were made here, in the layouts that other programs read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tch::{Device, Kind, Tensor};

use super::convert::{LoraFormat, PeftLayer, peft_config};
use super::file::BUNDLED;
use super::keys::Component;
use super::peft_config::METADATA_KEY;
use crate::weights::save;
use crate::{EngineError, Result};

/// One layer of a LoRA: its weight becomes `W + alpha / rank · up · down`.
#[derive(Debug)]
pub struct LoraLayer {
    /// The network that it is in.
    pub component: Component,
    /// Its path in Python diffusers, such as `mid_block.resnets.0.conv1`.
    pub path: String,
    /// `[rank, in]`, or `[rank, in, k, k]` for convolutions.
    pub down: Tensor,
    /// `[out, rank]`, or `[out, rank, 1, 1]` for convolutions.
    pub up: Tensor,
    /// The scale times the rank.
    pub alpha: f64,
}

impl LoraLayer {
    /// Rank of the difference, 1 or more.
    pub fn rank(&self) -> i64 {
        self.down.size().first().copied().unwrap_or(1)
    }

    /// `alpha / rank`.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank() as f64
    }

    /// The same tensors again.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        Self {
            component: self.component,
            path: self.path.clone(),
            down: self.down.shallow_clone(),
            up: self.up.shallow_clone(),
            alpha: self.alpha,
        }
    }
}

/// Writes `layers`, of a model with one text encoder, to `path` in `format`, its tensors in `kind`;
/// a file that is there is replaced. `metadata` is what readers of kohya's layout look for; PEFT's
/// own configuration is added to it where `format` is PEFT's.
///
/// # Errors
/// There are no layers, or the file cannot be written.
pub fn save_lora(
    path: &Path,
    layers: &[LoraLayer],
    format: LoraFormat,
    kind: Kind,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    save_lora_with(path, layers, format, kind, metadata, &[])
}

/// Like [`save_lora`], with `extra` tensors as they are, such as a word of [`bundled_name`].
///
/// # Errors
/// See [`save_lora`].
pub fn save_lora_with(
    path: &Path,
    layers: &[LoraLayer],
    format: LoraFormat,
    kind: Kind,
    metadata: &BTreeMap<String, String>,
    extra: &[(String, Tensor)],
) -> Result<()> {
    if layers.is_empty() {
        return Err(EngineError::request("lora", "has no layers to be written"));
    }
    let _guard = tch::no_grad_guard();
    let cast = |tensor: &Tensor| -> Result<Tensor> {
        Ok(tensor.f_to_device(Device::Cpu)?.f_to_kind(kind)?)
    };
    let mut tensors = Vec::with_capacity(3 * layers.len());
    for layer in layers {
        let (down, up) = (cast(&layer.down)?, cast(&layer.up)?);
        match format {
            LoraFormat::Kohya => {
                let name = kohya_name(layer.component, &layer.path);
                let alpha = Tensor::f_full([] as [i64; 0], layer.alpha, (kind, Device::Cpu))?;
                tensors.push((format!("{name}.lora_down.weight"), down));
                tensors.push((format!("{name}.lora_up.weight"), up));
                tensors.push((format!("{name}.alpha"), alpha));
            }
            LoraFormat::Peft => {
                let name = format!("{}.{}", layer.component.folder(), layer.path);
                tensors.push((format!("{name}.lora_A.weight"), down));
                tensors.push((format!("{name}.lora_B.weight"), up));
            }
        }
    }
    let extra = extra
        .iter()
        .map(|(name, t)| (name.clone(), t.shallow_clone()));
    tensors.extend(extra);
    let mut notes = metadata.clone();
    if format == LoraFormat::Peft {
        let described: Vec<PeftLayer<'_>> = layers
            .iter()
            .map(|layer| PeftLayer {
                component: layer.component,
                path: &layer.path,
                rank: layer.rank(),
                alpha: layer.alpha,
                is_dora: false,
            })
            .collect();
        let config = Value::from(peft_config(&described));
        notes.insert(METADATA_KEY.to_owned(), config.to_string());
        notes.insert("format".to_owned(), "pt".to_owned());
    }
    let notes: Vec<(&str, String)> = notes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    save(path, &tensors, &notes)
}

/// The name, in a LoRA's file, of the vectors `[n, width]` that stand for `word`.
pub fn bundled_name(word: &str) -> String {
    format!("{BUNDLED}{word}.string_to_param.*")
}

/// The name of the whole difference of a layer as LyCORIS has it, with the difference.
pub fn full_difference(component: Component, path: &str, delta: &Tensor) -> (String, Tensor) {
    let name = format!("{}.diff", kohya_name(component, path));
    (name, delta.shallow_clone())
}

/// A layer's name in kohya's layout, of a model with one text encoder.
fn kohya_name(component: Component, path: &str) -> String {
    let prefix = match component {
        Component::UNet => "lora_unet",
        Component::TextEncoder => "lora_te",
        Component::TextEncoder2 => "lora_te2",
    };
    format!("{prefix}_{}", path.replace('.', "_"))
}
