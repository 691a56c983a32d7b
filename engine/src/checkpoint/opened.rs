//! A model on disk, in either layout.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tch::{Device, Kind};

use super::folder::read_config;
use super::{ModelFolder, SingleFile};
use crate::models::clip::{ClipTextConfig, ClipTextModel, TextLayer};
use crate::prompt::{StageEncoder, TextStage, Tokenizer};
use crate::sampling::SchedulerConfig;
use crate::weights::ParamStore;
use crate::{EngineError, Result};

/// A whole model: a folder in the layout of Python diffusers, or a single file.
#[derive(Debug)]
pub enum Checkpoint {
    /// A folder with a model_index.json.
    Folder(ModelFolder),
    /// A `.safetensors`, `.ckpt` or `.pt` with the names of the original code.
    File(Box<SingleFile>),
}

impl Checkpoint {
    /// Opens the folder or file `path`; no tensor is read.
    ///
    /// # Errors
    /// See [`ModelFolder::open`] and [`SingleFile::open`].
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            return SingleFile::open(path).map(Box::new).map(Self::File);
        }
        ModelFolder::open(path).map(Self::Folder)
    }

    /// The folder or file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::File(file) => file.path(),
        }
    }

    /// The pipeline's class in Python diffusers, such as `StableDiffusionPipeline`; empty where
    /// nothing says.
    pub fn class_name(&self) -> &str {
        match self {
            Self::Folder(folder) => folder.class_name(),
            Self::File(file) => file.class_name(),
        }
    }

    /// Whether it has the component `name`, such as `text_encoder_2`.
    pub fn has_component(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.has_component(name),
            Self::File(file) => file.networks().contains(&name),
        }
    }

    /// The component's config.json, in the shape that its model asks for.
    ///
    /// # Errors
    /// The component or its configuration is missing, or a field is missing or odd.
    pub fn component_config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        match self {
            Self::Folder(folder) => folder.component_config(name),
            Self::File(file) => file.config(&format!("{name}/config.json")),
        }
    }

    /// Opens the weights of the component `name`; see [`network_params`](super::network_params).
    ///
    /// # Errors
    /// The component or its weights are missing, or a file is cut short or damaged.
    pub fn component_params(&self, name: &str, kind: Kind, device: Device) -> Result<ParamStore> {
        match self {
            Self::Folder(folder) => {
                super::network_params(&folder.component_dir(name)?, kind, device)
            }
            Self::File(file) => file.params(name, kind, device),
        }
    }

    /// How the model was trained, and wants to be sampled.
    ///
    /// # Errors
    /// The configuration is missing, or a field is odd.
    pub fn scheduler(&self) -> Result<SchedulerConfig> {
        match self {
            Self::Folder(folder) => SchedulerConfig::read(&folder.scheduler_config_path()?),
            Self::File(file) => {
                let map: Map<String, Value> = file.config("scheduler/scheduler_config.json")?;
                SchedulerConfig::from_map(&map, file.path())
            }
        }
    }

    /// Whether an empty negative prompt is to be read as zeros, not as the empty text
    /// (`force_zeros_for_empty_prompt` of model_index.json).
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn zeros_for_empty_prompt(&self) -> Result<bool> {
        let index: Map<String, Value> = match self {
            Self::Folder(folder) => read_config(&folder.path().join("model_index.json"))?,
            Self::File(file) => file.config("model_index.json")?,
        };
        let field = index.get("force_zeros_for_empty_prompt");
        Ok(field.and_then(Value::as_bool).unwrap_or(false))
    }

    /// Loads the tokenizers and text encoders. Stable Diffusion 1.x, 2.x and models in their layout
    /// have one, whose last layer's states, normed, condition the picture; XL has two, whose states
    /// before the last layer do, side by side.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit the others.
    pub fn load_text(&self, kind: Kind, device: Device) -> Result<TextStage> {
        let (names, layer): (&[&str], _) = if self.has_component("text_encoder_2") {
            if !self.has_component("text_encoder") {
                return Err(EngineError::bad_config(
                    self.path().join("model_index.json"),
                    "text_encoder",
                    "is missing: this is the refiner of Stable Diffusion XL, which is not \
                     supported; take the base model",
                ));
            }
            (
                &["text_encoder", "text_encoder_2"],
                TextLayer::PENULTIMATE_RAW,
            )
        } else {
            (&["text_encoder"], TextLayer::LAST)
        };
        let encoders = names.iter().map(|name| {
            let config: ClipTextConfig = self.component_config(name)?;
            let store = self.component_params(name, kind, device)?;
            let encoder = ClipTextModel::new(&store.root(), &config)?;
            store.finish()?;
            store.check_finite()?;
            StageEncoder::new(self.tokenizer(name)?, encoder, layer)
        });
        TextStage::new(encoders.collect::<Result<Vec<_>>>()?)
    }

    /// The tokenizer of the text encoder `name`.
    fn tokenizer(&self, name: &str) -> Result<Tokenizer> {
        let folder = match self {
            Self::Folder(folder) => {
                folder.component_dir(&name.replace("text_encoder", "tokenizer"))?
            }
            Self::File(file) => {
                let part = file.texts().iter().find(|part| part.component == name);
                if let Some(part) = part {
                    return file.tokenizer(part);
                }
                let problem = format!("has no component {name}; take a file of the whole model");
                return Err(EngineError::bad_file(file.path(), problem));
            }
        };
        Tokenizer::open(&folder)
    }
}
