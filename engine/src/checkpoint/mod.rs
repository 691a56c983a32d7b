//! Models on disk: folders in the layout of Python diffusers, and single files.
//!
//! [`Checkpoint`] finds, opens, checks, hashes and describes either. A folder holds `model_index.json` and one folder per component (`tokenizer`, `text_encoder`,
//! `unet`, `vae`, `scheduler`), each with its configuration and, where it has any, its weights as
//! safetensors; a single file holds all weights under the names of the original code.

mod clip;
mod controlnet;
mod convert;
mod describe;
mod folder;
mod hash;
mod library;
mod load;
mod meter;
mod networks;
mod opened;
mod single_file;
#[cfg(feature = "test-models")]
pub mod tiny;
mod verify;
mod weights_files;

pub use clip::open_clip;
pub use controlnet::{ControlNetFile, ControlNetLibrary, FoundControlNet};
pub use convert::{Conversion, convert};
pub use describe::{ComponentDescription, ModelDescription};
pub use folder::ModelFolder;
pub use library::{FoundModel, ModelLibrary};
pub use load::{network_config, network_params};
pub use meter::{MeterOptions, open_meter};
pub use networks::Networks;
pub use opened::Checkpoint;
pub use single_file::SingleFile;
pub use verify::{check_weights, file_sha256};
