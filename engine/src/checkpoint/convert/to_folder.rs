//! From a single file to a folder.

use std::fs;
use std::path::Path;

use serde_json::json;
use tch::{Device, Kind};

use super::super::folder::is_plain_name;
use super::super::single_file::{CLIP_PAD, OPEN_CLIP_PAD, SingleFile};
use super::folder::{copy_tokenizer, weights_name, write_text};
use super::{Conversion, kind_of, whole_folder, written_kind};
use crate::prompt::{clip_merges, vocabulary_of};
use crate::weights::{TensorToSave, save_each};
use crate::{EngineError, Result};

/// Writes the single file `from` as the folder `to`.
pub(super) fn from_file(from: &SingleFile, to: &Path, kind: Option<Kind>) -> Result<Conversion> {
    let mut notes = Vec::new();
    let unused = from.unused();
    if let Some(first) = unused.first() {
        notes.push(format!(
            "{} tensors have no place in a folder and are left out, such as {first}",
            unused.len()
        ));
    }
    let tensors = whole_folder(to, |folder| {
        let mut tensors = 0;
        for component in from.networks() {
            tensors += write_network(from, component, folder, kind)?;
        }
        for (name, config) in from.configs() {
            write_text(&folder.join(name), &format!("{:#}\n", json!(config)))?;
        }
        for part in from.texts() {
            let name = part.component.replace("text_encoder", "tokenizer");
            let target = folder.join(&name);
            if let Some(own) = from.tokenizer_dir(part.component) {
                copy_tokenizer(&own, &target)?;
            } else {
                let pad = if part.is_open_clip {
                    OPEN_CLIP_PAD
                } else {
                    CLIP_PAD
                };
                write_clip_tokenizer(&target, pad)?;
            }
        }
        // The very texts of the folder that the file came from.
        for (name, text) in from.folder_files() {
            let parts: Vec<&str> = name.split('/').collect();
            let is_inside = parts.len() <= 2 && parts.iter().all(|part| is_plain_name(part));
            let is_json = Path::new(&name).extension().is_some_and(|e| e == "json");
            if is_inside && is_json {
                write_text(&folder.join(&name), &text)?;
            }
        }
        Ok(tensors)
    })?;
    Ok(Conversion {
        what: "folder",
        tensors,
        notes,
    })
}

fn write_network(
    from: &SingleFile,
    component: &str,
    folder: &Path,
    kind: Option<Kind>,
) -> Result<usize> {
    let renamed = from.renamed(component)?;
    if !renamed.strangers.is_empty() {
        return Err(EngineError::Weights {
            path: from.path().to_owned(),
            missing: Vec::new(),
            unexpected: renamed.strangers,
            shapes: Vec::new(),
        });
    }
    let headers = renamed.views.iter().map(|(name, view)| {
        Ok(TensorToSave {
            name: name.clone(),
            kind: written_kind(kind_of(&renamed.file, &view.stored)?, kind),
            shape: renamed.shape(name).unwrap_or_default(),
        })
    });
    let headers = headers.collect::<Result<Vec<_>>>()?;
    let target = folder.join(component);
    fs::create_dir_all(&target).map_err(|e| EngineError::io(&target, e))?;
    let path = target.join(weights_name(component));
    save_each(&path, &headers, &[("format", "pt".to_owned())], |to_save| {
        let tensor = renamed.tensor(&to_save.name, to_save.kind, Device::Cpu)?;
        tensor.ok_or_else(|| {
            let problem = format!("lost the tensor {}", to_save.name);
            EngineError::bad_file(from.path(), problem)
        })
    })?;
    Ok(headers.len())
}

/// CLIP's own tokenizer, as model folders have it.
fn write_clip_tokenizer(folder: &Path, pad: &str) -> Result<()> {
    let merges = clip_merges()?;
    let vocabulary: serde_json::Map<_, _> = vocabulary_of(&merges)
        .into_iter()
        .enumerate()
        .map(|(id, token)| (token, id.into()))
        .collect();
    let special = json!({
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": pad,
        "unk_token": "<|endoftext|>",
    });
    let mut config = special.clone();
    config["model_max_length"] = 77.into();
    config["tokenizer_class"] = "CLIPTokenizer".into();
    config["do_lower_case"] = true.into();
    let file = |name: &str| folder.join(name);
    write_text(&file("vocab.json"), &format!("{}\n", json!(vocabulary)))?;
    write_text(&file("merges.txt"), &format!("#version: 0.2\n{merges}"))?;
    write_text(&file("special_tokens_map.json"), &format!("{special:#}\n"))?;
    write_text(&file("tokenizer_config.json"), &format!("{config:#}\n"))
}
