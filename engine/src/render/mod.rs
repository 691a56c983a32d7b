//! From a recipe to pictures.
//!
//! A [`Renderer`] holds one loaded model. [`Renderer::render`] compiles a recipe to a [`Plan`],
//! walks it from noise to latents and decodes them. Every picture is computed on its own, so it
//! never depends on the batch that it is part of.

mod adapters;
pub mod bench;
mod beside;
mod closed_loop;
mod coarse;
mod controlnets;
mod defaults;
mod denoise;
mod edit;
mod halves;
mod highres;
mod latent_rgb;
mod latents;
mod layout;
mod meter_push;
mod phases;
mod picture_prompts;
mod pixels;
mod plan;
mod regions;
mod renderer;
mod shelf;
mod snapshots;
mod source;
mod start;
mod steering;
mod watch;

pub use defaults::Defaults;
pub use edit::EditReport;
pub use latent_rgb::LatentRgb;
pub use latents::{Latents, save_latents};
pub use pixels::to_picture;
pub use plan::Plan;
pub use renderer::{Rendered, Renderer};
pub use watch::{LatentWatch, OnLatents};

/// Whether the work goes on after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// On to the next step.
    Continue,
    /// Stop here; the picture is dropped.
    Cancel,
}

/// What a renderer is about to do within one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepAhead {
    /// Model calls done so far; equal to `steps` before the decoder runs.
    pub done: usize,
    /// Model calls in all.
    pub steps: usize,
}

/// Asked before every model call and before decoding.
pub type OnStep<'a> = dyn FnMut(StepAhead) -> Flow + 'a;
