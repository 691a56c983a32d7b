//! From words to token ids and subject spans.
