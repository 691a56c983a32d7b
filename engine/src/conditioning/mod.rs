//! What a prompt becomes: embeddings, subject spans, and how they change over the steps.

use std::ops::Range;

use tch::Tensor;

/// Where one word or phrase of the prompt lies among the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSpan {
    /// The words, as they stand in the prompt.
    pub text: String,
    /// Byte range in the prompt.
    pub bytes: Range<usize>,
    /// Token positions in the embedding's token dimension (after BOS, chunks concatenated).
    pub tokens: Range<usize>,
}

/// One text encoder's output for one prompt.
#[derive(Debug)]
pub struct EncoderStates {
    /// `[tokens, dim]`, as it goes to cross-attention.
    pub tokens: Tensor,
}

/// One prompt, encoded.
#[derive(Debug)]
pub struct Conditioning {
    /// Per text encoder (one for SD 1.x and 2.x, two for SDXL), in the order they are concatenated.
    pub encoders: Vec<EncoderStates>,
    /// The pooled vector `[dim]`, for models that take one.
    pub pooled: Option<Tensor>,
    /// Token positions of every word of the prompt, in reading order.
    pub words: Vec<TokenSpan>,
    /// Extra tokens `[n, dim]` appended to the context (value tokens, image prompts).
    pub extra_tokens: Option<Tensor>,
}

/// Conditionings and the fraction of the steps, 0..1, from which each holds; the first from 0.
#[derive(Debug)]
pub struct ConditioningSchedule {
    /// `(start fraction, conditioning)`, ascending.
    pub phases: Vec<(f64, Conditioning)>,
}
