//! Personalization: a subject or a style is learnt from a few pictures, in whatever may be trained
//! for it beside the frozen model (`DreamBooth`, arXiv 2208.12242; LoRA, arXiv 2106.09685).

mod cost;
mod key_values;
mod layers;
mod lora;
mod parts;
mod trainer;
mod word;

#[cfg(test)]
mod tests;

pub use cost::TrainingCost;
pub(crate) use key_values::KeyValues;
pub use layers::LoraLayers;
pub(crate) use lora::Lora;
pub use lora::LoraOptions;
pub use parts::Learnt;
pub(crate) use parts::Parts;
pub(crate) use trainer::{PersonalTask, PersonalTrainer, Prior, Semantic};
pub(crate) use word::NewWord;
pub use word::WordOptions;
