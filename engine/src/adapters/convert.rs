//! LoRAs from one program's naming to another's, bit for bit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::family::Family;
use super::file::{AdapterFile, LayerKeys};
use super::keys::{Component, Part};
use super::modules::{Module, Modules};
use super::peft_config::METADATA_KEY;
use crate::models::unet::OriginalNames;
use crate::weights::save;
use crate::{EngineError, Result};

/// Where a conversion keeps the dtype that alphas had, which PEFT has no place for.
const ALPHA_DTYPE: &str = "vernier.alpha_dtype";

/// How a LoRA names its tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoraFormat {
    /// As kohya's sd-scripts, A1111 and most others: `lora_unet_….lora_down.weight` with `.alpha`.
    Kohya,
    /// As PEFT and Python diffusers: `unet.….lora_A.weight`, alphas in the metadata.
    Peft,
}

impl FromStr for LoraFormat {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "kohya" => Ok(Self::Kohya),
            "peft" => Ok(Self::Peft),
            _ => Err(EngineError::request(
                "format",
                format!("\"{name}\" is not one of kohya, peft"),
            )),
        }
    }
}

/// One layer of a LoRA, with its tensors as they are stored.
struct Layer<'a> {
    module: &'a Module,
    down: Tensor,
    up: Tensor,
    magnitude: Option<Tensor>,
    alpha: f64,
    alpha_kind: Option<Kind>,
}

impl Layer<'_> {
    fn rank(&self) -> i64 {
        self.down.size()[0]
    }
}

/// Writes the LoRA in `file` to `out` in `format`, with its metadata and whatever of rank, alpha
/// and base model other programs look for. All weights keep their bits.
///
/// # Errors
/// It holds something else than LoRA and DoRA, names a layer that no known model has, or the
/// folder cannot be written.
pub fn convert(file: &AdapterFile, format: LoraFormat, out: &Path) -> Result<()> {
    if out.exists() {
        let problem = "is there already; choose another name";
        return Err(EngineError::request(out.display().to_string(), problem));
    }
    let bad = |problem: String| EngineError::bad_file(file.path(), problem);
    if let Some(unknown) = file.unknown.first().or(file.bundled.first()) {
        return Err(bad(format!("has {unknown}, which is no part of a LoRA")));
    }
    if file.layers.is_empty() {
        return Err(bad("holds no LoRA".to_owned()));
    }
    let modules = Modules::of_the_family();
    let mut layers = Vec::with_capacity(file.layers.len());
    for keys in &file.layers {
        let Some(module) = modules.find(keys.component, &keys.flat) else {
            return Err(bad(format!(
                "names the layer {}, which no known model has",
                keys.flat
            )));
        };
        layers.push(layer(file, keys, module)?);
    }
    let (tensors, notes) = match format {
        LoraFormat::Kohya => kohya(file, &layers)?,
        LoraFormat::Peft => peft(file, &layers)?,
    };
    let notes: Vec<(&str, String)> = notes.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
    save(out, &tensors, &notes)
}

fn layer<'a>(file: &AdapterFile, keys: &LayerKeys, module: &'a Module) -> Result<Layer<'a>> {
    let bad = |problem: String| Err(EngineError::bad_file(file.path(), problem));
    let allowed = [Part::Down, Part::Up, Part::Alpha, Part::Magnitude];
    if let Some((_, other)) = keys.parts.iter().find(|(part, _)| !allowed.contains(part)) {
        return bad(format!(
            "has {other}, and only LoRA and DoRA go by both names; use the file as it is"
        ));
    }
    let (Some(down), Some(up)) = (keys.parts.get(&Part::Down), keys.parts.get(&Part::Up)) else {
        return bad(format!(
            "has only a part of {}; fetch it again",
            module.path
        ));
    };
    let (down, up) = (file.as_stored(down)?, file.as_stored(up)?);
    let rank = down.size()[0];
    let (alpha, alpha_kind) = if let Some(name) = keys.parts.get(&Part::Alpha) {
        (file.number(name)?, Some(file.as_stored(name)?.kind()))
    } else {
        let scale = file.config.scale(module.component, &module.path, rank);
        (scale * rank as f64, None)
    };
    let magnitude = match keys.parts.get(&Part::Magnitude) {
        Some(name) => {
            let lengths = file.as_stored(name)?;
            if lengths.numel() as i64 != up.size()[0] {
                return bad(format!("has {name}, which is not one number an output"));
            }
            Some(lengths)
        }
        None => None,
    };
    Ok(Layer {
        module,
        down,
        up,
        magnitude,
        alpha,
        alpha_kind,
    })
}

