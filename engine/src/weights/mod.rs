//! Named tensors: where modules get their parameters from.
//!
//! A [`Params`] is a path into a [`ParamStore`], which is either backed by safetensors files
//! (memory-mapped, each tensor read once) or makes fresh parameters for training. A [`TensorFile`]
//! is a safetensors file or one of Python's `torch.save`, whichever an artist has; a [`RenamedFile`]
//! shows one by the names of our modules, whatever its own are.

mod file;
mod mapped;
mod names;
pub mod pickle;
mod renamed;
mod save;
mod store;
mod tensor_file;

pub use file::{SafetensorsFile, TensorEntry};
pub use names::{NamePair, NameTable, Take};
pub use renamed::{RenamedFile, TensorView};
pub use save::{TensorToSave, save, save_each};
pub(crate) use store::all_finite;
pub use store::{Init, LoadReport, ParamStore, Params};
pub use tensor_file::{TensorFile, TensorHeader};
