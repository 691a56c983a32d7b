//! The window, driven as an artist drives it, with the embedded model.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

mod adapter_files;
mod adapters;
mod bench;
mod controlnets;
mod desk;
mod editing;
mod keyboard;
mod library;
mod looks;
mod measuring;
mod picture_prompts;
mod projects;
mod real_window;
mod sources;
mod talking;
mod training;
mod words;
