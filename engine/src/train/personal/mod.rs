//! Personalization: a subject or a style is learnt from a few pictures, in whatever may be trained
//! for it beside the frozen model (`DreamBooth`, arXiv 2208.12242; LoRA, arXiv 2106.09685).

mod cost;
mod layers;
mod lora;
mod trainer;

#[cfg(test)]
mod tests;

pub use cost::TrainingCost;
pub use layers::LoraLayers;
pub(crate) use lora::Lora;
pub use lora::LoraOptions;
pub(crate) use trainer::{PersonalTask, PersonalTrainer, Prior};
