//! Memory-mapped weights files, and tensors out of their bytes.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::{Advice, Mmap, UncheckedAdvice};
use tch::{Device, Kind, Tensor};

use crate::{EngineError, Result};

/// Reads from this size on give their mapped pages back as soon as they are copied.
const RELEASE_FROM_BYTES: usize = 1 << 20;

/// What a file begins with that Git LFS has not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// A file in memory, read-only.
#[derive(Debug)]
pub(super) struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

impl MappedFile {
    /// Maps `path`, which should be a `what`, such as `safetensors file`.
    pub(super) fn open(path: &Path, what: &str) -> Result<Self> {
        let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
        let about = file.metadata().map_err(|e| EngineError::io(path, e))?;
        if !about.is_file() {
            let problem = format!("is a folder, where a {what} is needed");
            return Err(EngineError::bad_file(path, problem));
        }
        // The shortest file of either format is longer; a length field would not even fit.
        if about.len() < 8 {
            let problem = format!(
                "is only {} bytes long, which is no {what}; fetch or export it again",
                about.len()
            );
            return Err(EngineError::bad_file(path, problem));
        }
        // SAFETY: the map is read-only; weights files are replaced by rename, never written in place.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| EngineError::io(path, e))?;
        if map.starts_with(LFS_POINTER) {
            return Err(EngineError::bad_file(
                path,
                "is a Git LFS pointer, not the weights themselves; run `git lfs pull` in its folder",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            map,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Hints that the whole file will be read.
    pub(super) fn will_need(&self) {
        // Only a hint: a kernel that refuses it reads the same bytes a little later.
        let _ = self.map.advise(Advice::WillNeed);
    }

    /// Tells the kernel that these bytes were read, so that loading does not hold the weights
    /// twice.
    pub(super) fn release(&self, range: &Range<usize>) {
        if range.len() < RELEASE_FROM_BYTES {
            return;
        }
        // SAFETY: the map is read-only and backed by the file, so a page that is dropped and
        // touched again is read from the file again with the same bytes.
        let _ = unsafe {
            self.map
                .unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len())
        };
    }
}

/// Where the elements of a tensor lie, counted in elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a> {
    pub(super) shape: &'a [i64],
    pub(super) strides: &'a [i64],
    pub(super) stored: Kind,
}

/// Copies a tensor out of `bytes` into `kind` on `device`.
///
/// The bytes are read once and copied once, straight into the asked dtype and device. The tensor
/// owns its memory: one that borrowed `bytes` could not keep them alive, because tch offers no way
/// to tie the two together.
///
/// `bytes` holds every element that `layout` reaches, and no stride is negative; callers check it.
pub(super) fn copy_tensor(
    bytes: &[u8],
    layout: Layout<'_>,
    kind: Kind,
    device: Device,
) -> Result<Tensor> {
    let Layout {
        shape,
        strides,
        stored,
    } = layout;
    if shape.contains(&0) {
        return Ok(Tensor::f_empty(shape, (kind, device))?);
    }
    let width = stored.elt_size_in_bytes();
    if bytes.as_ptr().addr().is_multiple_of(width) {
        // SAFETY: `bytes` holds every element that shape and strides reach, is aligned, and
        // outlives `view`, which is only read and dropped in this block.
        let view =
            unsafe { Tensor::f_from_blob(bytes.as_ptr(), shape, strides, stored, Device::Cpu) }?;
        // Copying keeps the order of strides; callers get the plain one.
        return Ok(view
            .f_to_device_(device, kind, false, true)?
            .f_contiguous()?);
    }
    let count = (bytes.len() / width) as i64;
    let flat = Tensor::f_from_data_size(&bytes[..count as usize * width], &[count], stored)?;
    let view = flat.f_as_strided(shape, strides, 0)?;
    Ok(view
        .f_to_device_(device, kind, false, true)?
        .f_contiguous()?)
}

/// Strides of a tensor whose elements lie one after another, last dimension fastest.
pub(super) fn contiguous_strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1_i64; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i].saturating_mul(shape[i].max(1));
    }
    strides
}
