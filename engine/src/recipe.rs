//! One serde type says everything about one picture.

use serde::{Deserialize, Serialize};

/// The newest recipe version that this program writes and reads.
pub const RECIPE_VERSION: u32 = 1;

/// Everything that decides one picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Schema version, [`RECIPE_VERSION`] when written by this program.
    pub version: u32,
    /// Which model.
    pub model: ModelRef,
    /// What to show.
    pub prompt: String,
    /// What to steer away from.
    #[serde(default)]
    pub negative_prompt: String,
    /// Seed of this picture's noise.
    pub seed: u64,
    /// Width in pixels, a multiple of 8.
    pub width_px: u32,
    /// Height in pixels, a multiple of 8.
    pub height_px: u32,
    /// Sampling steps.
    pub steps: u32,
    /// Classifier-free guidance scale; 1 turns guidance off.
    pub guidance_scale: f64,
    /// Sampler name, such as `ddim`.
    pub sampler: String,
    /// Dtype of the U-Net and text encoder: `f32`, `bf16` or `f16`.
    pub dtype: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// A model by name, place and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Name shown to people; `miniature` is the embedded model.
    pub name: String,
    /// Where it was found when the recipe was written; absent for the embedded model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 over the model's weights and configuration, in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
}
