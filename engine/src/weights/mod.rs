//! Named tensors: where modules get their parameters from.
//!
//! A [`Params`] is a path into a [`ParamStore`], which is either backed by safetensors files
//! (memory-mapped, each tensor read once) or makes fresh parameters for training.

mod file;
mod save;
mod store;

pub use file::{SafetensorsFile, TensorEntry};
pub use save::save;
pub use store::{Init, LoadReport, ParamStore, Params};
