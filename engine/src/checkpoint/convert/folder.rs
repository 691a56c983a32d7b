//! The small files of a model folder, and a copy of the whole in another dtype.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use tch::Kind;

use super::super::folder::ModelFolder;
use super::parts::Part;
use super::{Conversion, whole_folder, written_kind};
use crate::atomic::{self, Existing};
use crate::prompt::Tokenizer;
use crate::weights::{TensorToSave, save_each};
use crate::{EngineError, Result};

/// Files of a component that say how it is to be used.
const CONFIGS: [&str; 4] = [
    "config.json",
    "scheduler_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];
/// Files of the folder itself.
const OWN: [&str; 2] = ["model_index.json", "vernier.json"];
/// Files of a tokenizer.
const TOKENIZER: [&str; 5] = [
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// Where a component's weights lie.
pub(super) fn weights_name(component: &str) -> &'static str {
    if component.starts_with("text_encoder") {
        "model.safetensors"
    } else {
        "diffusion_pytorch_model.safetensors"
    }
}

/// The texts of the files that say how a model is to be used, by their places in the folder.
pub(super) fn small_files(folder: &ModelFolder) -> Result<BTreeMap<String, String>> {
    let mut names: Vec<String> = OWN.map(str::to_owned).to_vec();
    for component in folder.components().iter().filter(|c| c.decides_picture()) {
        names.extend(CONFIGS.map(|file| format!("{}/{file}", component.name)));
    }
    let mut files = BTreeMap::new();
    for name in names {
        let path = folder.path().join(&name);
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(|e| EngineError::io(&path, e))?;
            files.insert(name, text);
        }
    }
    Ok(files)
}

/// Whether the tokenizer in `folder` reads CLIP's own vocabulary.
pub(super) fn is_clips_own(folder: &Path) -> Result<bool> {
    let own = Tokenizer::open(folder)?;
    Ok(own.has_vocabulary_of(&Tokenizer::clip("!")?))
}

/// Copies a tokenizer's files.
pub(super) fn copy_tokenizer(from: &Path, to: &Path) -> Result<()> {
    for name in TOKENIZER {
        let path = from.join(name);
        if path.is_file() {
            let text = fs::read_to_string(&path).map_err(|e| EngineError::io(&path, e))?;
            write_text(&to.join(name), &text)?;
        }
    }
    Ok(())
}

/// Writes a text, and the folder around it where it is not there.
pub(super) fn write_text(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    }
    atomic::write(path, Existing::Replace, |file| {
        let written = file.write_all(text.as_bytes());
        written.map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}

/// Copies the model `from` to `to`, its weights in `kind`, each component in one file.
pub(super) fn copy(from: &ModelFolder, to: &Path, kind: Option<Kind>) -> Result<Conversion> {
    let mut notes = Vec::new();
    let tensors = whole_folder(to, |folder| {
        let mut tensors = 0;
        for part in Part::all(from)? {
            let headers = part.names().map(|name| {
                let (shape, stored) = part.header(name)?;
                Ok(TensorToSave {
                    name: name.to_owned(),
                    kind: written_kind(stored, kind),
                    shape,
                })
            });
            let headers = headers.collect::<Result<Vec<_>>>()?;
            let target = folder.join(&part.component);
            fs::create_dir_all(&target).map_err(|e| EngineError::io(&target, e))?;
            let path = target.join(weights_name(&part.component));
            save_each(&path, &headers, &[("format", "pt".to_owned())], |to_save| {
                part.tensor(&to_save.name, to_save.kind)
            })?;
            tensors += headers.len();
        }
        for component in from.components() {
            let own = from.path().join(&component.name);
            if component.name.starts_with("tokenizer") {
                copy_tokenizer(&own, &folder.join(&component.name))?;
            } else if !component.decides_picture() && own.is_dir() {
                notes.push(format!("{} is left out", component.name));
            }
        }
        for (name, text) in small_files(from)? {
            write_text(&folder.join(name), &text)?;
        }
        Ok(tensors)
    })?;
    Ok(Conversion {
        what: "folder",
        tensors,
        notes,
    })
}
