//! Writing safetensors files.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use crate::atomic::{self, Existing};
use crate::{EngineError, Result};

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorToSave {
    /// Its name in the file.
    pub name: String,
    /// Its dtype in the file.
    pub kind: Kind,
    /// Dimensions.
    pub shape: Vec<i64>,
}

/// Writes tensors to a safetensors file, each in the dtype it has.
///
/// The file appears at `path` whole or not at all (temporary file beside it, fsync, rename). The
/// same tensors and `metadata` give the same bytes: wider dtypes first, so that every tensor is
/// aligned, then by name; metadata by key.
///
/// # Errors
/// The folder cannot be written, a name is given twice, or a tensor has a dtype that the format
/// lacks.
pub fn save(path: &Path, tensors: &[(String, Tensor)], metadata: &[(&str, String)]) -> Result<()> {
    let headers: Vec<TensorToSave> = tensors
        .iter()
        .map(|(name, tensor)| TensorToSave {
            name: name.clone(),
            kind: tensor.kind(),
            shape: tensor.size(),
        })
        .collect();
    let by_name: BTreeMap<&str, &Tensor> =
        tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
    save_each(path, &headers, metadata, |asked| {
        let found = by_name.get(asked.name.as_str());
        let lost = || EngineError::bad_file(path, format!("lost the tensor {}", asked.name));
        found.map(|tensor| tensor.shallow_clone()).ok_or_else(lost)
    })
}

/// As [`save`], with the tensors asked for one by one, so that only one at a time is in memory.
/// Each arrives in the dtype and shape that its header says.
///
/// # Errors
/// As [`save`]; those of `tensor`; or it gives one of another dtype or shape.
pub fn save_each(
    path: &Path,
    headers: &[TensorToSave],
    metadata: &[(&str, String)],
    mut tensor: impl FnMut(&TensorToSave) -> Result<Tensor>,
) -> Result<()> {
    let mut ordered = BTreeMap::new();
    for to_save in headers {
        let TensorToSave { name, kind, .. } = to_save;
        let Some(dtype) = dtype_name(*kind) else {
            let problem = format!("cannot store {name} as {kind:?}");
            return Err(EngineError::bad_file(path, problem));
        };
        let key = (std::cmp::Reverse(kind.elt_size_in_bytes()), name.as_str());
        if ordered.insert(key, (dtype, to_save)).is_some() {
            let problem = format!("cannot store two tensors named {name}");
            return Err(EngineError::bad_file(path, problem));
        }
    }

    let mut header = Map::new();
    if !metadata.is_empty() {
        let metadata: BTreeMap<_, _> = metadata.iter().map(|(k, v)| (*k, v)).collect();
        header.insert("__metadata__".to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for ((_, name), (dtype, to_save)) in &ordered {
        let numel: i64 = to_save.shape.iter().product();
        let end = offset + numel as usize * to_save.kind.elt_size_in_bytes();
        header.insert(
            (*name).to_owned(),
            json!({"dtype": dtype, "shape": to_save.shape, "data_offsets": [offset, end]}),
        );
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');

    let io = |e| EngineError::io(path, e);
    atomic::write(path, Existing::Replace, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())
            .map_err(io)?;
        file.write_all(&header).map_err(io)?;
        let mut bytes = Vec::new();
        for (_, to_save) in ordered.values() {
            let tensor = tensor(to_save)?
                .f_detach()?
                .f_to_device(Device::Cpu)?
                .f_contiguous()?;
            if tensor.kind() != to_save.kind || tensor.size() != to_save.shape {
                let problem = format!("was given another tensor as {}", to_save.name);
                return Err(EngineError::bad_file(path, problem));
            }
            bytes.resize(tensor.numel() * tensor.kind().elt_size_in_bytes(), 0);
            tensor.f_copy_data_u8(&mut bytes, tensor.numel())?;
            file.write_all(&bytes).map_err(io)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// The format's name for a dtype, such as `F16`.
pub(super) fn dtype_name(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Bool => "BOOL",
        Kind::Uint8 => "U8",
        Kind::Int8 => "I8",
        Kind::Int16 => "I16",
        Kind::Int => "I32",
        Kind::Int64 => "I64",
        Kind::Half => "F16",
        Kind::BFloat16 => "BF16",
        Kind::Float => "F32",
        Kind::Double => "F64",
        _ => return None,
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tch::Tensor;

    use super::save;

    #[test]
    fn a_saved_file_has_the_permissions_of_any_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let (saved, plain) = (folder.path().join("a"), folder.path().join("b"));
        save(
            &saved,
            &[("x".to_owned(), Tensor::from_slice(&[1.0_f32]))],
            &[],
        )
        .unwrap();
        std::fs::write(&plain, "x").unwrap();
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(saved), mode(plain));
    }
}
