//! From words to token ids, subject spans and embeddings.

mod added;
mod chunks;
mod stage;
mod tokenizer;
mod wildcards;

pub use added::find_words;
pub use chunks::ChunkLayout;
pub use stage::TextStage;
pub use tokenizer::{Encoding, Tokenizer};
pub use wildcards::Wildcards;
