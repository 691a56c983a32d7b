//! The fields of config.json, with the defaults of Python transformers.

use serde::{Deserialize, Serialize};

use crate::layers::Activation;
use crate::weights::Params;
use crate::{EngineError, Result};

/// Configuration of a text tower (`CLIPTextConfig`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipTextConfig {
    /// Number of token ids.
    pub vocab_size: i64,
    /// Width of the token states.
    pub hidden_size: i64,
    /// Width inside the feed-forward layers.
    pub intermediate_size: i64,
    /// Width of the space shared with pictures, where the tower has a projection.
    pub projection_dim: i64,
    /// Number of transformer layers.
    pub num_hidden_layers: i64,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: i64,
    /// Most tokens in one sequence.
    pub max_position_embeddings: i64,
    /// Activation of the feed-forward layers: `quick_gelu` (OpenAI) or `gelu` (OpenCLIP).
    #[serde(with = "activation_name")]
    pub hidden_act: Activation,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
    /// Id of the padding token as the configuration has it; the tokenizer's own choice counts.
    pub pad_token_id: Option<i64>,
    /// Id of the token that begins every sequence.
    pub bos_token_id: Option<i64>,
    /// Id of the token whose state is pooled; 2 marks configurations from before transformers
    /// PR 24773, where the position of the highest id is pooled instead.
    pub eos_token_id: i64,
}

impl Default for ClipTextConfig {
    fn default() -> Self {
        Self {
            vocab_size: 49408,
            hidden_size: 512,
            intermediate_size: 2048,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 8,
            max_position_embeddings: 77,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            pad_token_id: Some(1),
            bos_token_id: Some(49406),
            eos_token_id: 49407,
        }
    }
}

/// Configuration of an image tower (`CLIPVisionConfig`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipVisionConfig {
    /// Width of the patch states.
    pub hidden_size: i64,
    /// Width inside the feed-forward layers.
    pub intermediate_size: i64,
    /// Width of the space shared with text, where the tower has a projection.
    pub projection_dim: i64,
    /// Number of transformer layers.
    pub num_hidden_layers: i64,
    /// Attention heads; divides `hidden_size`.
    pub num_attention_heads: i64,
    /// Colour channels of a picture.
    pub num_channels: i64,
    /// Side of the square picture, in pixels.
    pub image_size: i64,
    /// Side of one patch, in pixels.
    pub patch_size: i64,
    /// Activation of the feed-forward layers: `quick_gelu` (OpenAI) or `gelu` (OpenCLIP).
    #[serde(with = "activation_name")]
    pub hidden_act: Activation,
    /// Added to the variance in layer norms.
    pub layer_norm_eps: f64,
}

impl Default for ClipVisionConfig {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            projection_dim: 512,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
            hidden_act: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
        }
    }
}

/// Configuration of both towers (`CLIPConfig`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClipConfig {
    /// The text tower.
    pub text_config: ClipTextConfig,
    /// The image tower.
    pub vision_config: ClipVisionConfig,
    /// Width of the shared space; the towers' own `projection_dim` are not read here.
    pub projection_dim: i64,
    /// Natural logarithm of the contrastive scale before training.
    pub logit_scale_init_value: f64,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            text_config: ClipTextConfig::default(),
            vision_config: ClipVisionConfig::default(),
            projection_dim: 512,
            logit_scale_init_value: 2.6592,
        }
    }
}

impl ClipTextConfig {
    /// Fails, naming the field, where no tower can be built from these numbers.
    pub(super) fn check(&self, params: &Params) -> Result<()> {
        check_positive(
            params,
            &[
                ("vocab_size", self.vocab_size),
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("num_attention_heads", self.num_attention_heads),
                ("max_position_embeddings", self.max_position_embeddings),
            ],
        )?;
        check_heads(params, self.hidden_size, self.num_attention_heads)
    }
}

impl ClipVisionConfig {
    /// Fails, naming the field, where no tower can be built from these numbers.
    pub(super) fn check(&self, params: &Params) -> Result<()> {
        check_positive(
            params,
            &[
                ("hidden_size", self.hidden_size),
                ("intermediate_size", self.intermediate_size),
                ("num_hidden_layers", self.num_hidden_layers),
                ("num_attention_heads", self.num_attention_heads),
                ("num_channels", self.num_channels),
                ("image_size", self.image_size),
                ("patch_size", self.patch_size),
            ],
        )?;
        if self.patch_size > self.image_size {
            let problem = format!(
                "is {}, more than the image_size of {}",
                self.patch_size, self.image_size
            );
            return Err(odd_field(params, "patch_size", problem));
        }
        check_heads(params, self.hidden_size, self.num_attention_heads)
    }
}

fn check_positive(params: &Params, fields: &[(&str, i64)]) -> Result<()> {
    match fields.iter().find(|(_, value)| *value < 1) {
        None => Ok(()),
        Some((field, value)) => Err(odd_field(
            params,
            field,
            format!("is {value}; it must be 1 or more"),
        )),
    }
}

fn check_heads(params: &Params, hidden_size: i64, heads: i64) -> Result<()> {
    if hidden_size % heads == 0 {
        return Ok(());
    }
    let problem = format!("is {heads}, which does not divide hidden_size {hidden_size}");
    Err(odd_field(params, "num_attention_heads", problem))
}

fn odd_field(params: &Params, field: &str, problem: String) -> EngineError {
    EngineError::bad_config(params.config_path(), field, problem)
}

/// Activations by their names in config.json.
mod activation_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::layers::Activation;

    // serde hands the field over by reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(
        activation: &Activation,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match activation {
            Activation::Silu => "silu",
            Activation::Gelu => "gelu",
            Activation::QuickGelu => "quick_gelu",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Activation, D::Error> {
        let name = String::deserialize(deserializer)?;
        Activation::from_name(&name).ok_or_else(|| {
            D::Error::custom(format!(
                "hidden_act \"{name}\" is unknown; quick_gelu, gelu and silu are supported"
            ))
        })
    }
}
