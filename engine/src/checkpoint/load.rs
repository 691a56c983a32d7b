//! From a folder's files to modules.

use std::path::Path;

use serde::de::DeserializeOwned;
use tch::{Device, Kind};

use super::folder::read_config;
use super::weights_files::weights_files;
use crate::Result;
use crate::models::clip;
use crate::weights::ParamStore;

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
