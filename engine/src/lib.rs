//! Vernier's diffusion engine: everything that touches a tensor.
//!
//! The modules form one way through, from the window's wish to the numbers, with no arrow back up:
//! [`service`] → [`personalization`], [`control_training`], [`control_exchange`] → [`render`], [`train`] → [`checkpoint`] → [`prompt`], [`measure`] → [`controls`], [`adapters`], [`picture_prompts`], [`models`] → [`layers`] →
//! [`weights`], [`sampling`] → [`conditioning`], [`device`].
//! [`recipe`], [`picture`] and [`project`] are plain data that name no tensor; everybody may read
//! them.

pub mod adapters;
pub mod atomic;
pub mod checkpoint;
pub mod conditioning;
pub mod control_exchange;
pub mod control_training;
pub mod controls;
pub mod device;
pub mod error;
pub mod layers;
pub mod measure;
pub mod models;
pub mod personalization;
pub mod picture;
pub mod picture_prompts;
pub mod places;
pub mod project;
pub mod prompt;
pub mod recipe;
pub mod render;
pub mod sampling;
pub mod service;
pub mod talk;
pub mod train;
pub mod upscale;
pub mod user_folders;
pub mod weights;

pub use error::{EngineError, Result};
