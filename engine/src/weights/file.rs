//! A memory-mapped safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::{Advice, Mmap, UncheckedAdvice};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::{EngineError, Result};

/// Bytes of the header's length field, which a file begins with.
const LENGTH_BYTES: usize = 8;

/// Tensors from this size on give their mapped pages back as soon as they are copied.
const RELEASE_FROM_BYTES: usize = 1 << 20;

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

    /// Stored size in bytes.
    pub fn bytes(&self) -> usize {
        self.end - self.start
    }
}

/// A memory-mapped safetensors file whose header has been checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    map: Mmap,
    metadata: BTreeMap<String, String>,
    entries: BTreeMap<String, TensorEntry>,
}

impl SafetensorsFile {
    /// Maps `path` and reads its header, once.
    ///
    /// # Errors
    /// The file cannot be opened, is cut short, or its header is damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
        let about = file.metadata().map_err(|e| EngineError::io(path, e))?;
        if !about.is_file() {
            return Err(EngineError::bad_file(
                path,
                "is a folder, where a safetensors file is needed",
            ));
        }
        if about.len() < LENGTH_BYTES as u64 {
            return Err(EngineError::bad_file(
                path,
                format!(
                    "is only {} bytes long, which is no safetensors file; fetch or export it again",
                    about.len()
                ),
            ));
        }
        // SAFETY: the map is read-only; weights files are replaced by rename, never written in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| EngineError::io(path, e))?;
        let (header_bytes, header) =
            SafeTensors::read_metadata(&map).map_err(|e| unreadable(path, &map, &e))?;
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
        // Only a hint: a kernel that refuses it reads the same bytes a little later.
        let _ = map.advise(Advice::WillNeed);
        Ok(Self {
            path: path.to_owned(),
            metadata: metadata.map(|(k, v)| (k.clone(), v.clone())).collect(),
            entries,
            map,
        })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
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
    /// The bytes are read once and copied once, straight into the asked dtype and device. The
    /// tensor owns its memory: one that borrowed the map could not keep it alive, because tch
    /// offers no way to tie the two together.
    ///
    /// # Errors
    /// The stored dtype has no counterpart in libtorch, or memory runs out.
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        let Some(entry) = self.entries.get(name) else {
            return Ok(None);
        };
        let Some(stored) = entry.kind else {
            return Err(EngineError::bad_file(
                &self.path,
                format!(
                    "tensor {name} is stored as {}, which cannot be read; export the file in F32, \
                     F16 or BF16",
                    entry.dtype
                ),
            ));
        };
        let bytes = &self.map[entry.start..entry.end];
        let aligned = bytes
            .as_ptr()
            .addr()
            .is_multiple_of(stored.elt_size_in_bytes());
        let tensor = if bytes.is_empty() || !aligned {
            Tensor::f_from_data_size(bytes, &entry.shape, stored)?
                .f_to_device(device)?
                .f_to_kind(kind)?
        } else {
            let strides = contiguous_strides(&entry.shape);
            // SAFETY: `bytes` holds exactly `shape` elements of `stored` (the header was checked),
            // is aligned, and outlives `view`, which is only read and dropped in this block.
            let view = unsafe {
                Tensor::f_from_blob(bytes.as_ptr(), &entry.shape, &strides, stored, Device::Cpu)
            }?;
            view.f_to_device_(device, kind, false, true)?
        };
        if bytes.len() >= RELEASE_FROM_BYTES {
            self.release(entry);
        }
        Ok(Some(tensor))
    }

    /// Tells the kernel that these pages were read, so that loading does not hold the weights
    /// twice.
    fn release(&self, entry: &TensorEntry) {
        // SAFETY: the map is read-only and backed by the file, so a page that is dropped and
        // touched again is read from the file again with the same bytes.
        let _ = unsafe {
            self.map.unchecked_advise_range(
                UncheckedAdvice::DontNeed,
                entry.start,
                entry.end - entry.start,
            )
        };
    }
}

fn contiguous_strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i].max(1);
    }
    strides
}

fn unreadable(path: &Path, map: &[u8], error: &SafeTensorError) -> EngineError {
    let problem = if map.starts_with(b"version https://git-lfs") {
        "is a Git LFS pointer, not the weights themselves; run `git lfs pull` in its folder"
            .to_owned()
    } else {
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
        format!("is not a complete safetensors file ({what}); fetch or export it again")
    };
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
