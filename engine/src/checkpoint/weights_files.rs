//! Which files hold a component's weights.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::folder::{is_plain_name, read_config};
use crate::{EngineError, Result};

/// Base names of weights, with and without variant, in order of preference: those of transformers'
/// and diffusers' models, and of the two the full one first, so that every dtype reads (and the
/// model's hash covers) the same file.
const STEMS: [&str; 4] = [
    "model",
    "diffusion_pytorch_model",
    "model.fp16",
    "diffusion_pytorch_model.fp16",
];

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// The safetensors files of the component in `folder`, all shards of it, by name.
///
/// # Errors
/// There is none, or a shard is missing.
pub(super) fn weights_files(folder: &Path) -> Result<Vec<PathBuf>> {
    for stem in STEMS {
        let single = folder.join(format!("{stem}.safetensors"));
        if single.is_file() {
            return Ok(vec![single]);
        }
        for index in index_names(stem) {
            let index = folder.join(index);
            if index.is_file() {
                return shards(folder, &index);
            }
        }
    }
    Err(EngineError::bad_file(folder, why_none(folder)))
}

/// Whether the component in `folder` is a network, which needs weights; tokenizers, schedulers and
/// image processors are not.
pub(super) fn is_network(folder: &Path) -> bool {
    folder.join("config.json").is_file() && !folder.join("tokenizer_config.json").is_file()
}

/// The two places where tools have put the variant in an index' name.
fn index_names(stem: &str) -> Vec<String> {
    let mut names = vec![format!("{stem}.safetensors.index.json")];
    if let Some(base) = stem.strip_suffix(".fp16") {
        names.push(format!("{base}.safetensors.index.fp16.json"));
    }
    names
}

fn shards(folder: &Path, index: &Path) -> Result<Vec<PathBuf>> {
    let map: ShardIndex = read_config(index)?;
    let names: BTreeSet<String> = map.weight_map.into_values().collect();
    if names.is_empty() {
        return Err(EngineError::bad_config(
            index,
            "weight_map",
            "names no file; fetch it again",
        ));
    }
    let mut files = Vec::new();
    for name in names {
        if !is_plain_name(&name) {
            let problem = format!("names \"{name}\", which is not a file beside it");
            return Err(EngineError::bad_config(index, "weight_map", problem));
        }
        let file = folder.join(name);
        if !file.is_file() {
            return Err(EngineError::bad_file(
                file,
                "is missing, though the index beside it names it; fetch it again",
            ));
        }
        files.push(file);
    }
    Ok(files)
}

fn why_none(folder: &Path) -> &'static str {
    let pickled = ["pytorch_model.bin", "diffusion_pytorch_model.bin"];
    if pickled.iter().any(|name| folder.join(name).exists()) {
        "has its weights as .bin only, which can run code and is not read; export it as safetensors"
    } else {
        "has no weights (model.safetensors or diffusion_pytorch_model.safetensors); fetch it again"
    }
}
