//! What a U-Net's config.json says.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::layers::Activation;
use crate::models::PerBlock;
use crate::{EngineError, Result};

/// Configuration of a `UNet2DConditionModel`, with the defaults of Python diffusers for absent
/// fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // the file has them so
pub struct UNetConfig {
    /// Side, or height and width, of the training latents.
    pub sample_size: Option<PerBlock<i64>>,
    /// Channels of the latents that come in.
    pub in_channels: i64,
    /// Channels of the prediction.
    pub out_channels: i64,
    /// Whether latents in 0..1 are moved to -1..1 first.
    pub center_input_sample: bool,
    /// Whether cosines come before sines in the timestep embedding.
    pub flip_sin_to_cos: bool,
    /// Taken off the count of frequencies in the timestep embedding.
    pub freq_shift: f64,
    /// `DownBlock2D` or `CrossAttnDownBlock2D` for each level, highest resolution first.
    pub down_block_types: Vec<String>,
    /// `UNetMidBlock2DCrossAttn`, `UNetMidBlock2D`, or null for none.
    pub mid_block_type: Option<String>,
    /// `UpBlock2D` or `CrossAttnUpBlock2D` for each level, lowest resolution first.
    pub up_block_types: Vec<String>,
    /// Whether the first attention of a transformer block reads the text too.
    pub only_cross_attention: PerBlock<bool>,
    /// Channels of each level, highest resolution first.
    pub block_out_channels: Vec<i64>,
    /// Residual blocks on the way down; one more on the way up.
    pub layers_per_block: PerBlock<i64>,
    /// Border of the downsampling convolutions; 0 for right and lower border alone.
    pub downsample_padding: i64,
    /// Activation of residual blocks and timestep embedding.
    pub act_fn: String,
    /// Groups of the normalisations.
    pub norm_num_groups: i64,
    /// Epsilon of the residual blocks' normalisations.
    pub norm_eps: f64,
    /// Length of the text embeddings.
    pub cross_attention_dim: PerBlock<i64>,
    /// Transformer blocks in each attention stage.
    pub transformer_layers_per_block: PerBlock<i64>,
    /// The same on the way up, lowest resolution first, where it differs.
    pub reverse_transformer_layers_per_block: Option<Vec<i64>>,
    /// For historic reasons the number of heads where `num_attention_heads` is absent.
    pub attention_head_dim: PerBlock<i64>,
    /// Number of attention heads.
    pub num_attention_heads: Option<PerBlock<i64>>,
    /// Whether the transformers' projections are linear layers rather than 1×1 convolutions.
    pub use_linear_projection: bool,
    /// Asks for attention scores in fp32; fused attention accumulates them so anyway.
    pub upcast_attention: bool,
    /// `text_time` (SDXL) or null.
    pub addition_embed_type: Option<String>,
    /// Sinusoids for each of SDXL's six sizes.
    pub addition_time_embed_dim: Option<i64>,
    /// Length of SDXL's pooled text and size sinusoids together.
    pub projection_class_embeddings_input_dim: Option<i64>,
    /// Length of the timestep embedding where it is not four times the first channel count.
    pub time_embedding_dim: Option<i64>,
    /// Length of the extra timestep condition of latent consistency models.
    pub time_cond_proj_dim: Option<i64>,
    /// Kernel side of the first convolution.
    pub conv_in_kernel: i64,
    /// Kernel side of the last convolution.
    pub conv_out_kernel: i64,
    /// Every other field, as it stands in the file.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for UNetConfig {
    fn default() -> Self {
        let names = |types: &[&str]| types.iter().map(|&t| t.to_owned()).collect();
        let (down, up) = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D");
        Self {
            sample_size: None,
            in_channels: 4,
            out_channels: 4,
            center_input_sample: false,
            flip_sin_to_cos: true,
            freq_shift: 0.0,
            down_block_types: names(&[down, down, down, "DownBlock2D"]),
            mid_block_type: Some("UNetMidBlock2DCrossAttn".to_owned()),
            up_block_types: names(&["UpBlock2D", up, up, up]),
            only_cross_attention: PerBlock::All(false),
            block_out_channels: vec![320, 640, 1280, 1280],
            layers_per_block: PerBlock::All(2),
            downsample_padding: 1,
            act_fn: "silu".to_owned(),
            norm_num_groups: 32,
            norm_eps: 1e-5,
            cross_attention_dim: PerBlock::All(1280),
            transformer_layers_per_block: PerBlock::All(1),
            reverse_transformer_layers_per_block: None,
            attention_head_dim: PerBlock::All(8),
            num_attention_heads: None,
            use_linear_projection: false,
            upcast_attention: false,
            addition_embed_type: None,
            addition_time_embed_dim: None,
            projection_class_embeddings_input_dim: None,
            time_embedding_dim: None,
            time_cond_proj_dim: None,
            conv_in_kernel: 3,
            conv_out_kernel: 3,
            other: Map::new(),
        }
    }
}

