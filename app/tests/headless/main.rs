//! Headless runs of the real binary.

mod bad_input;
mod batch;
mod bench;
#[cfg(unix)]
mod cancel;
mod controlnet;
mod edit;
mod editing;
#[cfg(unix)]
mod farm;
mod formats;
#[cfg(unix)]
mod kill;
mod larger;
mod measure;
mod measure_edits;
mod models;
mod personalization;
mod picture_prompts;
mod place;
mod project;
mod prompts;
mod pull;
mod render;
mod replay;
mod talk;
#[cfg(unix)]
mod train;
mod train_pictures;
