//! What a model folder holds, for people.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::Value;
use tch::Kind;

use super::folder::{Component, read_config};
use super::weights_files::{is_network, weights_files};
use super::{Checkpoint, ModelFolder, SingleFile};
use crate::Result;
use crate::models::clip::is_stored_buffer;
use crate::weights::SafetensorsFile;

/// A model folder in words and numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelDescription {
    /// Best guess at the family, from the U-Net's configuration, such as `Stable Diffusion 1.x`.
    pub family: String,
    /// The pipeline's class in Python diffusers.
    pub class_name: String,
    /// What the U-Net predicts: `epsilon`, `v_prediction` or `sample`; absent without a scheduler.
    pub prediction_type: Option<String>,
    /// Side in pixels of the pictures that the model was trained on, where its configuration says.
    pub image_size_px: Option<u64>,
    /// All components, in the order of model_index.json.
    pub components: Vec<ComponentDescription>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// One component of a model folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComponentDescription {
    /// Name of its folder.
    pub name: String,
    /// Python library and class, such as `transformers.CLIPTextModel`.
    pub class: String,
    /// Number of parameters; 0 for tokenizers and schedulers.
    pub parameters: i64,
    /// Parameters by stored dtype (`F32`, `F16`, `BF16`, …).
    pub dtypes: BTreeMap<String, i64>,
    /// Size of the weights on disk, in bytes.
    pub bytes: u64,
    /// Names of the weights files.
    pub files: Vec<String>,
}

impl Checkpoint {
    /// Describes the model from its configurations and the headers of its weights; no tensor is
    /// read.
    ///
    /// # Errors
    /// A component's configuration or weights are missing or damaged.
    pub fn describe(&self) -> Result<ModelDescription> {
        match self {
            Self::Folder(folder) => folder.describe(),
            Self::File(file) => file.describe(),
        }
    }
}

impl SingleFile {
    fn describe(&self) -> Result<ModelDescription> {
        let components = self.networks().into_iter();
        let components = components
            .map(|name| self.describe_component(name))
            .collect::<Result<Vec<_>>>()?;
        let scheduler: Value = self.config("scheduler/scheduler_config.json")?;
        let prediction = scheduler.get("prediction_type").and_then(Value::as_str);
        let unet: Value = self.config("unet/config.json")?;
        let vae: Value = self.config("vae/config.json")?;
        let why = self.why_prediction();
        let mut notes = vec![format!("prediction type: {why}")];
        let unused = self.unused();
        if let Some(first) = unused.first() {
            let count = unused.len();
            notes.push(format!(
                "tensors that no part reads: {count}, such as {first}"
            ));
        }
        Ok(ModelDescription {
            family: self.family(),
            class_name: self.class_name().to_owned(),
            prediction_type: Some(prediction.unwrap_or("epsilon").to_owned()),
            image_size_px: image_size_px(&unet, &vae),
            components,
            notes,
        })
    }

    fn describe_component(&self, name: &str) -> Result<ComponentDescription> {
        let index: Value = self.config("model_index.json")?;
        let word = |i: usize| index.get(name)?.get(i)?.as_str().map(str::to_owned);
        let class = [word(0), word(1)].into_iter().flatten();
        let file = self.path().file_name().unwrap_or_default();
        let mut description = ComponentDescription {
            name: name.to_owned(),
            class: class.collect::<Vec<_>>().join("."),
            parameters: 0,
            dtypes: BTreeMap::new(),
            bytes: 0,
            files: vec![file.to_string_lossy().into_owned()],
        };
        let renamed = self.renamed(name)?;
        let stored: BTreeSet<&str> = renamed.views.values().map(|v| v.stored.as_str()).collect();
        let headers = self.file().headers().into_iter();
        for header in headers.filter(|header| stored.contains(header.name)) {
            let numel = header.numel();
            let width = self
                .file()
                .kind(header.name)
                .map_or(0, Kind::elt_size_in_bytes);
            description.parameters += numel;
            *description
                .dtypes
                .entry(header.dtype.to_owned())
                .or_default() += numel;
            description.bytes += numel as u64 * width as u64;
        }
        Ok(description)
    }
}

