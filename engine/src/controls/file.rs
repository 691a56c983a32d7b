//! Control files: safetensors with a description in the metadata.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use super::{CONTROL_VERSION, ControlInfo};
use crate::weights::{SafetensorsFile, save};
use crate::{EngineError, Result};

/// Key of the description in the file's metadata.
const METADATA_KEY: &str = "vernier.control";

/// A control as it lies on disk.
#[derive(Debug)]
pub struct ControlFile {
    /// What it says about itself.
    pub info: ControlInfo,
    /// SHA-256 of the whole file, in hex.
    pub hash: String,
    file: SafetensorsFile,
}

impl ControlFile {
    /// Opens `path` and reads its description.
    ///
    /// # Errors
    /// The file is missing or damaged, holds no control, or one of a newer version.
    pub fn open(path: &Path) -> Result<Self> {
        let file = SafetensorsFile::open(path)?;
        let Some(text) = file.metadata().get(METADATA_KEY) else {
            return Err(EngineError::bad_file(
                path,
                "is no control of Vernier's; bring files of other programs in with \
                 `vernier control import`",
            ));
        };
        let damaged = |e: serde_json::Error| {
            EngineError::bad_file(path, format!("its description cannot be understood: {e}"))
        };
        let value: Value = serde_json::from_str(text).map_err(damaged)?;
        let version = value.get("version").and_then(Value::as_u64);
        if version.is_some_and(|v| v > u64::from(CONTROL_VERSION)) {
            return Err(EngineError::bad_file(
                path,
                "was written by a newer version of this program; update Vernier to use it",
            ));
        }
        let info: ControlInfo = serde_json::from_value(value).map_err(damaged)?;
        let bytes = std::fs::read(path).map_err(|e| EngineError::io(path, e))?;
        let hash = hex(&Sha256::digest(&bytes));
        Ok(Self { info, hash, file })
    }

    /// Writes a control whole or not at all; the same control gives the same bytes.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(path: &Path, info: &ControlInfo, tensors: &[(String, Tensor)]) -> Result<()> {
        let text = serde_json::to_string(info)
            .map_err(|e| EngineError::bad_file(path, format!("cannot be described: {e}")))?;
        save(path, tensors, &[(METADATA_KEY, text)])
    }

    /// Writes the same tensors again under another description.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save_with(&self, path: &Path, info: &ControlInfo) -> Result<()> {
        Self::save(path, info, &self.tensors()?)
    }

    /// Where it lies.
    pub fn path(&self) -> PathBuf {
        self.file.path().to_owned()
    }

    /// All tensors by name, in fp32 on the CPU.
    ///
    /// # Errors
    /// A tensor cannot be read.
    pub fn tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let names = self.file.entries().keys();
        names
            .map(|name| Ok((name.clone(), self.tensor(name)?)))
            .collect()
    }

    /// The tensor `name`, in fp32 on the CPU.
    ///
    /// # Errors
    /// The file lacks it.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        match self.file.tensor(name, Kind::Float, Device::Cpu)? {
            Some(tensor) => Ok(tensor),
            None => Err(EngineError::bad_file(
                self.path(),
                format!("lacks the tensor \"{name}\"; make or fetch the control again"),
            )),
        }
    }

    /// Whether the file holds a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.file.entries().contains_key(name)
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::super::{ControlInfo, ControlKind};
    use super::ControlFile;
    use crate::weights::save;

    #[test]
    fn a_saved_control_is_the_same_when_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smile.safetensors");
        let mut info = ControlInfo::new("smile", ControlKind::Direction, vec!["smile".to_owned()]);
        info.subjects = vec!["man".to_owned()];
        info.unknown.insert("later".to_owned(), 7.into());
        let delta = Tensor::from_slice(&[1.0_f32, -2.0]);
        let tensors = [("text_encoder.delta".to_owned(), delta.shallow_clone())];
        ControlFile::save(&path, &info, &tensors).unwrap();
        let opened = ControlFile::open(&path).unwrap();
        assert_eq!(opened.info, info);
        assert_eq!(opened.tensor("text_encoder.delta").unwrap(), delta);
        assert!(opened.tensor("other").is_err() && opened.hash.len() == 64);
        let copy = folder.path().join("copy.safetensors");
        opened.save_with(&copy, &opened.info).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&copy).unwrap());
    }

    #[test]
    fn what_is_no_control_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = [("x".to_owned(), Tensor::from_slice(&[1.0_f32]))];
        save(&path, &tensors, &[]).unwrap();
        let error = ControlFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("control import"), "{error}");
        let newer = r#"{"version": 99, "other": true}"#.to_owned();
        save(&path, &tensors, &[("vernier.control", newer)]).unwrap();
        let error = ControlFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("update Vernier"), "{error}");
    }
}
