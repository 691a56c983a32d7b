//! Token directions (Continuous, Subject-Specific Attribute Control, arXiv 2403.17064): from
//! prompts that differ in one attribute to a vector for the subject's tokens.

mod clip_difference;
mod files;
mod learned;
mod pairs;

pub use clip_difference::{clip_difference, subject_states};
pub use files::{SliderPairs, read_pairs, read_slider_pairs};
pub use learned::{DirectionOptions, DirectionTrainer, LossSpace};
pub use pairs::{PairTemplates, PromptPair, SUBJECT_PLACE, Wording};
