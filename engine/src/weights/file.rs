//! A memory-mapped safetensors file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::{EngineError, Result};

/// A memory-mapped safetensors file whose header has been checked against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    map: Mmap,
    metadata: BTreeMap<String, String>,
    names: Vec<String>,
}

impl SafetensorsFile {
    /// Maps `path` and reads its header.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a complete safetensors file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
        // SAFETY: the map is read-only; weights files are replaced by rename, never written in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| EngineError::io(path, e))?;
        let (metadata, names) = {
            let (_, header) = SafeTensors::read_metadata(&map).map_err(|e| unreadable(path, &e))?;
            let tensors = SafeTensors::deserialize(&map).map_err(|e| unreadable(path, &e))?;
            let names = tensors.names().into_iter().map(str::to_owned).collect();
            let metadata = header
                .metadata()
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect();
            (metadata, names)
        };
        Ok(Self {
            path: path.to_owned(),
            map,
            metadata,
            names,
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

    /// Names of all tensors in the file, in no particular order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Copies the tensor `name` to `device` in `kind`, or gives `None` where the file lacks it.
    ///
    /// # Errors
    /// The stored dtype has no counterpart in libtorch, or memory runs out.
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        let tensors =
            SafeTensors::deserialize(&self.map).map_err(|e| unreadable(&self.path, &e))?;
        let Ok(view) = tensors.tensor(name) else {
            return Ok(None);
        };
        let stored = kind_of(view.dtype()).ok_or_else(|| {
            EngineError::bad_file(
                &self.path,
                format!(
                    "tensor {name} is stored as {:?}, which is not supported",
                    view.dtype()
                ),
            )
        })?;
        let shape: Vec<i64> = view.shape().iter().map(|&d| d as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &shape, stored)?;
        Ok(Some(tensor.f_to_device(device)?.f_to_kind(kind)?))
    }

    /// Shape of the tensor `name`, where the file has it.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let tensors = SafeTensors::deserialize(&self.map).ok()?;
        tensors
            .tensor(name)
            .ok()
            .map(|v| v.shape().iter().map(|&d| d as i64).collect())
    }
}

fn unreadable(path: &Path, error: &safetensors::SafeTensorError) -> EngineError {
    EngineError::bad_file(
        path,
        format!("is not a complete safetensors file ({error}); fetch or export it again"),
    )
}

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

/// Writes `tensors` to `path` atomically (temporary file, fsync, rename).
pub(super) fn save(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: &[(&str, String)],
) -> Result<()> {
    use std::io::Write;
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let dtype = match tensor.kind() {
            Kind::Half => Dtype::F16,
            Kind::BFloat16 => Dtype::BF16,
            Kind::Float => Dtype::F32,
            Kind::Double => Dtype::F64,
            Kind::Int64 => Dtype::I64,
            Kind::Uint8 => Dtype::U8,
            other => {
                return Err(EngineError::bad_file(
                    path,
                    format!("cannot store {name} as {other:?}"),
                ));
            }
        };
        let tensor = tensor
            .f_detach()?
            .f_to_device(Device::Cpu)?
            .f_contiguous()?;
        let mut data = vec![0_u8; tensor.numel() * tensor.kind().elt_size_in_bytes()];
        tensor.f_copy_data_u8(&mut data, tensor.numel())?;
        let shape: Vec<usize> = tensor.size().iter().map(|&d| d as usize).collect();
        bytes.push((name.clone(), dtype, shape, data));
    }
    let views = bytes
        .iter()
        .map(|(name, dtype, shape, data)| {
            safetensors::tensor::TensorView::new(*dtype, shape.clone(), data)
                .map(|view| (name.clone(), view))
                .map_err(|e| EngineError::bad_file(path, format!("cannot store {name}: {e}")))
        })
        .collect::<Result<Vec<_>>>()?;
    let metadata = (!metadata.is_empty()).then(|| {
        metadata
            .iter()
            .map(|(k, v)| ((*k).to_owned(), v.clone()))
            .collect()
    });
    let buffer = safetensors::serialize(views, metadata)
        .map_err(|e| EngineError::bad_file(path, format!("cannot be written: {e}")))?;
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(|e| EngineError::io(folder, e))?;
    file.write_all(&buffer)
        .map_err(|e| EngineError::io(path, e))?;
    file.as_file()
        .sync_all()
        .map_err(|e| EngineError::io(path, e))?;
    file.persist(path)
        .map_err(|e| EngineError::io(path, e.error))?;
    Ok(())
}
