//! The file formats that controls come in.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

mod deltas;
mod hostile;
mod pickles;
mod prompts;
mod refused;
mod sliders;
mod torch_file;

use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(name)
}
