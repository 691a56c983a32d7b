//! A file of named tensors, in either of the formats that artists have.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::SafetensorsFile;
use super::file::looks_like_safetensors;
use super::pickle::PickleFile;
use crate::{EngineError, Result};

/// A safetensors file or a file of Python's `torch.save`.
#[derive(Debug)]
pub enum TensorFile {
    /// `.safetensors`.
    Safetensors(SafetensorsFile),
    /// `.pt`, `.pth`, `.ckpt`, `.bin`.
    Pickle(PickleFile),
}

/// What a file says about one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorHeader<'a> {
    /// Full name.
    pub name: &'a str,
    /// Dimensions.
    pub shape: &'a [i64],
    /// dtype as stored, in safetensors' name for it, such as `F16`.
    pub dtype: &'a str,
}

impl TensorHeader<'_> {
    /// Number of elements.
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }
}

impl TensorFile {
    /// Opens `path` by what it begins with, whatever its ending.
    ///
    /// # Errors
    /// See [`SafetensorsFile::open`] and [`PickleFile::open`].
    pub fn open(path: &Path) -> Result<Self> {
        let mut start = Vec::new();
        let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
        file.take(9)
            .read_to_end(&mut start)
            .map_err(|e| EngineError::io(path, e))?;
        let pickled = start.starts_with(b"PK\x03\x04") || start.first() == Some(&0x80);
        let named = path.extension().is_some_and(|e| e == "safetensors");
        if looks_like_safetensors(&start) || (named && !pickled) {
            SafetensorsFile::open(path).map(Self::Safetensors)
        } else {
            PickleFile::open(path).map(Self::Pickle)
        }
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Safetensors(file) => file.path(),
            Self::Pickle(file) => file.path(),
        }
    }

    /// All tensors, by name.
    pub fn headers(&self) -> Vec<TensorHeader<'_>> {
        match self {
            Self::Safetensors(file) => file
                .entries()
                .iter()
                .map(|(name, entry)| TensorHeader {
                    name,
                    shape: &entry.shape,
                    dtype: &entry.dtype,
                })
                .collect(),
            Self::Pickle(file) => file
                .entries()
                .iter()
                .map(|(name, entry)| TensorHeader {
                    name,
                    shape: &entry.shape,
                    dtype: entry.dtype(),
                })
                .collect(),
        }
    }

    /// Dimensions of the tensor `name`, where the file has it.
    pub fn shape(&self, name: &str) -> Option<&[i64]> {
        match self {
            Self::Safetensors(file) => file.entries().get(name).map(|e| e.shape.as_slice()),
            Self::Pickle(file) => file.entries().get(name).map(|e| e.shape.as_slice()),
        }
    }

    /// The dtype that the tensor `name` is stored in, where the file has it and libtorch knows it.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        match self {
            Self::Safetensors(file) => file.entries().get(name)?.kind(),
            Self::Pickle(file) => file.entries().get(name).map(|e| e.storage().kind),
        }
    }

    /// Copies the tensor `name` to `device` in `kind`, or gives `None` where the file lacks it.
    ///
    /// # Errors
    /// See [`SafetensorsFile::tensor`] and [`PickleFile::tensor`].
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        match self {
            Self::Safetensors(file) => file.tensor(name, kind, device),
            Self::Pickle(file) => file.tensor(name, kind, device),
        }
    }

    /// The tensor `name`, which the file must have; see [`tensor`](Self::tensor).
    ///
    /// # Errors
    /// The file lacks it, or it cannot be read.
    pub fn require(&self, name: &str, kind: Kind, device: Device) -> Result<Tensor> {
        self.tensor(name, kind, device)?.ok_or_else(|| {
            let problem = format!("lacks the tensor {name}; fetch or export it again");
            EngineError::bad_file(self.path(), problem)
        })
    }
}
