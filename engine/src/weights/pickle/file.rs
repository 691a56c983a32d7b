//! An opened file of `torch.save`.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::archive::Archive;
use super::classes::shown;
use super::value::{PickleTensor, PickleValue};
use super::{Problem, machine};
use crate::weights::mapped::{Layout, copy_tensor};
use crate::{EngineError, Result};

/// Largest data.pkl, in bytes; that of Stable Diffusion XL with its optimizer has a tenth.
const MAX_PICKLE_BYTES: u64 = 32 << 20;

/// A memory-mapped file of `torch.save` whose pickle has been read, and whose tensors have been
/// checked against the lengths of their storages.
#[derive(Debug)]
pub struct PickleFile {
    archive: Archive,
    root: PickleValue,
    entries: BTreeMap<String, PickleTensor>,
}

impl PickleFile {
    /// Maps `path` and reads what it holds; tensors stay in the file until they are asked for.
    ///
    /// # Errors
    /// The file cannot be opened, is cut short or damaged, is in another format (that of PyTorch
    /// before 1.6, TorchScript), was written on a big-endian machine, or holds anything else than
    /// tensors, plain values, and dicts, lists and tuples of them.
    pub fn open(path: &Path) -> Result<Self> {
        let archive = Archive::open(path)?;
        let bad = |problem: Problem| EngineError::bad_file(path, problem);
        let root = read_root(&archive).map_err(bad)?;
        let entries = tensors(&archive, &root).map_err(bad)?;
        Ok(Self {
            archive,
            root,
            entries,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.archive.path()
    }

    /// The whole value that was saved.
    pub fn root(&self) -> &PickleValue {
        &self.root
    }

    /// All tensors by name; see [`PickleValue::leaves`] for how they are named.
    pub fn entries(&self) -> &BTreeMap<String, PickleTensor> {
        &self.entries
    }

    /// Copies the tensor `name` to `device` in `kind`, or gives `None` where the file lacks it.
    ///
    /// # Errors
    /// Its entry in the archive is damaged, or memory runs out.
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        self.entries
            .get(name)
            .map(|tensor| self.read(tensor, kind, device))
            .transpose()
    }

    /// Copies a tensor of this file's [`root`](Self::root) to `device` in `kind`.
    ///
    /// # Errors
    /// Its entry in the archive is damaged, or memory runs out.
    pub fn read(&self, tensor: &PickleTensor, kind: Kind, device: Device) -> Result<Tensor> {
        let bad = |problem| EngineError::bad_file(self.path(), problem);
        let name = entry_name(tensor);
        // A deflated storage is inflated again for every tensor in it; PyTorch writes none.
        let bytes = self.archive.read(&name).map_err(bad)?.unwrap_or_default();
        let Some(bytes) = bytes.get(tensor.byte_range()) else {
            let problem = format!("has no whole entry {}", shown(&name));
            return Err(bad(problem));
        };
        let layout = Layout {
            shape: &tensor.shape,
            strides: tensor.strides(),
            stored: tensor.storage().kind,
        };
        let copy = copy_tensor(bytes, layout, kind, device)?;
        self.archive.release(&name);
        Ok(copy)
    }
}

fn entry_name(tensor: &PickleTensor) -> String {
    format!("data/{}", tensor.storage().key)
}

fn read_root(archive: &Archive) -> Result<PickleValue, Problem> {
    let order = archive.read("byteorder")?;
    if order.is_some_and(|order| order.trim_ascii() != b"little") {
        return Err(
            "was saved on a big-endian machine; in Python, load it and save it again on this one"
                .to_owned(),
        );
    }
    if archive
        .size("data.pkl")
        .is_some_and(|n| n > MAX_PICKLE_BYTES)
    {
        return Err(format!(
            "has a data.pkl of more than {} MB, which no file of tensors needs; save its tensors \
             alone as safetensors",
            MAX_PICKLE_BYTES >> 20
        ));
    }
    machine::run(&archive.read("data.pkl")?.unwrap_or_default())
}

/// The tensors of `root` by name, each with its whole storage in the archive.
fn tensors(
    archive: &Archive,
    root: &PickleValue,
) -> Result<BTreeMap<String, PickleTensor>, Problem> {
    let mut tensors = BTreeMap::new();
    for (name, leaf) in root.leaves() {
        let PickleValue::Tensor(tensor) = leaf else {
            continue;
        };
        let storage = tensor.storage();
        let needed = storage.numel as u64 * storage.kind.elt_size_in_bytes() as u64;
        let size = archive.size(&entry_name(tensor));
        // An empty storage may have no entry.
        if size.unwrap_or_default() < needed {
            return Err(format!(
                "has {} bytes for tensor {}, which needs {needed}; fetch or export it again",
                size.unwrap_or_default(),
                shown(&name)
            ));
        }
        if tensors.insert(name.clone(), tensor.clone()).is_some() {
            return Err(format!("has two tensors named {}", shown(&name)));
        }
    }
    Ok(tensors)
}
