//! From a folder's files to modules.

use std::path::Path;

use serde::de::DeserializeOwned;
use tch::{Device, Kind};

use super::folder::{ModelFolder, read_config};
use super::weights_files::weights_files;
use crate::models::clip::{self, ClipTextConfig, ClipTextModel, TextLayer};
use crate::prompt::{TextStage, Tokenizer};
use crate::weights::ParamStore;
use crate::{EngineError, Result};

/// The config.json of the network in `folder`, in the shape that its model asks for.
///
/// # Errors
/// The file is missing, or a field is missing or odd.
pub fn network_config<T: DeserializeOwned>(folder: &Path) -> Result<T> {
    read_config(&folder.join("config.json"))
}

/// Opens the weights of the network in `folder`; each tensor is read when a module asks for it,
/// and arrives in `kind` on `device`. After the module is built, [`ParamStore::finish`] says
/// whether configuration and weights fit, and [`ParamStore::check_finite`] whether the weights
/// are sound.
///
/// # Errors
/// The weights are missing, or a file is cut short or damaged.
pub fn network_params(folder: &Path, kind: Kind, device: Device) -> Result<ParamStore> {
    let files = weights_files(folder)?;
    Ok(ParamStore::open(&files, kind, device)?.ignoring(clip::is_stored_buffer))
}

impl ModelFolder {
    /// Opens the weights of the component `name`, see [`network_params`].
    ///
    /// # Errors
    /// The component or its weights are missing, or a file is cut short or damaged.
    pub fn component_params(&self, name: &str, kind: Kind, device: Device) -> Result<ParamStore> {
        network_params(&self.component_dir(name)?, kind, device)
    }

    /// Loads the tokenizer and text encoder of Stable Diffusion 1.x and 2.x and of models in their
    /// layout: the last layer's states, normed, condition the picture.
    ///
    /// # Errors
    /// A file is missing, damaged or does not fit the others, or the model has a second text
    /// encoder (SDXL).
    pub fn load_text(&self, kind: Kind, device: Device) -> Result<TextStage> {
        if self.has_component("text_encoder_2") {
            return Err(EngineError::bad_config(
                self.path().join("model_index.json"),
                "text_encoder_2",
                "names a second text encoder; models with two (SDXL) are not supported yet",
            ));
        }
        let tokenizer = Tokenizer::open(&self.component_dir("tokenizer")?)?;
        let config: ClipTextConfig = self.component_config("text_encoder")?;
        let store = self.component_params("text_encoder", kind, device)?;
        let encoder = ClipTextModel::new(&store.root(), &config)?;
        store.finish()?;
        store.check_finite()?;
        TextStage::new(tokenizer, encoder, TextLayer::LAST)
    }
}
