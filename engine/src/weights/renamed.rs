//! A part of a file whose tensors have other names than our modules ask for.

use std::collections::BTreeMap;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use super::{NameTable, Take, TensorFile};
use crate::Result;

/// Where a parameter lies in a file, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorView {
    /// The stored tensor's full name.
    pub stored: String,
    /// How the parameter comes out of it.
    pub take: Take,
}

/// Some tensors of a file, by the names that our modules ask for.
#[derive(Debug, Clone)]
pub struct RenamedFile {
    /// The file.
    pub file: Rc<TensorFile>,
    /// By our names.
    pub views: BTreeMap<String, TensorView>,
    /// The file's names, for messages about what is missing.
    pub table: NameTable,
    /// Stored names that belong here, but that we have no name for.
    pub strangers: Vec<String>,
}

impl RenamedFile {
    /// The shape of the parameter `name`, where the file has it.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let view = self.views.get(name)?;
        let stored = self.file.shape(&view.stored)?;
        Some(view.take.shape(stored))
    }

    /// The parameter `name` in `kind` on `device`, where the file has it.
    ///
    /// # Errors
    /// See [`TensorFile::tensor`].
    pub fn tensor(&self, name: &str, kind: Kind, device: Device) -> Result<Option<Tensor>> {
        let Some(view) = self.views.get(name) else {
            return Ok(None);
        };
        let stored = self.file.tensor(&view.stored, kind, device)?;
        stored.map(|tensor| view.take.apply(tensor)).transpose()
    }

    /// What the file would call our `name`.
    pub fn stored_name(&self, name: &str) -> String {
        let known = self.table.theirs(name).map(|(theirs, _)| theirs);
        known.unwrap_or_else(|| name.to_owned())
    }
}
