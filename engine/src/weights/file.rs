//! A memory-mapped safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use tch::{Device, Kind, Tensor};

use super::mapped::{Layout, MappedFile, contiguous_strides, copy_tensor};
use crate::{EngineError, Result};

/// Bytes of the header's length field, which a file begins with.
const LENGTH_BYTES: usize = 8;

/// What the header says about one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Dimensions.
    pub shape: Vec<i64>,
    /// dtype as stored, in the format's own name, such as `F16`.
    pub dtype: String,
    kind: Option<Kind>,
    start: usize,
    end: usize,
}

impl TensorEntry {
    /// Number of elements.
    pub fn numel(&self) -> i64 {
        self.shape.iter().product()
    }

    /// dtype as stored, where libtorch has it.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Stored size in bytes.
    pub fn bytes(&self) -> usize {
        self.end - self.start
    }
}

/// A memory-mapped safetensors file whose header has been checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    file: MappedFile,
    metadata: BTreeMap<String, String>,
    entries: BTreeMap<String, TensorEntry>,
}

impl SafetensorsFile {
    /// Maps `path` and reads its header, once.
    ///
    /// # Errors
    /// The file cannot be opened, is cut short, or its header is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = MappedFile::open(path, "safetensors file")?;
        let (header_bytes, header) =
            SafeTensors::read_metadata(file.bytes()).map_err(|e| unreadable(path, &e))?;
        let data_start = LENGTH_BYTES + header_bytes;
        let entries = header
            .tensors()
            .into_iter()
            .map(|(name, info)| {
                let entry = TensorEntry {
                    shape: info.shape.iter().map(|&d| d as i64).collect(),
                    dtype: format!("{:?}", info.dtype),
                    kind: kind_of(info.dtype),
                    start: data_start + info.data_offsets.0,
                    end: data_start + info.data_offsets.1,
                };
                (name, entry)
            })
            .collect();
        let metadata = header.metadata().iter().flatten();
        file.will_need();
        Ok(Self {
            metadata: metadata.map(|(k, v)| (k.clone(), v.clone())).collect(),
            entries,
            file,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The header's `__metadata__`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Names and headers of all tensors, by name.
    pub fn entries(&self) -> &BTreeMap<String, TensorEntry> {
        &self.entries
    }

    /// Copies the tensor `name` to `device` in `kind`, or gives `None` where the file lacks it.
    ///
    /// # Errors
    /// The stored dtype has no counterpart in libtorch, or memory runs out.
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let Some(stored) = entry.kind else {
            return Err(EngineError::bad_file(
                self.path(),
                format!(
                    "tensor {name} is stored as {}, which cannot be read; export the file in F32, \
                     F16 or BF16",
                    entry.dtype
                ),
            ));
        };
        let range = entry.start..entry.end;
        let layout = Layout {
            shape: &entry.shape,
            strides: &contiguous_strides(&entry.shape),
            stored,
        };
        let tensor = copy_tensor(&self.file.bytes()[range.clone()], layout, kind, device)?;
        self.file.release(&range);
        Ok(Some(tensor))
    }
}

/// Whether a file begins with a plausible header length and the header's first character.
pub(super) fn looks_like_safetensors(start: &[u8]) -> bool {
    start.get(4..9) == Some(b"\0\0\0\0{")
}

fn unreadable(path: &Path, error: &SafeTensorError) -> EngineError {
    let what = match error {
        SafeTensorError::InvalidHeaderLength | SafeTensorError::MetadataIncompleteBuffer => {
            "its length is not what its header promises".to_owned()
        }
        SafeTensorError::HeaderTooLarge => "its header is not one".to_owned(),
        SafeTensorError::InvalidOffset(name) => {
            format!("tensor {name} overlaps another or leaves a gap")
        }
        other => other.to_string(),
    };
    let problem = format!("is not a complete safetensors file ({what}); fetch or export it again");
    EngineError::bad_file(path, problem)
}

/// libtorch's counterpart of a stored dtype.
fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::BOOL => Kind::Bool,
        Dtype::U8 => Kind::Uint8,
        Dtype::I8 => Kind::Int8,
        Dtype::I16 => Kind::Int16,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        _ => return None,
    })
}
