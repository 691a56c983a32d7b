//! Headless runs of the real binary.

mod bad_input;
mod bench;
#[cfg(unix)]
mod cancel;
mod measure;
mod place;
mod render;
mod replay;
#[cfg(unix)]
mod train;
mod train_pictures;
