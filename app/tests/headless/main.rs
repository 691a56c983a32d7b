//! Headless runs of the real binary.

mod bad_input;
#[cfg(unix)]
mod cancel;
mod place;
mod render;
mod replay;