type Written = (Vec<(String, Tensor)>, BTreeMap<String, String>);

fn kohya(file: &AdapterFile, layers: &[Layer<'_>]) -> Result<Written> {
    let is_sdxl = Family::of_file(file) == Some(Family::Sdxl);
    let all = Modules::of_the_family();
    let paths = all.all().iter().filter(|m| m.component == Component::UNet);
    let levels =
        |path: &&str| !path.starts_with("up_blocks.3") && !path.starts_with("down_blocks.3");
    // SDXL has three levels, the last two of which have transformers on the way down.
    let bare = |path: &&str| {
        !(path.starts_with("up_blocks.2.att") || path.starts_with("down_blocks.0.att"))
    };
    let original = OriginalNames::of(paths.map(|m| m.path.as_str()).filter(levels).filter(bare));
    let alpha_dtype = file.metadata.get(ALPHA_DTYPE).map(String::as_str);
    let mut tensors = Vec::new();
    for layer in layers {
        let module = layer.module;
        let path = match module.component {
            Component::UNet if is_sdxl => original.of_path(&module.path),
            _ => None,
        };
        let path = path.unwrap_or_else(|| module.path.clone());
        let prefix = match module.component {
            Component::UNet => "lora_unet",
            Component::TextEncoder if is_sdxl => "lora_te1",
            Component::TextEncoder => "lora_te",
            Component::TextEncoder2 => "lora_te2",
        };
        let name = format!("{prefix}_{}", path.replace('.', "_"));
        let kind = layer.alpha_kind.unwrap_or(match alpha_dtype {
            Some("F16") => Kind::Half,
            Some("BF16") => Kind::BFloat16,
            Some("F64") => Kind::Double,
            _ => Kind::Float,
        });
        let alpha = Tensor::f_full([] as [i64; 0], layer.alpha, (kind, Device::Cpu))?;
        tensors.push((
            format!("{name}.lora_down.weight"),
            layer.down.shallow_clone(),
        ));
        tensors.push((format!("{name}.lora_up.weight"), layer.up.shallow_clone()));
        tensors.push((format!("{name}.alpha"), alpha));
        if let Some(lengths) = &layer.magnitude {
            let mut shape = vec![1; layer.down.dim()];
            shape[0] = -1;
            tensors.push((format!("{name}.dora_scale"), lengths.f_reshape(shape)?));
        }
    }
    let mut notes = file.metadata.clone();
    notes.remove(METADATA_KEY);
    notes.remove(ALPHA_DTYPE);
    notes
        .entry("ss_network_module".to_owned())
        .or_insert_with(|| "networks.lora".to_owned());
    let (rank, alpha) = usual(layers);
    notes
        .entry("ss_network_dim".to_owned())
        .or_insert_with(|| rank.to_string());
    notes
        .entry("ss_network_alpha".to_owned())
        .or_insert_with(|| alpha.to_string());
    let version = match Family::of_file(file) {
        Some(Family::StableDiffusion1) => Some("sd_v1"),
        Some(Family::StableDiffusion2) => Some("sd_v2"),
        Some(Family::Sdxl) => Some("sdxl_base_v1-0"),
        _ => None,
    };
    if let Some(version) = version {
        notes
            .entry("ss_base_model_version".to_owned())
            .or_insert_with(|| version.to_owned());
    }
    Ok((tensors, notes))
}

fn peft(file: &AdapterFile, layers: &[Layer<'_>]) -> Result<Written> {
    let mut tensors = Vec::new();
    for layer in layers {
        let module = layer.module;
        let name = format!("{}.{}", module.component.folder(), module.path);
        tensors.push((format!("{name}.lora_A.weight"), layer.down.shallow_clone()));
        tensors.push((format!("{name}.lora_B.weight"), layer.up.shallow_clone()));
        if let Some(lengths) = &layer.magnitude {
            let shape: &[i64] = if layer.down.dim() == 4 {
                &[1, -1, 1, 1]
            } else {
                &[-1]
            };
            tensors.push((
                format!("{name}.lora_magnitude_vector"),
                lengths.f_reshape(shape)?,
            ));
        }
    }
    let described: Vec<PeftLayer<'_>> = layers
        .iter()
        .map(|layer| PeftLayer {
            component: layer.module.component,
            path: &layer.module.path,
            rank: layer.rank(),
            alpha: layer.alpha,
            is_dora: layer.magnitude.is_some(),
        })
        .collect();
    let config = peft_config(&described);
    let mut notes = file.metadata.clone();
    notes
        .entry("format".to_owned())
        .or_insert_with(|| "pt".to_owned());
    notes.insert(METADATA_KEY.to_owned(), Value::from(config).to_string());
    let dtype = match layers.iter().find_map(|layer| layer.alpha_kind) {
        Some(Kind::Half) => Some("F16"),
        Some(Kind::BFloat16) => Some("BF16"),
        Some(Kind::Double) => Some("F64"),
        _ => None,
    };
    if let Some(dtype) = dtype {
        notes.insert(ALPHA_DTYPE.to_owned(), dtype.to_owned());
    }
    Ok((tensors, notes))
}

/// What PEFT wants to know of one layer.
pub(super) struct PeftLayer<'a> {
    pub(super) component: Component,
    pub(super) path: &'a str,
    pub(super) rank: i64,
    pub(super) alpha: f64,
    pub(super) is_dora: bool,
}

/// What Python diffusers reads under [`METADATA_KEY`]: PEFT's configuration for each network. PEFT
/// compares the ends of layers' paths, and Python transformers 5 has none of `text_model`.
pub(super) fn peft_config(layers: &[PeftLayer<'_>]) -> Map<String, Value> {
    let mut config = Map::new();
    for component in Component::ALL {
        let own = layers.iter().filter(|layer| layer.component == component);
        let own: Vec<&PeftLayer<'_>> = own.collect();
        let Some(first) = own.first() else { continue };
        let (rank, alpha) = (first.rank, first.alpha);
        let end = |layer: &PeftLayer<'_>| {
            let end = layer.path.strip_prefix("text_model.");
            end.unwrap_or(layer.path).to_owned()
        };
        let mut ranks = Map::new();
        let mut alphas = Map::new();
        for layer in &own {
            if layer.rank != rank {
                ranks.insert(end(layer), layer.rank.into());
            }
            if layer.alpha.to_bits() != alpha.to_bits() {
                alphas.insert(end(layer), number(layer.alpha));
            }
        }
        let targets: BTreeSet<String> = own.iter().map(|layer| end(layer)).collect();
        let folder = component.folder();
        for (key, value) in [
            ("peft_type", json!("LORA")),
            ("r", rank.into()),
            ("lora_alpha", number(alpha)),
            ("rank_pattern", ranks.into()),
            ("alpha_pattern", alphas.into()),
            ("target_modules", json!(targets)),
            ("use_dora", own.iter().any(|layer| layer.is_dora).into()),
        ] {
            config.insert(format!("{folder}.{key}"), value);
        }
    }
    config
}

/// A whole number as one, which is how PEFT writes it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        (value as i64).into()
    } else {
        value.into()
    }
}

/// Rank and alpha of most layers.
fn usual(layers: &[Layer<'_>]) -> (i64, f64) {
    let mut counts: BTreeMap<(i64, u64), usize> = BTreeMap::new();
    for layer in layers {
        *counts
            .entry((layer.rank(), layer.alpha.to_bits()))
            .or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or((0, 0.0), |((rank, alpha), _)| (rank, f64::from_bits(alpha)))
}
