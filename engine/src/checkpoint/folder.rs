//! A model folder and its index.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{EngineError, Result};

/// One entry of model_index.json that is not switched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) name: String,
    pub(super) library: String,
    pub(super) class: String,
}

impl Component {
    /// Whether the picture depends on it; what only looks at finished pictures may be absent.
    pub(super) fn decides_picture(&self) -> bool {
        !matches!(self.name.as_str(), "safety_checker" | "feature_extractor")
    }
}

/// A folder in the layout of Python diffusers.
#[derive(Debug, Clone)]
pub struct ModelFolder {
    path: PathBuf,
    class: String,
    components: Vec<Component>,
}

impl ModelFolder {
    /// Reads `path/model_index.json`.
    ///
    /// # Errors
    /// `path` is not a folder, has no index or a damaged one, or lacks the folder of a component
    /// that the index names.
    pub fn open(path: &Path) -> Result<Self> {
        let about = fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
        if !about.is_dir() {
            return Err(EngineError::bad_file(
                path,
                "is a file; give the model's folder, the one that holds model_index.json",
            ));
        }
        let index_path = path.join("model_index.json");
        if !index_path.is_file() {
            return Err(EngineError::bad_file(path, why_no_model(path)));
        }
        let index: Map<String, Value> = read_config(&index_path)?;
        let class = index
            .get("_class_name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let mut components = Vec::new();
        for (name, value) in &index {
            // Settings stand beside components; a component is a [library, class] pair.
            let Some([library, class]) = value.as_array().map(Vec::as_slice) else {
                continue;
            };
            let (Some(library), Some(class)) = (library.as_str(), class.as_str()) else {
                continue;
            };
            if !is_plain_name(name) {
                return Err(EngineError::bad_config(
                    &index_path,
                    name,
                    "is not the name of a folder; fetch the file again",
                ));
            }
            components.push(Component {
                name: name.clone(),
                library: library.to_owned(),
                class: class.to_owned(),
            });
        }
        if components.is_empty() {
            return Err(EngineError::bad_file(
                &index_path,
                "names no component; give the folder of a whole pipeline",
            ));
        }
        let absent = components
            .iter()
            .find(|c| c.decides_picture() && !path.join(&c.name).is_dir());
        if let Some(absent) = absent {
            return Err(EngineError::bad_file(
                path.join(&absent.name),
                "is missing, though model_index.json names it; fetch the whole model again",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            class,
            components,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pipeline's class in Python diffusers, such as `StableDiffusionPipeline`; empty where
    /// the index does not say.
    pub fn class_name(&self) -> &str {
        &self.class
    }

    /// Whether the index names the component `name`.
    pub fn has_component(&self, name: &str) -> bool {
        self.components.iter().any(|c| c.name == name)
    }

    pub(super) fn components(&self) -> &[Component] {
        &self.components
    }

    /// The folder of the component `name`, such as `unet`.
    ///
    /// # Errors
    /// The model has no such component.
    pub fn component_dir(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path.join(name);
        // Parts that pipelines do not know, such as an image tower, need no entry in the index.
        if self.has_component(name) || (is_plain_name(name) && folder.is_dir()) {
            return Ok(folder);
        }
        let names: Vec<_> = self.components.iter().map(|c| c.name.as_str()).collect();
        Err(EngineError::bad_file(
            &self.path,
            format!("has no component {name}; it has {}", names.join(", ")),
        ))
    }

    /// The component's config.json, in the shape that its model asks for.
    ///
    /// # Errors
    /// The component or its config.json is missing, or a field is missing or odd.
    pub fn component_config<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        super::network_config(&self.component_dir(name)?)
    }

    /// Path of the scheduler's configuration.
    ///
    /// # Errors
    /// The model has none.
    pub fn scheduler_config_path(&self) -> Result<PathBuf> {
        let path = self
            .component_dir("scheduler")?
            .join("scheduler_config.json");
        if path.is_file() {
            return Ok(path);
        }
        Err(EngineError::bad_file(
            path,
            "is missing; fetch the model's scheduler folder again",
        ))
    }
}

/// Reads a JSON file.
pub(super) fn read_config<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read(path).map_err(|e| EngineError::io(path, e))?;
    serde_json::from_slice(&text)
        .map_err(|e| EngineError::bad_file(path, format!("is not the configuration needed: {e}")))
}

/// Whether `name` names something directly inside a folder.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0'])
}

fn why_no_model(path: &Path) -> String {
    let has = |name: &str| path.join(name).exists();
    if has("unet") || has("text_encoder") {
        "has components but no model_index.json; fetch that file too".to_owned()
    } else if has("config.json") {
        "is one component of a model; give the folder above it, which holds model_index.json"
            .to_owned()
    } else {
        "is not a model folder: it has no model_index.json".to_owned()
    }
}
