//! Which layers an adapter's tensors belong to, and which of them carry style or layout.

use std::collections::BTreeMap;

use crate::models::unet::{CrossAttention, UNet};
use crate::recipe::PictureTakes;
use crate::{EngineError, Result};

/// The layers of `unet` that an IP-Adapter has keys and values for, with the number that its file
/// calls each by: the odd ones, counted through down blocks, up blocks and last the middle, as
/// Python diffusers registers them.
pub fn sites_in_file_order(unet: &UNet) -> Vec<(usize, CrossAttention)> {
    let mut all: Vec<CrossAttention> = unet.cross_attentions();
    all.retain(|layer| layer.site.name.rsplit('.').next() == Some("attn2"));
    let part = |layer: &CrossAttention| match layer.site.name.as_bytes().first() {
        Some(b'd') => 0,
        Some(b'u') => 1,
        _ => 2,
    };
    all.sort_by_key(part);
    let numbered = all.into_iter().enumerate();
    numbered.map(|(i, layer)| (2 * i + 1, layer)).collect()
}

/// What a weight is multiplied by at each attention index of `unet`: 1 where `takes` takes
/// something, 0 elsewhere, or as `blocks` says by the beginnings of the layers' names, such as
/// `up_blocks.0.attentions.1`. Empty for 1 everywhere.
///
/// The blocks are InstantStyle's (arXiv 2404.02733): in SDXL the second transformer of the first
/// up block has the style and the last of the last down block the layout; in Stable Diffusion 1.x
/// the first up block that attends, and the last down block that attends with the middle.
///
/// # Errors
/// The model has no such layers.
pub fn layer_weights(
    unet: &UNet,
    takes: PictureTakes,
    blocks: &BTreeMap<String, f64>,
) -> Result<Vec<f64>> {
    let sites = sites_in_file_order(unet);
    let chosen: Vec<(String, f64)> = if blocks.is_empty() {
        let is_xl = unet.config().addition_embed_type.is_some();
        let named = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
        let style: &[&str] = if is_xl {
            &["up_blocks.0.attentions.1"]
        } else {
            &["up_blocks.1"]
        };
        let layout: &[&str] = if is_xl {
            &["down_blocks.2.attentions.1"]
        } else {
            &["down_blocks.2", "mid_block"]
        };
        match takes {
            PictureTakes::All => return Ok(Vec::new()),
            PictureTakes::Style => named(style),
            PictureTakes::Layout => named(layout),
            PictureTakes::StyleAndLayout => named(&[style, layout].concat()),
        }
    } else {
        blocks.iter().map(|(k, v)| (k.clone(), *v)).collect()
    };
    let under = |name: &str, block: &str| {
        let rest = name.strip_prefix(block);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let has = |block: &str| sites.iter().any(|(_, l)| under(&l.site.name, block));
    if !blocks.is_empty() {
        if let Some(lost) = blocks.keys().find(|block| !has(block)) {
            let problem = format!(
                "no layer that reads text begins with {lost}; name one such as \
                 up_blocks.1.attentions.0"
            );
            return Err(EngineError::request("blocks", problem));
        }
    } else if !chosen.iter().any(|(block, _)| has(block)) {
        let problem = format!(
            "this model has no layers of its own for the {}; take all of the picture",
            takes.name()
        );
        return Err(EngineError::request("takes", problem));
    }
    let count = sites.iter().map(|(_, l)| l.site.index + 1).max();
    let mut weights = vec![0.0; count.unwrap_or(0)];
    for (_, layer) in &sites {
        let name = &layer.site.name;
        let own = chosen.iter().filter(|(block, _)| under(name, block));
        // The longest name says most.
        if let Some((_, weight)) = own.max_by_key(|(block, _)| block.len()) {
            weights[layer.site.index] = *weight;
        }
    }
    Ok(weights)
}
