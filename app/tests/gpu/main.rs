//! Each shader on a real device without a window, compared with its CPU twin.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

mod canvas;
mod frame;
mod histogram;
mod latents;
mod sheet;
mod speed;
mod stage;
mod trouble;
mod twin;
