//! One serde type says everything about one picture.

mod adapter;
mod check;
mod control;
mod controlnet;
mod edit;
mod edit_method;
mod file;
mod highres;
mod identity;
mod number;
mod options;
mod picture_prompt;
mod preprocessor;
mod source;
mod text;

use serde::{Deserialize, Serialize};

pub use adapter::{AdapterUse, EmbeddingUse};
pub use control::{ControlScale, ControlUse};
pub use controlnet::ControlNetUse;
pub use edit::{Change, Edit, EditedPlace, EditedPrompt};
pub use edit_method::{EditMethod, EditPart};
pub use file::{from_json, read, to_json, write};
pub use highres::{Highres, UpscalerUse};
pub use identity::{hex_of, is_sha256_hex, sha256_hex, short_hash};
pub use options::{ResolvedSchedule, WalkOptions};
pub use picture_prompt::{PicturePromptUse, PictureTakes};
pub use preprocessor::Preprocessor;
pub use source::{MaskUse, PictureRef, Region, Source};
pub use text::TextOptions;

/// The newest recipe version that this program writes and reads.
pub const RECIPE_VERSION: u32 = 1;

/// Name of the model that comes with the program.
pub const EMBEDDED_MODEL: &str = "miniature";

/// Smallest and largest width and height in pixels.
pub const SIZE_RANGE_PX: std::ops::RangeInclusive<u32> = 64..=4096;

/// Fewest and most sampling steps.
pub const STEPS_RANGE: std::ops::RangeInclusive<u32> = 1..=1000;

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
    /// Width in pixels, a multiple of 8 in [`SIZE_RANGE_PX`].
    pub width_px: u32,
    /// Height in pixels, a multiple of 8 in [`SIZE_RANGE_PX`].
    pub height_px: u32,
    /// Sampling steps, in [`STEPS_RANGE`].
    pub steps: u32,
    /// Classifier-free guidance scale; 1 turns guidance off.
    pub guidance_scale: f64,
    /// Sampler name, such as `ddim`.
    pub sampler: String,
    /// Dtype of the U-Net and text encoder: `f32`, `bf16` or `f16`.
    pub dtype: String,
    /// How the way from noise is walked, in fields of their own beside these.
    #[serde(flatten)]
    pub walk: WalkOptions,
    /// How the words are read, in fields of their own, too.
    #[serde(flatten)]
    pub text: TextOptions,
    /// Controls at work, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<ControlUse>,
    /// LoRAs and their relatives at work, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<AdapterUse>,
    /// Textual-inversion embeddings that the prompts call by name; the render adds those that it
    /// found by their names alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embeddings: Vec<EmbeddingUse>,
    /// Pictures in the place of words, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub picture_prompts: Vec<PicturePromptUse>,
    /// ControlNets at work; what they add to the U-Net is summed up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controlnets: Vec<ControlNetUse>,
    /// The picture that it starts from; absent for noise alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Words for parts of the picture, in no particular order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// A second, larger pass over the picture; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highres: Option<Highres>,
    /// What changes in the source, thing by thing; the prompt then says what the source shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit: Option<Edit>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// A model by name, place and hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Name shown to people; [`EMBEDDED_MODEL`] is the one that comes with the program.
    pub name: String,
    /// Where it was found when the recipe was written; absent for the embedded model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 over the model's weights and configuration, in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// What its U-Net predicts, where the artist says otherwise than its files: `epsilon`,
    /// `v_prediction` or `sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction_type: Option<String>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl Recipe {
    /// A picture of nothing in particular by `model`: no prompt, seed 0, 512×512, 20 steps of
    /// DDIM, guidance 7.5, and nothing else at work.
    pub fn new(model: ModelRef) -> Self {
        Self {
            version: RECIPE_VERSION,
            model,
            prompt: String::new(),
            negative_prompt: String::new(),
            seed: 0,
            width_px: 512,
            height_px: 512,
            steps: 20,
            guidance_scale: 7.5,
            sampler: "ddim".to_owned(),
            dtype: "f32".to_owned(),
            walk: WalkOptions::default(),
            text: TextOptions::default(),
            controls: Vec::new(),
            adapters: Vec::new(),
            embeddings: Vec::new(),
            picture_prompts: Vec::new(),
            controlnets: Vec::new(),
            source: None,
            regions: Vec::new(),
            highres: None,
            edit: None,
            unknown: serde_json::Map::new(),
        }
    }
}

impl ModelRef {
    /// The model that comes with the program.
    pub fn embedded() -> Self {
        Self {
            name: EMBEDDED_MODEL.to_owned(),
            path: None,
            hash: String::new(),
            prediction_type: None,
            unknown: serde_json::Map::new(),
        }
    }

    /// The model in the folder or file `path`, named after it.
    pub fn at(path: &std::path::Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let name = absolute.file_name().map_or_else(
            || "model".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        Self {
            name,
            path: Some(absolute.to_string_lossy().into_owned()),
            hash: String::new(),
            prediction_type: None,
            unknown: serde_json::Map::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn sample() -> Recipe {
        Recipe {
            prompt: "a black cat and a white dog in a room".to_owned(),
            negative_prompt: "blurry".to_owned(),
            seed: 7,
            width_px: 128,
            height_px: 64,
            steps: 20,
            guidance_scale: 7.5,
            ..Recipe::new(ModelRef::embedded())
        }
    }

    /// Recipes with any text, seed and finite guidance, and an unknown field now and then.
    pub(crate) fn arbitrary() -> impl Strategy<Value = Recipe> {
        (
            any::<String>(),
            any::<String>(),
            any::<u64>(),
            1_u32..=1000,
            any::<f64>().prop_filter("JSON holds finite numbers", |x| x.is_finite()),
            any::<Option<String>>(),
            proptest::collection::vec((any::<String>(), any::<i64>()), 0..3),
        )
            .prop_map(|(prompt, negative, seed, steps, guidance, path, unknown)| {
                let mut recipe = sample();
                recipe.prompt = prompt;
                recipe.negative_prompt = negative;
                recipe.seed = seed;
                recipe.steps = steps;
                recipe.guidance_scale = guidance;
                recipe.model.path = path;
                for (key, value) in unknown {
                    recipe.unknown.insert(format!("x-{key}"), value.into());
                }
                recipe
            })
    }
}