impl ModelFolder {
    fn describe(&self) -> Result<ModelDescription> {
        let components = self
            .components()
            .iter()
            .filter(|c| self.path().join(&c.name).is_dir())
            .map(|c| self.describe_component(c))
            .collect::<Result<Vec<_>>>()?;
        let config = |name: &str| -> Result<Value> {
            if self.has_component(name) {
                self.component_config(name)
            } else {
                Ok(Value::Null)
            }
        };
        let unet = config("unet")?;
        let vae = config("vae")?;
        let prediction_type = if self.has_component("scheduler") {
            let scheduler: Value = read_config(&self.scheduler_config_path()?)?;
            let named = scheduler.get("prediction_type").and_then(Value::as_str);
            Some(named.unwrap_or("epsilon").to_owned())
        } else {
            None
        };
        Ok(ModelDescription {
            family: family(&unet, self.class_name()).to_owned(),
            class_name: self.class_name().to_owned(),
            prediction_type,
            image_size_px: image_size_px(&unet, &vae),
            components,
            notes: Vec::new(),
        })
    }

    fn describe_component(&self, component: &Component) -> Result<ComponentDescription> {
        let folder = self.path().join(&component.name);
        let paths = match weights_files(&folder) {
            Err(e) if is_network(&folder) && component.decides_picture() => return Err(e),
            paths => paths.unwrap_or_default(),
        };
        let mut description = ComponentDescription {
            name: component.name.clone(),
            class: format!("{}.{}", component.library, component.class),
            parameters: 0,
            dtypes: BTreeMap::new(),
            bytes: 0,
            files: Vec::new(),
        };
        for path in paths {
            let file = SafetensorsFile::open(&path)?;
            let entries = file.entries().iter();
            for (_, entry) in entries.filter(|(name, _)| !is_stored_buffer(name)) {
                description.parameters += entry.numel();
                *description.dtypes.entry(entry.dtype.clone()).or_default() += entry.numel();
                description.bytes += entry.bytes() as u64;
            }
            let name = path.file_name().unwrap_or_default();
            description.files.push(name.to_string_lossy().into_owned());
        }
        Ok(description)
    }
}

/// A guess from what tells the published families apart: the text width that the U-Net attends to
/// and its latent inputs.
fn family(unet: &Value, class_name: &str) -> &'static str {
    let number = |field: &str| unet.get(field).and_then(Value::as_u64);
    let inpainting = number("in_channels") == Some(9);
    // Small models of the same layout have other widths at the U-Net's first level.
    let published = unet
        .pointer("/block_out_channels/0")
        .and_then(Value::as_u64)
        == Some(320);
    match (published, number("cross_attention_dim"), inpainting) {
        _ if class_name.contains("XL") => "Stable Diffusion XL",
        (true, Some(2048), _) => "Stable Diffusion XL",
        (true, Some(768), false) => "Stable Diffusion 1.x",
        (true, Some(768), true) => "Stable Diffusion 1.x inpainting",
        (true, Some(1024), false) => "Stable Diffusion 2.x",
        (true, Some(1024), true) => "Stable Diffusion 2.x inpainting",
        _ if class_name.starts_with("StableDiffusion") => {
            "a geometry of its own in the layout of Stable Diffusion"
        }
        _ => "unknown",
    }
}

/// Latent side times the autoencoder's scale, which halves once per level but the last.
fn image_size_px(unet: &Value, vae: &Value) -> Option<u64> {
    let latent = unet.get("sample_size")?.as_u64()?;
    let levels = vae.get("block_out_channels")?.as_array()?.len();
    Some(latent << levels.checked_sub(1)?.min(16))
}

impl fmt::Display for ModelDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "family          {}", self.family)?;
        writeln!(f, "pipeline        {}", self.class_name)?;
        if let Some(prediction) = &self.prediction_type {
            writeln!(f, "prediction      {prediction}")?;
        }
        if let Some(side) = self.image_size_px {
            writeln!(f, "picture size    {side}×{side}")?;
        }
        for component in &self.components {
            writeln!(f, "{component}")?;
        }
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ComponentDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<15} {}", self.name, self.class)?;
        if self.files.is_empty() {
            return Ok(());
        }
        let dtypes: Vec<_> = self.dtypes.keys().map(String::as_str).collect();
        write!(
            f,
            ", {:.2} M parameters in {}, {:.1} MB: {}",
            self.parameters as f64 / 1e6,
            dtypes.join(" and "),
            self.bytes as f64 / 1e6,
            self.files.join(", ")
        )
    }
}
