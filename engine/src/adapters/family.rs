//! Which kind of model an adapter was made for.

use std::fmt;

use super::file::AdapterFile;
use super::keys::{Component, Part};
use super::modules::Modules;
use crate::models::unet::UNetConfig;

/// A family of models, as far as adapters tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// Stable Diffusion 1.x.
    StableDiffusion1,
    /// Stable Diffusion 2.x.
    StableDiffusion2,
    /// SDXL.
    Sdxl,
    /// Another U-Net of the same design, which reads text of this width.
    Width(i64),
    /// What only its name tells, such as `Flux`.
    Other(String),
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StableDiffusion1 => f.write_str("Stable Diffusion 1.x"),
            Self::StableDiffusion2 => f.write_str("Stable Diffusion 2.x"),
            Self::Sdxl => f.write_str("SDXL"),
            Self::Width(width) => write!(f, "a model that reads text of width {width}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// What in a name tells the families that have no U-Net.
const TRANSFORMERS: [(&str, &str); 8] = [
    ("double_blocks_", "Flux"),
    ("single_transformer_blocks_", "Flux"),
    ("joint_blocks_", "Stable Diffusion 3"),
    ("lora_prior_", "Stable Cascade"),
    ("cap_embedder", "Lumina"),
    ("t5_", "a model with a T5 text encoder"),
    ("te3_", "a model with a T5 text encoder"),
    ("transformer_", "a diffusion transformer"),
];

impl Family {
    /// That of models whose U-Net reads text of `width`.
    pub fn of_width(width: i64) -> Self {
        match width {
            768 => Self::StableDiffusion1,
            1024 => Self::StableDiffusion2,
            2048 => Self::Sdxl,
            width => Self::Width(width),
        }
    }

    /// That of the model with these `modules`.
    pub fn of_model(modules: &Modules) -> Self {
        modules.text_width().map_or_else(
            || Self::Other("one of another design".to_owned()),
            Self::of_width,
        )
    }

    /// That of models with a U-Net of this configuration.
    pub fn of_config(config: &UNetConfig) -> Self {
        Self::of_width(config.cross_attention_dim.get(0).unwrap_or_default())
    }

    /// What `file` was made for: by its shapes, else by its names, else by its metadata.
    pub fn of_file(file: &AdapterFile) -> Option<Self> {
        Self::by_tensors(file).or_else(|| Self::by_metadata(file))
    }

    /// What `file` was made for, as its shapes and names tell: metadata may be wrong, they are not.
    pub fn by_tensors(file: &AdapterFile) -> Option<Self> {
        Self::by_shape(file).or_else(|| Self::by_name(file))
    }

    /// Widths of the text encoders that models of this family have; empty where that is not known.
    pub fn text_widths(&self) -> Vec<i64> {
        match self {
            Self::StableDiffusion1 => vec![768],
            Self::StableDiffusion2 => vec![1024],
            Self::Sdxl => vec![768, 1280],
            Self::Width(width) => vec![*width],
            Self::Other(_) => Vec::new(),
        }
    }

    fn by_shape(file: &AdapterFile) -> Option<Self> {
        let reads_text = |flat: &str| flat.ends_with("attn2_to_k") || flat.ends_with("attn2_to_v");
        let inputs = |part, dim: usize, flat: fn(&str) -> bool, component: Option<Component>| {
            file.layers.iter().find_map(|layer| {
                let fits =
                    flat(&layer.flat) && (component.is_none() || layer.component == component);
                let name = layer.parts.get(&part).filter(|_| fits)?;
                file.shape(name).get(dim).copied()
            })
        };
        let parts = [(Part::Down, 1), (Part::HadaW1B, 1), (Part::Diff, 1)];
        let width = parts
            .iter()
            .find_map(|&(part, dim)| inputs(part, dim, reads_text, None));
        if let Some(width) = width {
            return Some(Self::of_width(width));
        }
        if file
            .layers
            .iter()
            .any(|l| l.component == Some(Component::TextEncoder2))
        {
            return Some(Self::Sdxl);
        }
        // A text encoder's own width is that of the text, but for SDXL.
        let of_text = Some(Component::TextEncoder);
        let q_proj = |flat: &str| flat.ends_with("q_proj");
        inputs(Part::Down, 1, q_proj, of_text).map(Self::of_width)
    }

    fn by_name(file: &AdapterFile) -> Option<Self> {
        let mut names = file.layers.iter().map(|layer| layer.flat.as_str());
        let other = names.find_map(|flat| {
            let mut known = TRANSFORMERS.iter();
            known.find(|(part, _)| {
                flat.starts_with(part)
                    || flat.contains(&format!("_{part}")) && !part.starts_with('t')
            })
        });
        if let Some((_, name)) = other {
            return Some(Self::Other((*name).to_owned()));
        }
        let sgm =
            |flat: &str| flat.starts_with("input_blocks_") || flat.starts_with("output_blocks_");
        file.layers
            .iter()
            .any(|layer| sgm(&layer.flat))
            .then_some(Self::Sdxl)
    }

    fn by_metadata(file: &AdapterFile) -> Option<Self> {
        let noted = |key: &str| file.metadata.get(key).map(|text| text.to_lowercase());
        let said = noted("modelspec.architecture").or_else(|| noted("ss_base_model_version"))?;
        Some(match said.as_str() {
            said if said.contains("xl") => Self::Sdxl,
            said if said.contains("v2") => Self::StableDiffusion2,
            said if said.contains("v1") || said.contains("sd_1") => Self::StableDiffusion1,
            _ => Self::Other(said),
        })
    }
}
