//! CLIP's text and image towers (arXiv 2103.00020), in the layout of Python transformers.
//!
//! [`ClipTextModel`] is what Stable Diffusion conditions on, [`ClipVisionModel`] what image prompts
//! and measurements look through, [`ClipModel`] the pair with its contrastive scale. Key names are
//! those of `CLIPTextModel`, `CLIPTextModelWithProjection`, `CLIPVisionModelWithProjection` and
//! `CLIPModel`; text weights are read with and without the `text_model.` prefix.

mod config;
mod encoder;
mod pair;
mod text;
mod vision;

pub use config::{ClipConfig, ClipTextConfig, ClipVisionConfig};
pub use pair::ClipModel;
pub use text::{ClipTextModel, ClipTextOutput, TextLayer};
pub use vision::{ClipVisionModel, ClipVisionOutput};

/// Whether `name` is a position index that older versions of Python transformers stored beside
/// the weights; it carries no information.
pub fn is_stored_buffer(name: &str) -> bool {
    name.ends_with("embeddings.position_ids")
}
