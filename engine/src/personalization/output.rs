//! What was learnt, into a file.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::PersonalOutput;
use crate::adapters::{
    Component, LoraLayer, bundled_name, full_difference, low_rank_of, save_lora_with,
};
use crate::train::personal::Parts;
use crate::weights;
use crate::{EngineError, Result};

/// Numbers in files.
const KIND: Kind = Kind::Half;

/// Writes `parts` to `path` as `output` says, in fp16 but for words, which are in fp32.
///
/// # Errors
/// The file cannot be written, or `output` has no place for what was trained.
pub(super) fn save(
    path: &Path,
    parts: &Parts,
    output: PersonalOutput,
    notes: &BTreeMap<String, String>,
) -> Result<()> {
    let _guard = tch::no_grad_guard();
    let word = parts.word.as_ref();
    let vectors = word
        .map(|word| fp32(&word.vectors).map(|vectors| (word.word.as_str(), vectors)))
        .transpose()?;
    match output {
        PersonalOutput::Word | PersonalOutput::KohyaWord => {
            let Some((word, vectors)) = vectors else {
                return Err(EngineError::request("word", "was not trained"));
            };
            let name = if output == PersonalOutput::Word {
                word
            } else {
                "emb_params"
            };
            save_tensors(path, &[(name.to_owned(), vectors)], notes)
        }
        PersonalOutput::Lora(format, rank) => {
            let mut layers: Vec<LoraLayer> = Vec::new();
            if let Some(lora) = &parts.lora {
                layers.extend(lora.layers.iter().map(LoraLayer::shallow_clone));
            }
            let deltas = parts.key_values.iter().flat_map(|k| &k.deltas);
            for (path, delta) in deltas {
                let factors = low_rank_of(delta, i64::from(rank))?;
                layers.push(factors.into_layer(Component::UNet, path));
            }
            let extra = vectors.map(|(word, vectors)| (bundled_name(word), vectors));
            save_lora_with(path, &layers, format, KIND, notes, extra.as_slice())
        }
        PersonalOutput::Full => {
            let mut tensors = Vec::new();
            for (path, delta) in parts.key_values.iter().flat_map(|k| &k.deltas) {
                let (name, delta) = full_difference(Component::UNet, path, delta);
                tensors.push((name, delta.f_to_device(Device::Cpu)?.f_to_kind(KIND)?));
            }
            tensors.extend(vectors.map(|(word, vectors)| (bundled_name(word), vectors)));
            save_tensors(path, &tensors, notes)
        }
    }
}

fn fp32(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor
        .f_to_device(Device::Cpu)?
        .f_to_kind(Kind::Float)?
        .f_contiguous()?)
}

fn save_tensors(
    path: &Path,
    tensors: &[(String, Tensor)],
    notes: &BTreeMap<String, String>,
) -> Result<()> {
    let notes: Vec<(&str, String)> = notes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    weights::save(path, tensors, &notes)
}
