//! From words to token ids, subject spans and embeddings.

mod chunks;
mod stage;
mod tokenizer;

pub use chunks::ChunkLayout;
pub use stage::TextStage;
pub use tokenizer::{Encoding, Tokenizer};