/// What one level of the U-Net is built from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    pub(super) channels: i64,
    pub(super) layers: i64,
    pub(super) heads: i64,
    pub(super) text_dim: i64,
    pub(super) transformer_layers: i64,
    pub(super) transformer_layers_up: i64,
    pub(super) only_cross_attention: bool,
    pub(super) attends_down: bool,
    pub(super) attends_up: bool,
}

/// What the middle holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Middle {
    None,
    Resnet,
    CrossAttention,
}

/// A configuration whose every field has been found usable.
#[derive(Debug)]
pub(in crate::models) struct Plan {
    /// Highest resolution first.
    pub(super) levels: Vec<Level>,
    pub(super) middle: Middle,
    pub(super) activation: Activation,
    pub(super) time_dim: i64,
}

/// Fields that have only one supported value.
fn fixed_fields() -> [(&'static str, Value); 14] {
    [
        ("mid_block_scale_factor", json!(1.0)),
        ("encoder_hid_dim", Value::Null),
        ("encoder_hid_dim_type", Value::Null),
        ("dual_cross_attention", json!(false)),
        ("class_embed_type", Value::Null),
        ("num_class_embeds", Value::Null),
        ("resnet_time_scale_shift", json!("default")),
        ("resnet_skip_time_act", json!(false)),
        ("resnet_out_scale_factor", json!(1.0)),
        ("time_embedding_type", json!("positional")),
        ("time_embedding_act_fn", Value::Null),
        ("timestep_post_act", Value::Null),
        ("attention_type", json!("default")),
        ("cross_attention_norm", Value::Null),
    ]
}

fn same(a: &Value, b: &Value) -> bool {
    // 1 and 1.0 are different JSON numbers.
    a == b || a.as_f64().is_some_and(|a| Some(a) == b.as_f64())
}

impl UNetConfig {
    /// Latents' sides must be multiples of this for the picture to come out at their size without
    /// rounding inside; other sides work too.
    pub fn downscale(&self) -> i64 {
        1 << self.block_out_channels.len().saturating_sub(1)
    }

    pub(super) fn plan(&self, path: &Path) -> Result<Plan> {
        let bad = |field: &str, problem: String| EngineError::bad_config(path, field, problem);
        for (field, only) in fixed_fields() {
            if let Some(value) = self.other.get(field).filter(|v| !same(v, &only)) {
                return Err(bad(field, format!("is {value}; only {only} is supported")));
            }
        }
        let count = self.block_out_channels.len();
        if count == 0 {
            return Err(bad("block_out_channels", "must not be empty".to_owned()));
        }
        for (field, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("norm_num_groups", self.norm_num_groups),
        ] {
            if value < 1 {
                return Err(bad(field, format!("is {value}; it must be at least 1")));
            }
        }
        for (field, kernel) in [
            ("conv_in_kernel", self.conv_in_kernel),
            ("conv_out_kernel", self.conv_out_kernel),
        ] {
            if kernel < 1 || kernel % 2 == 0 {
                return Err(bad(field, format!("is {kernel}; it must be odd")));
            }
        }
        if !(0..=1).contains(&self.downsample_padding) {
            return Err(bad("downsample_padding", "must be 0 or 1".to_owned()));
        }
        let attends_down = self.attends(
            path,
            "down_block_types",
            &self.down_block_types,
            "DownBlock2D",
            "CrossAttnDownBlock2D",
        )?;
        let mut attends_up = self.attends(
            path,
            "up_block_types",
            &self.up_block_types,
            "UpBlock2D",
            "CrossAttnUpBlock2D",
        )?;
        attends_up.reverse();
        let middle = match self.mid_block_type.as_deref() {
            None => Middle::None,
            Some("UNetMidBlock2D") => Middle::Resnet,
            Some("UNetMidBlock2DCrossAttn") => Middle::CrossAttention,
            Some(other) => {
                return Err(bad(
                    "mid_block_type",
                    format!("is {other}; use UNetMidBlock2DCrossAttn or UNetMidBlock2D"),
                ));
            }
        };
        let levels = (0..count)
            .map(|i| self.level(path, i, attends_down[i], attends_up[i]))
            .collect::<Result<Vec<_>>>()?;
        self.check_addition(path)?;
        let activation = Activation::from_name(&self.act_fn).ok_or_else(|| {
            bad(
                "act_fn",
                format!("is {}; use silu, gelu or quick_gelu", self.act_fn),
            )
        })?;
        let time_dim = self
            .time_embedding_dim
            .unwrap_or(self.block_out_channels[0] * 4);
        Ok(Plan {
            levels,
            middle,
            activation,
            time_dim,
        })
    }

    /// For each block of `types`, whether it has attention.
    fn attends(
        &self,
        path: &Path,
        field: &str,
        types: &[String],
        plain: &str,
        cross: &str,
    ) -> Result<Vec<bool>> {
        let count = self.block_out_channels.len();
        if types.len() != count {
            return Err(EngineError::bad_config(
                path,
                field,
                format!("needs one entry for each of the {count} block_out_channels"),
            ));
        }
        types
            .iter()
            .map(|name| match name.as_str() {
                name if name == plain => Ok(false),
                name if name == cross => Ok(true),
                other => Err(EngineError::bad_config(
                    path,
                    field,
                    format!("has {other}; use {plain} or {cross}"),
                )),
            })
            .collect()
    }

    fn level(&self, path: &Path, i: usize, attends_down: bool, attends_up: bool) -> Result<Level> {
        fn entry<T: Copy>(
            path: &Path,
            field: &str,
            value: &PerBlock<T>,
            i: usize,
            valid: impl Fn(T) -> bool,
        ) -> Result<T> {
            let problem = || {
                EngineError::bad_config(path, field, format!("has no usable entry for block {i}"))
            };
            value.get(i).filter(|&v| valid(v)).ok_or_else(problem)
        }
        let positive = |v: i64| v >= 1;
        let channels = self.block_out_channels[i];
        if channels < 1 || channels % self.norm_num_groups != 0 {
            return Err(EngineError::bad_config(
                path,
                "block_out_channels",
                format!("has {channels}, which norm_num_groups does not divide"),
            ));
        }
        let (field, heads) = match &self.num_attention_heads {
            Some(heads) => ("num_attention_heads", heads),
            None => ("attention_head_dim", &self.attention_head_dim),
        };
        let divides = |heads: i64| heads >= 1 && channels % heads == 0;
        let transformer_layers = entry(
            path,
            "transformer_layers_per_block",
            &self.transformer_layers_per_block,
            i,
            positive,
        )?;
        let transformer_layers_up = match &self.reverse_transformer_layers_per_block {
            None => transformer_layers,
            Some(layers) => entry(
                path,
                "reverse_transformer_layers_per_block",
                &PerBlock::Each(layers.clone()),
                self.block_out_channels.len() - 1 - i,
                positive,
            )?,
        };
        Ok(Level {
            channels,
            layers: entry(
                path,
                "layers_per_block",
                &self.layers_per_block,
                i,
                positive,
            )?,
            heads: entry(path, field, heads, i, divides)?,
            text_dim: entry(
                path,
                "cross_attention_dim",
                &self.cross_attention_dim,
                i,
                positive,
            )?,
            transformer_layers,
            transformer_layers_up,
            only_cross_attention: entry(
                path,
                "only_cross_attention",
                &self.only_cross_attention,
                i,
                |_| true,
            )?,
            attends_down,
            attends_up,
        })
    }

    fn check_addition(&self, path: &Path) -> Result<()> {
        match self.addition_embed_type.as_deref() {
            None => return Ok(()),
            Some("text_time") => {}
            Some(other) => {
                return Err(EngineError::bad_config(
                    path,
                    "addition_embed_type",
                    format!("is {other}; only text_time is supported"),
                ));
            }
        }
        for (field, value) in [
            ("addition_time_embed_dim", self.addition_time_embed_dim),
            (
                "projection_class_embeddings_input_dim",
                self.projection_class_embeddings_input_dim,
            ),
        ] {
            if value.is_none_or(|v| v < 1) {
                return Err(EngineError::bad_config(
                    path,
                    field,
                    "must be given where addition_embed_type is text_time",
                ));
            }
        }
        Ok(())
    }
}
