//! What a prompt becomes: embeddings, subject spans, and how they change over the steps.

mod find;
mod words;

pub use words::{find_phrase, split_words};

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

/// The sizes that Stable Diffusion XL is told beside the text (arXiv 2307.01952), each as height
/// and width, or top and left, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureSizes {
    /// Of the picture before it was cut for training.
    pub original_px: [u32; 2],
    /// Top left corner of the cut.
    pub crop_px: [u32; 2],
    /// Of the picture to be made.
    pub target_px: [u32; 2],
}

impl PictureSizes {
    /// An uncut picture of its own size, which is what Python diffusers asks for by default.
    pub fn whole(height_px: u32, width_px: u32) -> Self {
        Self {
            original_px: [height_px, width_px],
            crop_px: [0, 0],
            target_px: [height_px, width_px],
        }
    }

    /// All six numbers in the order of the model's `time_ids`.
    pub fn time_ids(self) -> [f32; 6] {
        let [a, b] = self.original_px;
        let [c, d] = self.crop_px;
        let [e, f] = self.target_px;
        [a, b, c, d, e, f].map(|pixels| pixels as f32)
    }
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
    /// Sizes, for models that are told them.
    pub sizes: Option<PictureSizes>,
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
            sizes: self.sizes,
            words: self.words.clone(),
            extra_tokens: self.extra_tokens.as_ref().map(Tensor::shallow_clone),
        }
    }

    /// The same with zeros for the text and its pooled vector: what XL was trained to take for no
    /// text at all.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn zeroed(&self) -> Result<Self> {
        let mut zeroed = self.shallow_clone();
        for encoder in &mut zeroed.encoders {
            encoder.tokens = encoder.tokens.f_zeros_like()?;
        }
        zeroed.pooled = match &self.pooled {
            Some(pooled) => Some(pooled.f_zeros_like()?),
            None => None,
        };
        Ok(zeroed)
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
