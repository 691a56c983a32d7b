//! Adapters that other programs made: LoRA and its relatives, and textual-inversion embeddings.
//!
//! An [`AdapterFile`] sorts a file's tensors by layer, whoever wrote it; [`Adapter::read`] puts
//! them together for one model, and [`Changes`] are what adapters make of its layers. Our own
//! controls are in [`controls`](crate::controls).

mod apply;
mod convert;
mod delta;
mod depth;
mod embedding;
mod extract;
mod factor;
mod family;
mod file;
mod found;
mod in_projects;
mod keys;
mod library;
mod merge;
mod modules;
mod peft_config;
mod read;
mod summary;
mod write;

pub use apply::Changes;
pub use convert::{LoraFormat, convert};
pub use delta::{Delta, Magnitude, Product};
pub use embedding::Embedding;
pub use extract::extract;
pub use factor::{Factors, low_rank_of};
pub use family::Family;
pub use file::{AdapterFile, LayerKeys};
pub(crate) use file::{file_hash, file_in};
pub use found::{AdapterKind, FoundAdapter};
pub use in_projects::{files_to_keep, unpack_files};
pub use keys::{Component, Part};
pub use library::{AdapterLibrary, is_called_like_one};
pub(crate) use library::{files_by_name, missing};
pub use merge::{MergeOptions, MergeRule, Merged, merge};
pub use modules::{Module, Modules};
pub use read::{Adapter, LayerDelta, NormDelta};
pub use summary::Summary;
pub use write::{LoraLayer, bundled_name, full_difference, save_lora, save_lora_with};
