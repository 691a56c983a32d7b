//! What a prompt becomes: embeddings, subject spans, and how they change over the steps.

mod find;
mod words;

pub use words::split_words;

use std::ops::Range;

use tch::Tensor;

use crate::{EngineError, Result};

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
    /// The prompt, which byte ranges refer to.
    pub prompt: String,
    /// Per text encoder (one for SD 1.x and 2.x, two for SDXL), in the order they are concatenated.
    pub encoders: Vec<EncoderStates>,
    /// The pooled vector `[dim]`, for models that take one.
    pub pooled: Option<Tensor>,
    /// Token positions of every word of the prompt, in reading order.
    pub words: Vec<TokenSpan>,
    /// Extra tokens `[n, dim]` appended to the context (value tokens, image prompts).
    pub extra_tokens: Option<Tensor>,
}

impl Conditioning {
    /// The same conditioning, its tensors shared.
    #[must_use]
    pub fn shallow_clone(&self) -> Self {
        let share = |e: &EncoderStates| EncoderStates {
            tokens: e.tokens.shallow_clone(),
        };
        Self {
            prompt: self.prompt.clone(),
            encoders: self.encoders.iter().map(share).collect(),
            pooled: self.pooled.as_ref().map(Tensor::shallow_clone),
            words: self.words.clone(),
            extra_tokens: self.extra_tokens.as_ref().map(Tensor::shallow_clone),
        }
    }

    /// What cross-attention sees: `[tokens, dim]`, the encoders side by side along `dim` and the
    /// extra tokens after them.
    ///
    /// # Errors
    /// There is no encoder, or their shapes do not fit each other or the extra tokens.
    pub fn context(&self) -> Result<Tensor> {
        let tokens: Vec<&Tensor> = self.encoders.iter().map(|e| &e.tokens).collect();
        let context = match tokens.as_slice() {
            [] => {
                return Err(EngineError::request(
                    "conditioning",
                    "holds no text encoder's states",
                ));
            }
            [only] => only.shallow_clone(),
            several => Tensor::f_cat(several, -1)?,
        };
        match &self.extra_tokens {
            None => Ok(context),
            Some(extra) => Ok(Tensor::f_cat(&[&context, extra], 0)?),
        }
    }
}
