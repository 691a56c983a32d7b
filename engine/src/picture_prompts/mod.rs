//! Picture prompts: IP-Adapter (arXiv 2308.06721), a picture in the place of words.
//!
//! A [`VisionTower`] looks at the picture, a [`PicturePrompt`] makes tokens of what it sees and
//! keys and values of them for every layer that reads text. [`PicturePromptFile`] tells what a file
//! is without a model, [`PicturePromptLibrary`] where files and towers lie.

mod encoder;
mod file;
mod library;
mod network;
mod preprocess;
mod projection;
mod resampler;
mod sites;
#[cfg(feature = "test-models")]
pub mod tiny;

pub use encoder::{EncoderNeed, VisionEncoder, VisionTower};
pub use file::{PicturePromptFile, PicturePromptKind, is_picture_prompt};
pub use library::PicturePromptLibrary;
pub use network::{Embeddings, PicturePrompt};
pub use preprocess::clip_pixels;
pub use resampler::ResamplerShape;
pub use sites::{layer_weights, sites_in_file_order};
