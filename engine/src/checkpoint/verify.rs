//! Whether a model's weights are whole.

use std::path::{Path, PathBuf};

use tch::{Device, Kind};

use super::weights_files::{is_network, weights_files};
use super::{Checkpoint, ModelFolder};
use crate::weights::{TensorFile, all_finite};
use crate::{EngineError, Result};

/// SHA-256 of a file in hex; Civitai and A1111 show its first ten digits (AutoV2).
///
/// # Errors
/// The file cannot be read.
pub fn file_sha256(path: &Path) -> Result<String> {
    crate::adapters::file_hash(path)
}

/// Reads every tensor of the model at `path`, one at a time, and gives their number.
///
/// # Errors
/// A file is missing, cut off or damaged, or a tensor holds NaN or infinity.
pub fn check_weights(path: &Path) -> Result<usize> {
    let files = match Checkpoint::open(path)? {
        Checkpoint::Folder(folder) => files_of(&folder)?,
        Checkpoint::File(_) => vec![path.to_owned()],
    };
    let mut count = 0;
    for path in files {
        let file = TensorFile::open(&path)?;
        for header in file.headers() {
            let kind = file.kind(header.name).unwrap_or(Kind::Float);
            let tensor = file.require(header.name, kind, Device::Cpu)?;
            if tensor.is_floating_point() && !all_finite(&tensor)? {
                let problem = format!(
                    "{} holds numbers that are not finite; fetch or export it again",
                    header.name
                );
                return Err(EngineError::bad_file(path, problem));
            }
            count += 1;
        }
    }
    Ok(count)
}

fn files_of(folder: &ModelFolder) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for component in folder.components().iter().filter(|c| c.decides_picture()) {
        let folder = folder.path().join(&component.name);
        if is_network(&folder) {
            files.extend(weights_files(&folder)?);
        }
    }
    Ok(files)
}
