//! From words to token ids, subject spans and embeddings.

mod added;
mod chunks;
mod clip_vocabulary;
mod stage;
mod tokenizer;
mod wildcards;

pub use added::find_words;
pub use chunks::ChunkLayout;
pub use clip_vocabulary::{clip_merges, vocabulary_of};
pub use stage::{StageEncoder, TextStage};
pub use tokenizer::{Encoding, Tokenizer};
pub use wildcards::Wildcards;
