//! A U-Net's configuration from the shapes of its weights.

use serde_json::{Map, Value, json};

use super::family::{Family, UNET};
use super::stored::Stored;

/// Channels of one head of 2.x and XL; shapes do not tell.
const HEAD_CHANNELS: i64 = 64;
/// Heads of 1.x at every level; shapes do not tell either.
const SD1_HEADS: i64 = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Level {
    channels: i64,
    layers: i64,
    /// Transformer blocks of each stage; 0 without attention.
    depth: i64,
}

/// config.json of the U-Net in `stored`, or what is odd about it.
pub(super) fn unet_config(
    stored: &Stored,
    family: Family,
    sample_size: i64,
) -> Result<Map<String, Value>, String> {
    let name = |rest: &str| format!("{UNET}{rest}");
    let depth = |at: &str| stored.count(&name(&format!("{at}.1.transformer_blocks.")));
    let levels = levels(stored, depth);
    let count = levels.len();
    let first = levels.first().filter(|level| level.layers > 0);
    let (Some(_), Some(last)) = (first, levels.last()) else {
        return Err("has a U-Net without residual blocks; fetch or export it again".to_owned());
    };
    let mut up = Vec::new();
    let mut index = 0;
    for level in levels.iter().rev() {
        up.push(depth(&format!("output_blocks.{index}")));
        index += level.layers + 1;
    }
    let middle = depth("middle_block");
    let linear = stored
        .shape(&name("middle_block.1.proj_in.weight"))
        .is_some_and(|shape| shape.len() == 2);
    let to_k = name("middle_block.1.transformer_blocks.0.attn2.to_k.weight");
    let Some(text_dim) = stored.columns(&to_k) else {
        return Err(format!("lacks the tensor {to_k}; fetch or export it again"));
    };
    let (Some(in_channels), Some(out_channels)) = (
        stored.columns(&name("input_blocks.0.0.weight")),
        stored.rows(&name("out.2.weight")),
    ) else {
        return Err(format!(
            "lacks the tensor {}; fetch or export it again",
            name("out.2.weight")
        ));
    };
    let channels: Vec<i64> = levels.iter().map(|level| level.channels).collect();
    let kind = |depth: i64, side: &str| {
        let cross = if depth > 0 { "CrossAttn" } else { "" };
        format!("{cross}{side}Block2D")
    };
    let mut config = object(json!({
        "_class_name": "UNet2DConditionModel",
        "act_fn": "silu",
        "block_out_channels": channels,
        "center_input_sample": false,
        "cross_attention_dim": text_dim,
        "down_block_types": levels.iter().map(|l| kind(l.depth, "Down")).collect::<Vec<_>>(),
        "downsample_padding": 1,
        "flip_sin_to_cos": true,
        "freq_shift": 0,
        "in_channels": in_channels,
        "layers_per_block": one_or_each(&levels.iter().map(|l| l.layers).collect::<Vec<_>>()),
        "mid_block_scale_factor": 1,
        "norm_eps": 1e-5,
        "norm_num_groups": groups(&channels),
        "out_channels": out_channels,
        "sample_size": sample_size,
        "up_block_types": up.iter().map(|&d| kind(d, "Up")).collect::<Vec<_>>(),
    }));
    if linear {
        let heads = channels.iter().map(|c| (c / HEAD_CHANNELS).max(1));
        config.insert("use_linear_projection".to_owned(), true.into());
        config.insert(
            "attention_head_dim".to_owned(),
            json!(heads.collect::<Vec<_>>()),
        );
    } else {
        config.insert("attention_head_dim".to_owned(), SD1_HEADS.into());
    }
    // The middle takes the last level's depth, whether or not that one attends.
    let mut depths: Vec<i64> = levels.iter().map(|level| level.depth.max(1)).collect();
    depths[count - 1] = middle.max(last.depth).max(1);
    let upward: Vec<i64> = up.iter().map(|&depth| depth.max(1)).collect();
    let differs = |(depth, up): (&i64, &i64)| *up > 0 && depth != up;
    if depths.iter().rev().zip(&up).any(differs) {
        let field = "reverse_transformer_layers_per_block";
        config.insert(field.to_owned(), json!(upward));
    }
    if depths.iter().any(|&depth| depth != 1) {
        config.insert("transformer_layers_per_block".to_owned(), json!(depths));
    }
    if let Some(inputs) = stored.columns(&name("label_emb.0.0.weight")) {
        let pooled = stored.columns(&format!("{}text_projection", super::family::OPEN_CLIP_XL));
        let sinusoids = (inputs - pooled.unwrap_or_default()) / 6;
        config.insert("addition_embed_type".to_owned(), "text_time".into());
        config.insert("addition_time_embed_dim".to_owned(), sinusoids.into());
        let field = "projection_class_embeddings_input_dim";
        config.insert(field.to_owned(), inputs.into());
    } else if family == Family::SdXl {
        return Err(format!(
            "lacks the tensor {}; fetch or export it again",
            name("label_emb.0.0.weight")
        ));
    }
    Ok(config)
}

/// The levels on the way down, highest resolution first.
fn levels(stored: &Stored, depth: impl Fn(&str) -> i64) -> Vec<Level> {
    let mut levels = vec![Level::default()];
    for i in 1.. {
        let at = format!("input_blocks.{i}");
        if stored.has(&format!("{UNET}{at}.0.op.weight")) {
            levels.push(Level::default());
            continue;
        }
        let Some(channels) = stored.rows(&format!("{UNET}{at}.0.in_layers.2.weight")) else {
            break;
        };
        if let Some(level) = levels.last_mut() {
            level.channels = channels;
            level.layers += 1;
            level.depth = depth(&at);
        }
    }
    levels
}

/// One number where all are the same, as configurations have it.
fn one_or_each(values: &[i64]) -> Value {
    match values {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => json!(first),
        _ => json!(values),
    }
}

/// Groups of the normalisations: 32 in all published models, fewer where that does not divide.
pub(super) fn groups(channels: &[i64]) -> i64 {
    let divides = |groups: &i64| channels.iter().all(|c| c % groups == 0);
    [32, 16, 8, 4, 2].into_iter().find(divides).unwrap_or(1)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
