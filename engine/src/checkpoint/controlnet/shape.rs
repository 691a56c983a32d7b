//! The configuration of a ControlNet that came without one.

use super::layout::Layout;
use crate::models::PerBlock;
use crate::models::controlnet::ControlNetConfig;
use crate::models::unet::UNetConfig;

/// That of a copy of `unet`'s encoder with the picture's convolutions that `layout` has, and with
/// attention where `layout` has it: shapes do not tell heads and groups, the model does.
pub(super) fn config_like(unet: &UNetConfig, layout: &Layout) -> ControlNetConfig {
    let mut config = ControlNetConfig {
        encoder: unet.clone(),
        ..ControlNetConfig::default()
    };
    config.encoder.other.clear();
    let rows = |name: &str| layout.shape(name)?.first().copied();
    let columns = |name: &str| layout.shape(name)?.get(1).copied();
    let (conv_in, hint_in) = if layout.is_original() {
        ("input_blocks.0.0.weight", "input_hint_block.0.weight")
    } else {
        ("conv_in.weight", "controlnet_cond_embedding.conv_in.weight")
    };
    if let Some(channels) = columns(conv_in) {
        config.encoder.in_channels = channels;
    }
    if let Some(channels) = columns(hint_in) {
        config.conditioning_channels = channels;
    }
    // Every second convolution of the picture's halves it and sets the next width.
    let halving = |i: usize| {
        if layout.is_original() {
            format!("input_hint_block.{}.weight", 4 * (i + 1))
        } else {
            format!("controlnet_cond_embedding.blocks.{}.weight", 2 * i + 1)
        }
    };
    let mut widths: Vec<i64> = rows(hint_in).into_iter().collect();
    widths.extend((0..).map_while(|i| rows(&halving(i))));
    config.conditioning_embedding_out_channels = widths;
    if !layout.is_original() {
        with_own_attention(&mut config.encoder, layout);
    }
    config
}

/// Smaller ControlNets of XL leave attention out.
fn with_own_attention(encoder: &mut UNetConfig, layout: &Layout) {
    let count = encoder.block_out_channels.len();
    let mut depths = Vec::with_capacity(count);
    for i in 0..count {
        let at = format!("down_blocks.{i}.attentions.");
        let kind = if layout.has_under(&at) {
            "CrossAttnDownBlock2D"
        } else {
            "DownBlock2D"
        };
        if let Some(name) = encoder.down_block_types.get_mut(i) {
            kind.clone_into(name);
        }
        depths.push(depth(layout, &format!("{at}0")));
    }
    let middle = "mid_block.attentions.0";
    if layout.has_under(&format!("{middle}.")) {
        // The middle is built as deep as the last level.
        depths[count - 1] = depth(layout, middle);
    } else {
        encoder.mid_block_type = Some("UNetMidBlock2D".to_owned());
    }
    encoder.transformer_layers_per_block = PerBlock::Each(depths);
}

/// How many transformer blocks the stage at `at` has; 1 where there is none.
fn depth(layout: &Layout, at: &str) -> i64 {
    let blocks = (0..).take_while(|i| layout.has_under(&format!("{at}.transformer_blocks.{i}.")));
    (blocks.count() as i64).max(1)
}
