//! What an adapter's file tells about itself without a model.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::family::Family;
use super::file::{AdapterFile, LayerKeys};
use super::keys::{Component, Part};
use super::modules::Modules;
use crate::Result;

/// Most trigger words that are told.
const MOST_WORDS: usize = 12;

/// An adapter's file in a few words.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// How its tensors are named: `kohya`, `PEFT`, `Python diffusers before PEFT`.
    pub naming: &'static str,
    /// What it is, such as `LoRA`, with the number of layers of each kind.
    pub kinds: BTreeMap<&'static str, usize>,
    /// Ranks, smallest first.
    pub ranks: BTreeSet<i64>,
    /// Alphas divided by ranks, smallest and largest, where it has low-rank parts.
    pub scales: Option<(f64, f64)>,
    /// What it was made for.
    pub family: Option<Family>,
    /// The same as far as its tensors tell it: another model than that refuses it.
    pub needs: Option<Family>,
    /// Whether it has a part for a text encoder.
    pub has_text: bool,
    /// What it touches: layers by network and group, such as `U-Net attention`.
    pub touches: BTreeMap<String, usize>,
    /// Layers that no known model has.
    pub homeless: usize,
    /// Tensors of no known kind.
    pub unknown: usize,
    /// Names of embeddings that it brings along.
    pub embeddings: BTreeSet<String>,
    /// Words that it was trained with, most frequent first.
    pub trigger_words: Vec<String>,
    /// What its metadata calls it, and the model that it was trained on.
    pub notes: Vec<(&'static str, String)>,
}

/// Metadata worth showing, with what it says.
const NOTES: [(&str, &str); 7] = [
    ("modelspec.title", "title"),
    ("ss_output_name", "name"),
    ("modelspec.author", "author"),
    ("modelspec.license", "licence"),
    ("ss_sd_model_name", "trained on"),
    ("ss_base_model_version", "base model"),
    ("ss_network_module", "made with"),
];

impl Summary {
    /// That of `file`.
    ///
    /// # Errors
    /// An alpha cannot be read.
    pub fn of(file: &AdapterFile) -> Result<Self> {
        let modules = Modules::of_the_family();
        let mut kinds = BTreeMap::new();
        let mut ranks = BTreeSet::new();
        let mut scales: Option<(f64, f64)> = None;
        let mut touches = BTreeMap::new();
        let mut homeless = 0;
        for layer in &file.layers {
            let has = |part: Part| layer.parts.contains_key(&part);
            *kinds.entry(kind_of(&has)).or_default() += 1;
            let rank_of = [Part::Down, Part::HadaW1B, Part::LokrW1B, Part::LokrW2B];
            let rank = rank_of.iter().find_map(|part| layer.parts.get(part));
            let rank = rank.and_then(|name| file.shape(name).first().copied());
            let module = modules.find(layer.component, &layer.flat);
            if let Some(rank) = rank {
                ranks.insert(rank);
                let scale = match (layer.parts.get(&Part::Alpha), module) {
                    (Some(name), _) => file.number(name)? / rank as f64,
                    (None, Some(module)) => file.config.scale(module.component, &module.path, rank),
                    (None, None) => 1.0,
                };
                let (low, high) = scales.unwrap_or((scale, scale));
                scales = Some((low.min(scale), high.max(scale)));
            }
            match module {
                Some(module) => {
                    let group = group_of(module.component, &module.path);
                    *touches.entry(group).or_default() += 1;
                }
                None => homeless += 1,
            }
        }
        let bundled = file
            .bundled
            .iter()
            .filter_map(|name| name.split('.').nth(1));
        let notes = NOTES.into_iter().filter_map(|(key, label)| {
            let text = file.metadata.get(key)?.trim();
            let said = !text.is_empty() && text != "None";
            said.then(|| (label, text.to_owned()))
        });
        Ok(Self {
            naming: naming_of(file),
            kinds,
            ranks,
            scales,
            family: Family::of_file(file),
            needs: Family::by_tensors(file),
            has_text: file.layers.iter().any(is_of_text),
            touches,
            homeless,
            unknown: file.unknown.len(),
            embeddings: bundled.map(str::to_owned).collect(),
            trigger_words: trigger_words(file),
            notes: notes.collect(),
        })
    }
}

fn is_of_text(layer: &LayerKeys) -> bool {
    let of_text = [Component::TextEncoder, Component::TextEncoder2];
    layer.component.is_some_and(|c| of_text.contains(&c))
}

/// In one line: `LoRA, rank 16, for Stable Diffusion 1.x`.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.kinds.keys().copied().collect();
        f.write_str(&kinds.join(" and "))?;
        match (self.ranks.first(), self.ranks.last()) {
            (Some(low), Some(high)) if low == high => write!(f, ", rank {low}")?,
            (Some(low), Some(high)) => write!(f, ", ranks {low} to {high}")?,
            _ => {}
        }
        match &self.family {
            Some(family) => write!(f, ", for {family}"),
            None => Ok(()),
        }
    }
}

fn kind_of(has: &dyn Fn(Part) -> bool) -> &'static str {
    let any = |parts: &[Part]| parts.iter().any(|part| has(*part));
    if any(&[Part::Magnitude]) {
        "DoRA"
    } else if any(&[Part::Mid]) {
        "LoCon (Tucker)"
    } else if any(&[Part::Down, Part::Up]) {
        "LoRA"
    } else if any(&[Part::HadaW1A, Part::HadaW2A]) {
        "LoHa"
    } else if any(&[Part::LokrW1, Part::LokrW1A, Part::LokrW2, Part::LokrW2A]) {
        "LoKr"
    } else if any(&[Part::NormWeight, Part::NormBias]) {
        "norm difference"
    } else {
        "full difference"
    }
}

fn group_of(component: Component, path: &str) -> String {
    let group = match path {
        path if path.contains("attn1") || path.contains("self_attn") => "self-attention",
        path if path.contains("attn2") => "text attention",
        path if path.contains(".ff.") || path.contains(".mlp.") => "feed-forward",
        path if path.contains("proj_in") || path.contains("proj_out") => "projections",
        path if path.contains("norm") => "norms",
        path if path.contains("conv") => "convolutions",
        _ => "other layers",
    };
    format!("{component}, {group}")
}

fn naming_of(file: &AdapterFile) -> &'static str {
    let names = file.headers();
    let any = |part: &str| names.iter().any(|header| header.name.contains(part));
    if any(".lora_A.") || any("base_model.model.") {
        "PEFT"
    } else if any("_lora.down.") || any(".lora.down.") || any("lora_linear_layer") {
        "Python diffusers before PEFT"
    } else if any("hada_") || any("lokr_") || any("lycoris_") {
        "LyCORIS"
    } else {
        "kohya"
    }
}

fn trigger_words(file: &AdapterFile) -> Vec<String> {
    for key in [
        "modelspec.trigger_phrase",
        "ss_trigger_words",
        "trigger_words",
    ] {
        if let Some(text) = file
            .metadata
            .get(key)
            .filter(|text| !text.trim().is_empty())
        {
            return text.split(',').map(|word| word.trim().to_owned()).collect();
        }
    }
    // kohya's counts of tags, by the folder of the pictures.
    let Some(Value::Object(folders)) = file.noted("ss_tag_frequency") else {
        return Vec::new();
    };
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for tags in folders.values().filter_map(Value::as_object) {
        for (tag, count) in tags {
            *counts.entry(tag.trim()).or_default() += count.as_u64().unwrap_or_default();
        }
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(MOST_WORDS);
    counts.into_iter().map(|(tag, _)| tag.to_owned()).collect()
}
