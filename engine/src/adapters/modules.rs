//! The layers that adapters may change, by every name that files have for them.

use std::collections::HashMap;

use super::keys::Component;
use crate::layers::{LayerRef, NormRef};
use crate::models::clip::ClipTextModel;
use crate::models::unet::{OriginalNames, RESNET_PARTS, UNet};

/// A layer that an adapter may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Which network it is in.
    pub component: Component,
    /// Its path in Python diffusers, such as `mid_block.resnets.0.conv1`.
    pub path: String,
    /// Shape of its weight; empty where no model was asked.
    pub shape: Vec<i64>,
}

/// Layers by their flattened names: those of Python diffusers, and for U-Nets also those of the
/// original code, which kohya's sd-scripts write for SDXL.
#[derive(Debug, Default)]
pub struct Modules {
    all: Vec<Module>,
    by_name: HashMap<(Component, String), usize>,
}

impl Modules {
    /// Those of a loaded model; `encoders` are its text encoders in order.
    pub fn of(unet: &UNet, encoders: &[&ClipTextModel]) -> Self {
        let mut all = Vec::new();
        unet.for_each_layer(&mut |path: &str, layer: LayerRef<'_>| {
            all.push((Component::UNet, path.to_owned(), layer.weight_shape()));
        });
        unet.for_each_norm(&mut |path: &str, norm: NormRef<'_>| {
            all.push((Component::UNet, path.to_owned(), norm.own().0.size()));
        });
        let components = [Component::TextEncoder, Component::TextEncoder2];
        for (component, encoder) in components.into_iter().zip(encoders) {
            encoder.for_each_layer(&mut |path: &str, layer: LayerRef<'_>| {
                all.push((component, path.to_owned(), layer.weight_shape()));
            });
            encoder.for_each_norm(&mut |path: &str, norm: NormRef<'_>| {
                all.push((component, path.to_owned(), norm.own().0.size()));
            });
        }
        let mut modules = Self::default();
        modules.add(all);
        modules
    }

    /// Every layer that Stable Diffusion 1.x, 2.x and SDXL have, and smaller models of their kind.
    pub fn of_the_family() -> Self {
        let mut modules = Self::default();
        for attends in [[true, true, true, false], [false, true, true, false]] {
            let paths = unet_paths(attends);
            let paths = paths
                .into_iter()
                .map(|path| (Component::UNet, path, Vec::new()));
            modules.add(paths.collect());
        }
        for component in [Component::TextEncoder, Component::TextEncoder2] {
            let paths = text_paths();
            let paths = paths.into_iter().map(|path| (component, path, Vec::new()));
            modules.add(paths.collect());
        }
        modules
    }

    fn add(&mut self, modules: Vec<(Component, String, Vec<i64>)>) {
        let of_unet = modules.iter().filter(|m| m.0 == Component::UNet);
        let original = OriginalNames::of(of_unet.map(|m| m.1.as_str()));
        for (component, path, shape) in modules {
            let flat = path.replace('.', "_");
            let at = *self.by_name.entry((component, flat)).or_insert_with(|| {
                self.all.push(Module {
                    component,
                    path: path.clone(),
                    shape,
                });
                self.all.len() - 1
            });
            if component == Component::UNet
                && let Some(path) = original.of_path(&path)
            {
                self.by_name.insert((component, path.replace('.', "_")), at);
            }
        }
    }

    /// The layer that a file calls `flat` in `component`; where the file does not say in which, in
    /// the first that has it.
    pub fn find(&self, component: Option<Component>, flat: &str) -> Option<&Module> {
        let wanted = Component::ALL.into_iter();
        let mut wanted = wanted.filter(|c| component.is_none_or(|only| only == *c));
        wanted.find_map(|component| {
            let at = self.by_name.get(&(component, flat.to_owned()))?;
            self.all.get(*at)
        })
    }

    /// All layers, those of the U-Net first.
    pub fn all(&self) -> &[Module] {
        &self.all
    }

    /// Width of the text that the U-Net reads, where it is known.
    pub fn text_width(&self) -> Option<i64> {
        let mut all = self.all.iter();
        let key = all.find(|m| m.component == Component::UNet && m.path.ends_with("attn2.to_k"));
        key?.shape.get(1).copied()
    }
}

/// Most transformer blocks in one stage (SDXL's deepest level).
const MOST_BLOCKS: usize = 10;

/// Most layers of a text encoder (`OpenCLIP` bigG).
const MOST_LAYERS: usize = 32;

