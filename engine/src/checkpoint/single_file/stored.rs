//! What a single file holds, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;

use crate::Result;
use crate::weights::TensorFile;
use crate::weights::pickle::PickleValue;

/// What trainers put around all names.
const OUTER: &str = "state_dict.";

/// A file's tensors under the names of the original code.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) file: Rc<TensorFile>,
    /// Shapes, by name without what trainers put around it.
    shapes: BTreeMap<String, Vec<i64>>,
    outer: &'static str,
}

impl Stored {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let headers = file.headers();
        let wrapped = headers.iter().any(|h| h.name.starts_with(OUTER));
        let outer = if wrapped { OUTER } else { "" };
        let shapes = headers
            .iter()
            .filter_map(|h| {
                let name = h.name.strip_prefix(outer)?;
                Some((name.to_owned(), h.shape.to_vec()))
            })
            .collect();
        Ok(Self {
            file: Rc::new(file),
            shapes,
            outer,
        })
    }

    /// The whole name of `name` in the file.
    pub(super) fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.outer)
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[i64]> {
        self.shapes.get(name).map(Vec::as_slice)
    }

    /// The first dimension of `name`; `None` where the file lacks it.
    pub(super) fn rows(&self, name: &str) -> Option<i64> {
        self.shape(name)?.first().copied()
    }

    /// The second dimension of `name`.
    pub(super) fn columns(&self, name: &str) -> Option<i64> {
        self.shape(name)?.get(1).copied()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.shapes.contains_key(name)
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str)
    }

    /// All names that begin with `prefix`, in order.
    pub(super) fn under(&self, prefix: &str) -> impl Iterator<Item = &str> {
        let from = self.shapes.range(prefix.to_owned()..);
        let names = from.map(|(name, _)| name.as_str());
        names.take_while(move |name| name.starts_with(prefix))
    }

    pub(super) fn has_under(&self, prefix: &str) -> bool {
        self.under(prefix).next().is_some()
    }

    /// How many numbered modules lie under `prefix`: `prefix0.…`, `prefix1.…`, and so on.
    pub(super) fn count(&self, prefix: &str) -> i64 {
        let numbers: BTreeSet<i64> = self
            .under(prefix)
            .filter_map(|name| {
                let (number, _) = name[prefix.len()..].split_once('.')?;
                number.parse().ok()
            })
            .collect();
        let in_a_row = (0..).zip(&numbers).take_while(|(i, number)| i == *number);
        in_a_row.count() as i64
    }

    /// The training step that a trainer noted beside the weights.
    pub(super) fn global_step(&self) -> Option<i64> {
        match &*self.file {
            TensorFile::Pickle(file) => match file.root().get("global_step") {
                Some(PickleValue::Int(step)) => Some(*step),
                _ => None,
            },
            TensorFile::Safetensors(_) => None,
        }
    }

    /// What stands in the header of a safetensors file under `key`.
    pub(super) fn metadata(&self, key: &str) -> Option<&str> {
        match &*self.file {
            TensorFile::Safetensors(file) => file.metadata().get(key).map(String::as_str),
            TensorFile::Pickle(_) => None,
        }
    }
}
