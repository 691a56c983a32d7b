//! A model folder's tensors, by component, under the names of today's Python diffusers.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::super::folder::ModelFolder;
use super::super::weights_files::{is_network, weights_files};
use super::kind_of;
use crate::Result;
use crate::models::clip::is_stored_buffer;
use crate::weights::TensorFile;

/// One component's weights.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) component: String,
    files: Vec<TensorFile>,
    /// By today's name: which file, and the name in it.
    tensors: BTreeMap<String, (usize, String)>,
}

impl Part {
    /// The component with weights in `folder`; `None` where it is no network.
    pub(super) fn open(folder: &Path, component: &str) -> Result<Option<Self>> {
        if !is_network(folder) {
            return Ok(None);
        }
        let paths = weights_files(folder)?;
        let files = paths.iter().map(|path| TensorFile::open(path));
        let files = files.collect::<Result<Vec<_>>>()?;
        let mut tensors = BTreeMap::new();
        for (i, file) in files.iter().enumerate() {
            for header in file.headers() {
                if !is_stored_buffer(header.name) {
                    let name = todays_name(component, header.name);
                    tensors.insert(name, (i, header.name.to_owned()));
                }
            }
        }
        Ok(Some(Self {
            component: component.to_owned(),
            files,
            tensors,
        }))
    }

    /// All components of `folder` that a picture depends on.
    pub(super) fn all(folder: &ModelFolder) -> Result<Vec<Self>> {
        let mut parts = Vec::new();
        for component in folder.components() {
            let dir = folder.path().join(&component.name);
            if component.decides_picture() {
                parts.extend(Self::open(&dir, &component.name)?);
            }
        }
        Ok(parts)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape and stored dtype of the tensor `name`, which is one of [`Self::names`].
    pub(super) fn header(&self, name: &str) -> Result<(Vec<i64>, Kind)> {
        let (file, stored) = self.place(name);
        let shape = file.shape(stored).unwrap_or_default().to_vec();
        Ok((shape, kind_of(file, stored)?))
    }

    /// The tensor `name` in `kind`.
    pub(super) fn tensor(&self, name: &str, kind: Kind) -> Result<Tensor> {
        let (file, stored) = self.place(name);
        file.require(stored, kind, Device::Cpu)
    }

    /// The first of its files.
    pub(super) fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), TensorFile::path)
    }

    fn place<'a>(&'a self, name: &'a str) -> (&'a TensorFile, &'a str) {
        match self.tensors.get(name) {
            Some((file, stored)) => (&self.files[*file], stored),
            None => (&self.files[0], name),
        }
    }
}

/// The name of today for one that older or newer versions write.
fn todays_name(component: &str, name: &str) -> String {
    if component.starts_with("text_encoder") {
        // Python transformers 5 leaves the prefix out.
        let bare = ["embeddings.", "encoder.", "final_layer_norm."];
        let is_bare = bare.iter().any(|start| name.starts_with(start));
        return if is_bare {
            format!("text_model.{name}")
        } else {
            name.to_owned()
        };
    }
    if component == "vae" {
        for (old, new) in [
            ("query", "to_q"),
            ("key", "to_k"),
            ("value", "to_v"),
            ("proj_attn", "to_out.0"),
        ] {
            let old = format!(".attentions.0.{old}.");
            if name.contains(&old) {
                return name.replace(&old, &format!(".attentions.0.{new}."));
            }
        }
    }
    name.to_owned()
}