/// Paths of a U-Net of four levels with two residual blocks each; `attends` says which levels on
/// the way down have transformers.
fn unet_paths(attends: [bool; 4]) -> Vec<String> {
    let mut paths: Vec<String> = ["conv_in", "conv_norm_out", "conv_out"]
        .map(str::to_owned)
        .into();
    for embedding in ["time_embedding", "add_embedding"] {
        paths.extend([1, 2].map(|i| format!("{embedding}.linear_{i}")));
    }
    // SDXL has three levels, so that its way up is not this one's mirror.
    let levels = if attends[0] { 4 } else { 3 };
    for level in 0..4 {
        let at = format!("down_blocks.{level}");
        stages(&mut paths, &at, 2, attends[level]);
        if level + 1 < levels {
            paths.push(format!("{at}.downsamplers.0.conv"));
        }
        let at = format!("up_blocks.{level}");
        let up = level < levels && attends[levels - 1 - level];
        stages(&mut paths, &at, 3, up);
        if level + 1 < levels {
            paths.push(format!("{at}.upsamplers.0.conv"));
        }
    }
    stages(&mut paths, "mid_block", 2, true);
    // One transformer between two residual blocks.
    paths.retain(|path| !path.starts_with("mid_block.attentions.1."));
    paths
}

fn stages(paths: &mut Vec<String>, block: &str, count: usize, attends: bool) {
    for i in 0..count {
        for part in RESNET_PARTS {
            paths.push(format!("{block}.resnets.{i}.{part}"));
        }
        if !attends {
            continue;
        }
        let at = format!("{block}.attentions.{i}");
        paths.extend(["norm", "proj_in", "proj_out"].map(|part| format!("{at}.{part}")));
        for block in 0..MOST_BLOCKS {
            let at = format!("{at}.transformer_blocks.{block}");
            paths.extend(["norm1", "norm2", "norm3"].map(|norm| format!("{at}.{norm}")));
            for attention in ["attn1", "attn2"] {
                for part in ["to_q", "to_k", "to_v", "to_out.0"] {
                    paths.push(format!("{at}.{attention}.{part}"));
                }
            }
            paths.extend(["net.0.proj", "net.2"].map(|part| format!("{at}.ff.{part}")));
        }
    }
}

fn text_paths() -> Vec<String> {
    let mut paths = vec![
        "text_projection".to_owned(),
        "text_model.final_layer_norm".to_owned(),
    ];
    for i in 0..MOST_LAYERS {
        let at = format!("text_model.encoder.layers.{i}");
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            paths.push(format!("{at}.self_attn.{part}"));
        }
        for part in ["mlp.fc1", "mlp.fc2", "layer_norm1", "layer_norm2"] {
            paths.push(format!("{at}.{part}"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_has_the_names_of_both_dialects() {
        let modules = Modules::of_the_family();
        let path = |name: &str| {
            modules
                .find(Some(Component::UNet), name)
                .map(|m| m.path.as_str())
        };
        for (name, expected) in [
            (
                "input_blocks_4_1_transformer_blocks_0_attn1_to_q",
                "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
            ),
            (
                "output_blocks_0_1_transformer_blocks_9_ff_net_2",
                "up_blocks.0.attentions.0.transformer_blocks.9.ff.net.2",
            ),
            ("middle_block_1_proj_in", "mid_block.attentions.0.proj_in"),
            // SD 1.x and SDXL have their first upsampler in another place.
            ("output_blocks_2_1_conv", "up_blocks.0.upsamplers.0.conv"),
            ("output_blocks_2_2_conv", "up_blocks.0.upsamplers.0.conv"),
            ("output_blocks_5_2_conv", "up_blocks.1.upsamplers.0.conv"),
            ("label_emb_0_2", "add_embedding.linear_2"),
            (
                "up_blocks_3_attentions_2_proj_out",
                "up_blocks.3.attentions.2.proj_out",
            ),
        ] {
            assert_eq!(path(name), Some(expected), "{name}");
        }
        let text = "text_model_encoder_layers_31_mlp_fc1";
        let found = modules.find(Some(Component::TextEncoder2), text).unwrap();
        assert_eq!(found.component, Component::TextEncoder2);
        assert_eq!(
            modules.find(None, text).unwrap().component,
            Component::TextEncoder
        );
        assert_eq!(modules.find(Some(Component::UNet), text), None);
    }
}
