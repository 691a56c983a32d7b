//! The names of U-Net and autoencoder.

use std::path::Path;

use super::family::{UNET, VAE};
use crate::Result;
use crate::models::unet::{UNetConfig, original_names};
use crate::models::vae::VaeConfig;
use crate::weights::{NamePair, NameTable, Take};

/// Names of the U-Net that `config` describes, whose errors name `path`.
///
/// # Errors
/// A field of `config` is not supported.
pub(in crate::checkpoint) fn unet_table(config: &UNetConfig, path: &Path) -> Result<NameTable> {
    let pairs = original_names(config, path)?.into_iter();
    let pairs = pairs.map(|(ours, theirs)| NamePair {
        ours,
        theirs: format!("{UNET}{theirs}"),
        take: Take::Whole,
    });
    Ok(NameTable::new(pairs.collect()))
}

/// Names of the autoencoder that `config` describes.
pub(in crate::checkpoint) fn vae_table(config: &VaeConfig) -> NameTable {
    let mut pairs = Vec::new();
    let mut add = |ours: &str, theirs: &str, take: Take| {
        pairs.push(NamePair {
            ours: ours.to_owned(),
            theirs: format!("{VAE}{theirs}"),
            take,
        });
    };
    for name in ["quant_conv", "post_quant_conv"] {
        add(name, name, Take::Whole);
    }
    let levels = config.block_out_channels.len();
    for (side, downward) in [("encoder", true), ("decoder", false)] {
        let mut at = |ours: &str, theirs: &str, take: Take| {
            add(&format!("{side}.{ours}"), &format!("{side}.{theirs}"), take);
        };
        for (ours, theirs) in [
            ("conv_in", "conv_in"),
            ("conv_norm_out", "norm_out"),
            ("conv_out", "conv_out"),
            ("mid_block.resnets.0", "mid.block_1"),
            ("mid_block.resnets.1", "mid.block_2"),
        ] {
            at(ours, theirs, Take::Whole);
        }
        for (ours, theirs) in [
            ("group_norm", "norm"),
            ("to_q", "q"),
            ("to_k", "k"),
            ("to_v", "v"),
            ("to_out.0", "proj_out"),
        ] {
            let (ours, theirs) = (
                format!("mid_block.attentions.0.{ours}"),
                format!("mid.attn_1.{theirs}"),
            );
            // The original code attends with 1×1 convolutions.
            at(&ours, &theirs, Take::Squeezed);
        }
        for i in 0..levels {
            let (ours, theirs, count) = if downward {
                let names = (format!("down_blocks.{i}"), format!("down.{i}"));
                (names.0, names.1, config.layers_per_block)
            } else {
                // Theirs are numbered by resolution, ours as they come.
                let names = (format!("up_blocks.{i}"), format!("up.{}", levels - 1 - i));
                (names.0, names.1, config.layers_per_block + 1)
            };
            for j in 0..count {
                let (resnet, block) =
                    (format!("{ours}.resnets.{j}"), format!("{theirs}.block.{j}"));
                at(&resnet, &block, Take::Whole);
                let (own, other) = ("conv_shortcut", "nin_shortcut");
                at(
                    &format!("{resnet}.{own}"),
                    &format!("{block}.{other}"),
                    Take::Whole,
                );
            }
            let (own, other) = if downward {
                ("downsamplers.0", "downsample")
            } else {
                ("upsamplers.0", "upsample")
            };
            at(
                &format!("{ours}.{own}"),
                &format!("{theirs}.{other}"),
                Take::Whole,
            );
        }
    }
    NameTable::new(pairs)
}
