//! The names that a ControlNet's modules have in the code of its first authors.

use std::path::Path;

use super::ControlNetConfig;
use crate::Result;
use crate::models::unet::original_names;

/// The modules of the ControlNet that `config` describes, each with its name in Python diffusers and
/// in the original code.
///
/// # Errors
/// A field of `config`, which errors look for in `path`, is not supported.
pub fn original_controlnet_names(
    config: &ControlNetConfig,
    path: &Path,
) -> Result<Vec<(String, String)>> {
    let of_unet = original_names(&config.unet(), path)?;
    let is_upward =
        |ours: &str| ours.starts_with("up_blocks") || ours == "conv_norm_out" || ours == "conv_out";
    let mut names: Vec<(String, String)> = of_unet
        .into_iter()
        .filter(|(ours, _)| !is_upward(ours))
        .collect();
    let mut add = |ours: String, theirs: String| names.push((ours, theirs));
    // A zero convolution for every block, the first convolution's among them.
    let levels = config.encoder.block_out_channels.len();
    let layers = (0..levels).filter_map(|i| config.encoder.layers_per_block.get(i));
    let blocks = layers.map(|layers| layers + 1).sum::<i64>();
    for i in 0..blocks {
        add(
            format!("controlnet_down_blocks.{i}"),
            format!("zero_convs.{i}.0"),
        );
    }
    let middle = "controlnet_mid_block".to_owned();
    add(middle, "middle_block_out.0".to_owned());
    // There the activations between the convolutions are counted too.
    let hint = |ours: &str| format!("controlnet_cond_embedding.{ours}");
    add(hint("conv_in"), "input_hint_block.0".to_owned());
    let inner = 2 * (config.conditioning_embedding_out_channels.len() - 1);
    for i in 0..inner {
        let theirs = format!("input_hint_block.{}", 2 * (i + 1));
        add(hint(&format!("blocks.{i}")), theirs);
    }
    let theirs = format!("input_hint_block.{}", 2 * (inner + 1));
    add(hint("conv_out"), theirs);
    Ok(names)
}
