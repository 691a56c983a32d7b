//! The names that a U-Net's modules have in the code of latent diffusion's first authors, which
//! single-file checkpoints keep.

use std::path::Path;

use super::UNetConfig;
use super::layer_names::OriginalNames;
use crate::Result;

/// The modules that a residual block is made of.
pub const RESNET_PARTS: [&str; 6] = [
    "norm1",
    "conv1",
    "time_emb_proj",
    "norm2",
    "conv2",
    "conv_shortcut",
];

/// The modules of the U-Net that `config` describes, each with its name in Python diffusers and in
/// the original code; what lies in a transformer stage has the same name in both.
///
/// # Errors
/// A field of `config`, which errors look for in `path`, is not supported.
pub fn original_names(config: &UNetConfig, path: &Path) -> Result<Vec<(String, String)>> {
    let plan = config.plan(path)?;
    let upward = || plan.levels.iter().rev();
    let blocks = OriginalNames {
        down: plan.levels.iter().map(|l| l.layers as usize).collect(),
        up: upward().map(|l| l.layers as usize + 1).collect(),
        up_attends: upward().map(|l| l.attends_up).collect(),
    };
    let mut modules: Vec<String> = ["conv_in", "conv_norm_out", "conv_out"]
        .map(str::to_owned)
        .to_vec();
    for part in ["time_embedding", "add_embedding"] {
        modules.extend([1, 2].map(|i| format!("{part}.linear_{i}")));
    }
    let mut block = |name: &str, resnets: usize, attentions: usize, sampler: Option<&str>| {
        for j in 0..resnets {
            modules.extend(RESNET_PARTS.map(|part| format!("{name}.resnets.{j}.{part}")));
        }
        // With the dot that what lies in a stage is set apart by: the stage itself is no layer.
        modules.extend((0..attentions).map(|j| format!("{name}.attentions.{j}.")));
        modules.extend(sampler.map(|sampler| format!("{name}.{sampler}.0.conv")));
    };
    for (i, level) in plan.levels.iter().enumerate() {
        let count = blocks.down[i];
        let attentions = if level.attends_down { count } else { 0 };
        let name = format!("down_blocks.{i}");
        block(&name, count, attentions, Some("downsamplers"));
    }
    for (i, &count) in blocks.up.iter().enumerate() {
        let attentions = if blocks.up_attends[i] { count } else { 0 };
        block(
            &format!("up_blocks.{i}"),
            count,
            attentions,
            Some("upsamplers"),
        );
    }
    block("mid_block", 2, 1, None);
    let bare = |name: &str| name.trim_end_matches('.').to_owned();
    let both = |ours: String| Some((bare(&ours), bare(&blocks.of_path(&ours)?)));
    Ok(modules.into_iter().filter_map(both).collect())
}
