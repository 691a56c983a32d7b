//! Controls over attributes, and the files that they come in.

pub mod delta_file;
pub mod prompt_pairs;
pub mod slider_file;
pub mod slider_prompts;
pub mod tensor_kind;
mod yaml;
