//! Concept Sliders (arXiv 2311.12092): low-rank branches of the U-Net that learn the difference
//! between two prompts.

mod layers;
mod trainer;

pub use layers::{SliderLayers, fresh_slider, with_parameters};
pub use trainer::{SliderOptions, SliderTrainer};
