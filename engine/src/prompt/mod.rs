//! From words to token ids, subject spans and embeddings.

mod added;
mod chunks;
mod clip_vocabulary;
mod emphasis;
mod read;
mod stage;
mod syntax;
mod tokenizer;
mod wildcards;

pub use added::find_words;
pub use chunks::{ChunkLayout, LaidOut};
pub use clip_vocabulary::{clip_merges, vocabulary_of};
pub use read::ReadPrompt;
pub use stage::{StageEncoder, TextStage};
pub use syntax::{LoraTag, PromptSyntax, lora_tags, tag_places, without_tags};
pub use tokenizer::{Encoding, Tokenizer};
pub use wildcards::Wildcards;
