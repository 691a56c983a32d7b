//! The names that a U-Net's layers have in LoRA files.

use std::collections::{BTreeMap, HashMap};

use super::UNet;
use crate::layers::LayerRef;

/// What every name in a LoRA file for the U-Net begins with.
pub const LORA_PREFIX: &str = "lora_unet_";

/// A layer that a low-rank branch may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLayer {
    /// Full name in Python diffusers, such as `mid_block.resnets.0.conv1`.
    pub path: String,
    /// Shape of the weight: `[out, in]` or `[out, in, k, k]`.
    pub weight_shape: Vec<i64>,
}

/// Every linear layer and convolution of one U-Net by its names in LoRA files.
///
/// A file flattens a path's dots to underscores, which cannot be undone, because names hold
/// underscores of their own. So the names are made from the layers that the U-Net has, in both
/// dialects: that of Python diffusers (`lora_unet_down_blocks_0_…`) and that of the original code
/// (`lora_unet_input_blocks_1_…`), which kohya's sd-scripts write for SDXL.
#[derive(Debug)]
pub struct LayerNames {
    layers: Vec<NamedLayer>,
    by_name: HashMap<String, usize>,
}

impl LayerNames {
    /// The names of `unet`'s layers.
    pub fn of(unet: &UNet) -> Self {
        let mut layers = Vec::new();
        unet.for_each_layer(&mut |path: &str, layer: LayerRef<'_>| {
            layers.push(NamedLayer {
                path: path.to_owned(),
                weight_shape: layer.weight_shape(),
            });
        });
        let blocks = OriginalNames::of(layers.iter().map(|layer| layer.path.as_str()));
        let mut by_name = HashMap::new();
        for (i, layer) in layers.iter().enumerate() {
            by_name.insert(flat_name(&layer.path), i);
            if let Some(path) = blocks.of_path(&layer.path) {
                by_name.insert(flat_name(&path), i);
            }
        }
        Self { layers, by_name }
    }

    /// The layers in the order of the U-Net.
    pub fn layers(&self) -> &[NamedLayer] {
        &self.layers
    }

    /// Index in [`layers`](Self::layers) of the layer that a file calls `name`, in either dialect.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// A layer's path as it stands in a LoRA file, such as `lora_unet_mid_block_resnets_0_conv1`.
pub fn flat_name(path: &str) -> String {
    format!("{LORA_PREFIX}{}", path.replace('.', "_"))
}

/// The names of the original code for the layers of a U-Net.
///
/// It holds how many residual blocks each level has: the original code numbers them all through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalNames {
    pub(super) down: Vec<usize>,
    pub(super) up: Vec<usize>,
    /// By level on the way up, whether transformers follow the residual blocks.
    pub(super) up_attends: Vec<bool>,
}

impl OriginalNames {
    /// Those of the U-Net whose layers have these `paths` in Python diffusers.
    pub fn of<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut counts: BTreeMap<(&str, usize, &str), usize> = BTreeMap::new();
        for path in paths {
            let parts: Vec<&str> = path.split('.').collect();
            if let [side @ ("down_blocks" | "up_blocks"), level, part, index, ..] = parts[..]
                && let (Ok(level), Ok(index)) = (level.parse(), index.parse::<usize>())
            {
                let count = counts.entry((side, level, part)).or_default();
                *count = (*count).max(index + 1);
            }
        }
        let count = |side, level, part| counts.get(&(side, level, part)).copied();
        let per_level = |side| (0..).map_while(move |i| count(side, i, "resnets"));
        let up: Vec<usize> = per_level("up_blocks").collect();
        Self {
            down: per_level("down_blocks").collect(),
            up_attends: (0..up.len())
                .map(|i| count("up_blocks", i, "attentions").is_some())
                .collect(),
            up,
        }
    }

    /// The path in the original code of the layer at `path`, where it has one.
    pub fn of_path(&self, path: &str) -> Option<String> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        Some(match (head, rest) {
            ("conv_in", _) => "input_blocks.0.0".to_owned(),
            ("conv_norm_out", _) => "out.0".to_owned(),
            ("conv_out", _) => "out.2".to_owned(),
            ("time_embedding", "linear_1") => "time_embed.0".to_owned(),
            ("time_embedding", "linear_2") => "time_embed.2".to_owned(),
            ("add_embedding", "linear_1") => "label_emb.0.0".to_owned(),
            ("add_embedding", "linear_2") => "label_emb.0.2".to_owned(),
            ("mid_block", rest) => {
                let (part, index, inner) = indexed(rest)?;
                let place = match part {
                    "resnets" => 2 * index,
                    _ => 1,
                };
                format!("middle_block.{place}.{}", original_inner(part, inner))
            }
            ("down_blocks", rest) => {
                let (level, rest) = level(rest)?;
                let (part, index, inner) = indexed(rest)?;
                let count = *self.down.get(level)?;
                // The first convolution is block 0; every level ends with its downsampler.
                let first = 1 + self.down[..level].iter().map(|n| n + 1).sum::<usize>();
                match part {
                    "downsamplers" => format!("input_blocks.{}.0.op", first + count),
                    "resnets" => {
                        let inner = original_inner(part, inner);
                        format!("input_blocks.{}.0.{inner}", first + index)
                    }
                    _ => format!("input_blocks.{}.1.{inner}", first + index),
                }
            }
            ("up_blocks", rest) => {
                let (level, rest) = level(rest)?;
                let (part, index, inner) = indexed(rest)?;
                let count = *self.up.get(level)?;
                let first: usize = self.up[..level].iter().sum();
                match part {
                    // The upsampler comes last in the level's last block.
                    "upsamplers" => {
                        let place = 1 + usize::from(self.up_attends[level]);
                        format!("output_blocks.{}.{place}.conv", first + count - 1)
                    }
                    "resnets" => {
                        let inner = original_inner(part, inner);
                        format!("output_blocks.{}.0.{inner}", first + index)
                    }
                    _ => format!("output_blocks.{}.1.{inner}", first + index),
                }
            }
            _ => return None,
        })
    }
}

/// `1.resnets.0.conv1` to `(1, "resnets.0.conv1")`.
fn level(path: &str) -> Option<(usize, &str)> {
    let (level, rest) = path.split_once('.')?;
    Some((level.parse().ok()?, rest))
}

/// `resnets.0.conv1` to `("resnets", 0, "conv1")`.
fn indexed(path: &str) -> Option<(&str, usize, &str)> {
    let (part, rest) = path.split_once('.')?;
    let (index, inner) = level(rest)?;
    Some((part, index, inner))
}

/// The layers of a residual block have other names; those of a transformer have not.
fn original_inner<'a>(part: &str, inner: &'a str) -> &'a str {
    match (part, inner) {
        ("resnets", "norm1") => "in_layers.0",
        ("resnets", "conv1") => "in_layers.2",
        ("resnets", "norm2") => "out_layers.0",
        ("resnets", "conv2") => "out_layers.3",
        ("resnets", "time_emb_proj") => "emb_layers.1",
        ("resnets", "conv_shortcut") => "skip_connection",
        _ => inner,
    }
}
