//! The stage of a render that turns a prompt into its conditioning.

use tch::Tensor;

use super::{ChunkLayout, Tokenizer};
use crate::conditioning::{Conditioning, EncoderStates};
use crate::models::clip::{ClipTextModel, TextLayer};
use crate::{EngineError, Result};

/// A tokenizer with the text encoder that it feeds.
#[derive(Debug)]
pub struct TextStage {
    tokenizer: Tokenizer,
    encoder: ClipTextModel,
    layer: TextLayer,
    layout: ChunkLayout,
}

impl TextStage {
    /// Joins a tokenizer and an encoder; `layer` says which states condition the picture.
    ///
    /// # Errors
    /// The tokenizer gives ids that the encoder has no embedding for.
    pub fn new(tokenizer: Tokenizer, encoder: ClipTextModel, layer: TextLayer) -> Result<Self> {
        let config = encoder.config();
        if tokenizer.vocab_size() as i64 > config.vocab_size {
            return Err(EngineError::request(
                "model",
                format!(
                    "its tokenizer has {} tokens, but its text encoder only {}; one of the two \
                     folders belongs to another model",
                    tokenizer.vocab_size(),
                    config.vocab_size
                ),
            ));
        }
        let mut layout = tokenizer.layout();
        layout.length = layout.length.min(config.max_position_embeddings as usize);
        Ok(Self {
            tokenizer,
            encoder,
            layer,
            layout,
        })
    }

    /// Teaches words that stand for vectors of their own, each its name and `[n, width]` for the
    /// encoder; they take the place of those that were taught before.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn set_added(&mut self, words: &[(String, Tensor)]) -> Result<()> {
        let counts = words
            .iter()
            .map(|(name, v)| (name.as_str(), v.size()[0] as usize));
        let known = self.encoder.config().vocab_size;
        self.tokenizer.set_added(&counts.collect::<Vec<_>>(), known);
        let vectors: Vec<&Tensor> = words.iter().map(|(_, vectors)| vectors).collect();
        self.encoder.set_added(if vectors.is_empty() {
            None
        } else {
            let vectors = Tensor::f_cat(&vectors, 0)?.f_to_device(self.encoder.device())?;
            Some(vectors.f_to_kind(self.encoder.kind())?)
        });
        Ok(())
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The text encoder.
    pub fn encoder(&self) -> &ClipTextModel {
        &self.encoder
    }

    /// Chunks that `prompt` needs, 1 or more.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`].
    pub fn chunks(&self, prompt: &str) -> Result<usize> {
        let tokens = self.tokenizer.encode(prompt)?.ids.len();
        Ok(self.layout.chunks(tokens))
    }

    /// Encodes `prompt`, of any length, as `max(min_chunks, chunks(prompt))` chunks laid out as
    /// [`ChunkLayout`] says; no gradient is kept. The pooled vector is the first chunk's, in the
    /// space shared with pictures, where the encoder has a projection.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`] and [`ClipTextModel::forward`].
    pub fn encode(&self, prompt: &str, min_chunks: usize) -> Result<Conditioning> {
        let _guard = tch::no_grad_guard();
        let encoding = self.tokenizer.encode(prompt)?;
        let rows = self.layout.rows(&encoding.ids, min_chunks);
        let ids = Tensor::f_from_slice(&rows.concat())?
            .f_view([rows.len() as i64, self.layout.length as i64])?
            .f_to_device(self.encoder.device())?;
        let output = self.encoder.forward(&ids)?;
        let states = self.encoder.states(&output.hidden_states, self.layer)?;
        let pooled = match &output.projected {
            Some(projected) => Some(projected.f_select(0, 0)?),
            None => None,
        };
        Ok(Conditioning {
            prompt: prompt.to_owned(),
            encoders: vec![EncoderStates {
                tokens: states.f_flatten(0, 1)?,
            }],
            pooled,
            words: encoding.words(prompt, &self.layout),
            extra_tokens: None,
        })
    }

    /// Encodes a prompt and a negative prompt with the same number of chunks, as guidance needs.
    ///
    /// # Errors
    /// See [`TextStage::encode`].
    pub fn encode_pair(
        &self,
        prompt: &str,
        negative_prompt: &str,
    ) -> Result<(Conditioning, Conditioning)> {
        let chunks = self.chunks(prompt)?.max(self.chunks(negative_prompt)?);
        Ok((
            self.encode(prompt, chunks)?,
            self.encode(negative_prompt, chunks)?,
        ))
    }
}
