//! An adapter's file, opened: its tensors sorted by layer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tch::{Device, Kind, Tensor};

use super::keys::{Component, Part, flat, split};
use super::peft_config::PeftConfig;
use crate::recipe::hex_of;
use crate::weights::{TensorFile, TensorHeader};
use crate::{EngineError, Result};

/// Names that begin so are embeddings that a LoRA brings along.
pub(super) const BUNDLED: &str = "bundle_emb.";

/// The files that a folder of PEFT or Python diffusers may hold, the first that is there counts.
const FILES_OF_FOLDERS: [&str; 4] = [
    "pytorch_lora_weights.safetensors",
    "adapter_model.safetensors",
    "pytorch_lora_weights.bin",
    "adapter_model.bin",
];

/// The tensors of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerKeys {
    /// Which network, where the names say so.
    pub component: Option<Component>,
    /// The layer's path with underscores for dots.
    pub flat: String,
    /// The names of its tensors.
    pub parts: BTreeMap<Part, String>,
}

/// An adapter as it lies on disk.
#[derive(Debug)]
pub struct AdapterFile {
    file: TensorFile,
    /// SHA-256 of the file, and of the `adapter_config.json` beside it where that counts, in hex;
    /// empty where it was only [looked](Self::look) at.
    pub hash: String,
    /// The file's `__metadata__`.
    pub metadata: BTreeMap<String, String>,
    /// By layer.
    pub layers: Vec<LayerKeys>,
    /// Names of tensors that are no part of any adapter that is known.
    pub unknown: Vec<String>,
    /// Names of the tensors of embeddings that it brings along.
    pub bundled: Vec<String>,
    pub(super) config: PeftConfig,
}

impl AdapterFile {
    /// Opens `path`, a file of either format or a folder that holds one.
    ///
    /// # Errors
    /// The file is missing or damaged, or names one layer's part twice.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = Self::look(path)?;
        let beside = config_beside(file.path(), is_raw_peft(&file.file));
        file.hash = hash_of(file.path(), beside.as_deref())?;
        Ok(file)
    }

    /// The same from the file's header alone, and without its hash: fast however large the file is.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn look(path: &Path) -> Result<Self> {
        let path = file_of(path);
        let file = TensorFile::open(&path)?;
        let metadata = match &file {
            TensorFile::Safetensors(file) => file.metadata().clone(),
            TensorFile::Pickle(_) => BTreeMap::new(),
        };
        let mut grouped: BTreeMap<(Option<Component>, String), BTreeMap<Part, String>> =
            BTreeMap::new();
        let (mut unknown, mut bundled) = (Vec::new(), Vec::new());
        let is_raw_peft = is_raw_peft(&file);
        for header in file.headers() {
            let name = header.name;
            if name.starts_with(BUNDLED) {
                bundled.push(name.to_owned());
                continue;
            }
            let Some((layer, part)) = split(name) else {
                unknown.push(name.to_owned());
                continue;
            };
            let parts = grouped.entry(flat(layer)).or_default();
            if let Some(other) = parts.insert(part, name.to_owned()) {
                let problem = format!("names one layer twice, as {other} and {name}");
                return Err(EngineError::bad_file(path, problem));
            }
        }
        let beside = config_beside(&path, is_raw_peft);
        let config = PeftConfig::read(&metadata, beside.as_deref())?;
        Ok(Self {
            hash: String::new(),
            metadata,
            layers: grouped
                .into_iter()
                .map(|((component, flat), parts)| LayerKeys {
                    component,
                    flat,
                    parts,
                })
                .collect(),
            unknown,
            bundled,
            config,
            file,
        })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What it says about its tensors.
    pub fn headers(&self) -> Vec<TensorHeader<'_>> {
        self.file.headers()
    }

    /// Shape of the tensor `name`; empty where there is none.
    pub(super) fn shape(&self, name: &str) -> Vec<i64> {
        let shape = match &self.file {
            TensorFile::Safetensors(file) => file.entries().get(name).map(|e| &e.shape),
            TensorFile::Pickle(file) => file.entries().get(name).map(|e| &e.shape),
        };
        shape.cloned().unwrap_or_default()
    }

    /// The tensor `name` in fp32 on the CPU.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        self.file.require(name, Kind::Float, Device::Cpu)
    }

    /// The tensor `name` on the CPU in the dtype that it is stored in.
    pub(super) fn as_stored(&self, name: &str) -> Result<Tensor> {
        let mut headers = self.file.headers().into_iter();
        let dtype = headers.find(|h| h.name == name).map_or("F32", |h| h.dtype);
        let kind = match dtype {
            "F16" => Kind::Half,
            "BF16" => Kind::BFloat16,
            "F64" => Kind::Double,
            _ => Kind::Float,
        };
        self.file.require(name, kind, Device::Cpu)
    }

    /// The number in the tensor `name`.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let value = self.file.require(name, Kind::Double, Device::Cpu)?;
        if value.numel() == 1 {
            let value = f64::try_from(value.f_reshape([1])?.f_squeeze()?)?;
            if value.is_finite() {
                return Ok(value);
            }
        }
        let problem = format!("has {name} that is not one finite number");
        Err(EngineError::bad_file(self.path(), problem))
    }

    /// What the metadata says under `key`, as JSON where it is JSON.
    pub(super) fn noted(&self, key: &str) -> Option<Value> {
        serde_json::from_str(self.metadata.get(key)?).ok()
    }
}

/// Whether its names are those of PEFT's own files, whose settings lie beside them.
fn is_raw_peft(file: &TensorFile) -> bool {
    let mut headers = file.headers().into_iter();
    headers.any(|header| header.name.starts_with("base_model.model."))
}

/// PEFT's settings beside `path`, where they count.
fn config_beside(path: &Path, is_raw_peft: bool) -> Option<PathBuf> {
    let beside = path.with_file_name("adapter_config.json");
    Some(beside).filter(|file| is_raw_peft && file.is_file())
}

/// The file in a folder of PEFT or Python diffusers; anything else as it is.
pub(super) fn file_of(path: &Path) -> PathBuf {
    file_in(path, &FILES_OF_FOLDERS)
}

/// The first of `names` that lies in the folder `path`; `path` itself where it is a file or has
/// none of them.
pub(crate) fn file_in(path: &Path, names: &[&str]) -> PathBuf {
    if !path.is_dir() {
        return path.to_owned();
    }
    let mut inside = names.iter().map(|name| path.join(name));
    inside
        .find(|file| file.is_file())
        .unwrap_or_else(|| path.to_owned())
}

/// SHA-256 over `path`.
pub(crate) fn file_hash(path: &Path) -> Result<String> {
    hash_of(path, None)
}

/// SHA-256 over `path`, and over `beside` where there is one.
pub(super) fn hash_of(path: &Path, beside: Option<&Path>) -> Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in [Some(path), beside].into_iter().flatten() {
        let io = |e| EngineError::io(path, e);
        let mut file = File::open(path).map_err(io)?;
        loop {
            let read = file.read(&mut buffer).map_err(io)?;
            if read == 0 {
                break;
            }
            digest.update(&buffer[..read]);
        }
    }
    Ok(hex_of(&digest.finalize()))
}
