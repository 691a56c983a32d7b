//! The stage of a render that turns a prompt into its conditioning.

use tch::Tensor;

use super::emphasis::emphasize;
use super::{ChunkLayout, LaidOut, PromptSyntax, Tokenizer};
use crate::conditioning::{Conditioning, EncoderStates};
use crate::models::clip::{ClipTextModel, TextLayer};
use crate::recipe::TextOptions;
use crate::{EngineError, Result};

/// A tokenizer with the text encoder that it feeds.
#[derive(Debug)]
pub struct StageEncoder {
    tokenizer: Tokenizer,
    encoder: ClipTextModel,
    layer: TextLayer,
    layout: ChunkLayout,
}

/// The text encoders of a model, each with its tokenizer: one of Stable Diffusion 1.x and 2.x, two
/// of XL, which read the same words.
#[derive(Debug)]
pub struct TextStage {
    first: StageEncoder,
    others: Vec<StageEncoder>,
    options: TextOptions,
}

impl StageEncoder {
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

    /// Teaches words that stand for vectors of their own, each its name and `[n, width]` for this
    /// encoder; they take the place of those that were taught before.
    fn set_added(&mut self, words: &[(&str, &Tensor)]) -> Result<()> {
        let counts = words
            .iter()
            .map(|(name, vectors)| (*name, vectors.size()[0] as usize));
        let known = self.encoder.config().vocab_size;
        self.tokenizer.set_added(&counts.collect::<Vec<_>>(), known);
        let vectors: Vec<&Tensor> = words.iter().map(|(_, vectors)| *vectors).collect();
        self.encoder.set_added(if vectors.is_empty() {
            None
        } else {
            let vectors = Tensor::f_cat(&vectors, 0)?.f_to_device(self.encoder.device())?;
            Some(vectors.f_to_kind(self.encoder.kind())?)
        });
        Ok(())
    }

    /// `prompt` in this encoder's tokens and chunks, at least `min_chunks` of them.
    fn lay_out(&self, prompt: &str, syntax: PromptSyntax, min_chunks: usize) -> Result<LaidOut> {
        let read = self.tokenizer.read(prompt, syntax)?;
        Ok(self.layout.lay_out(&read, syntax, min_chunks))
    }

    /// States `[tokens, dim]` of all chunks, and the first chunk's pooled vector `[dim]` where the
    /// encoder has a projection.
    fn states(&self, text: &LaidOut, options: TextOptions) -> Result<(Tensor, Option<Tensor>)> {
        let mut ids = text.rows.concat();
        let weighted = text.is_weighted();
        if weighted {
            // What ComfyUI's weights count from.
            ids.extend(self.layout.empty_row());
        }
        let ids = Tensor::f_from_slice(&ids)?
            .f_view([-1, self.layout.length as i64])?
            .f_to_device(self.encoder.device())?;
        let output = self.encoder.forward(&ids)?;
        let layer = match options.clip_skip {
            Some(skip) => TextLayer {
                before_last: skip.saturating_sub(1) as usize,
                ..self.layer
            },
            None => self.layer,
        };
        let mut states = self.encoder.states(&output.hidden_states, layer)?;
        if weighted {
            states = emphasize(&states, &text.weights, options.prompt_syntax)?;
        }
        let pooled = match &output.projected {
            Some(projected) => Some(projected.f_select(0, 0)?),
            None => None,
        };
        Ok((states.f_flatten(0, 1)?, pooled))
    }
}

impl TextStage {
    /// A stage of `encoders`, in the order in which their states are put side by side.
    ///
    /// # Errors
    /// There is none, or they cut texts into chunks of different lengths.
    pub fn new(encoders: Vec<StageEncoder>) -> Result<Self> {
        let mut encoders = encoders.into_iter();
        let Some(first) = encoders.next() else {
            return Err(EngineError::request("model", "has no text encoder"));
        };
        let others: Vec<StageEncoder> = encoders.collect();
        let length = first.layout.length;
        if let Some(other) = others.iter().find(|other| other.layout.length != length) {
            return Err(EngineError::request(
                "model",
                format!(
                    "its text encoders read {length} and {} tokens at a time; one of them belongs \
                     to another model",
                    other.layout.length
                ),
            ));
        }
        Ok(Self {
            first,
            others,
            options: TextOptions::default(),
        })
    }

    /// The tokenizer, the first one's where there are several.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.first.tokenizer
    }

    /// The text encoder, the first one where there are several.
    pub fn encoder(&self) -> &ClipTextModel {
        &self.first.encoder
    }

    /// All text encoders, in the order in which their states are put side by side.
    pub fn encoders(&self) -> Vec<&ClipTextModel> {
        self.all().map(|stage| &stage.encoder).collect()
    }

    /// Teaches words that stand for vectors of their own, each its name and for every encoder
    /// `[n, width]`; they take the place of those that were taught before.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn set_added(&mut self, words: &[(String, Vec<Tensor>)]) -> Result<()> {
        let all = std::iter::once(&mut self.first).chain(&mut self.others);
        for (at, stage) in all.enumerate() {
            let own = words
                .iter()
                .filter_map(|(name, vectors)| Some((name.as_str(), vectors.get(at)?)));
            stage.set_added(&own.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Says how prompts are read from now on; plainly and with the model's own layer until then.
    /// Whether that is another way than before.
    pub fn read_as(&mut self, options: TextOptions) -> bool {
        std::mem::replace(&mut self.options, options) != options
    }

    /// Chunks that `prompt` needs, 1 or more.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`].
    pub fn chunks(&self, prompt: &str) -> Result<usize> {
        let mut most = 1;
        for stage in self.all() {
            let laid_out = stage.lay_out(prompt, self.options.prompt_syntax, 1)?;
            most = most.max(laid_out.rows.len());
        }
        Ok(most)
    }

    /// Position, among the first encoder's tokens, of the token that ends the first chunk's words.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`].
    pub fn end_position(&self, prompt: &str) -> Result<usize> {
        let laid_out = self.first.lay_out(prompt, self.options.prompt_syntax, 1)?;
        Ok(laid_out.first_end())
    }

    fn all(&self) -> impl Iterator<Item = &StageEncoder> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Encodes `prompt`, of any length, as `max(min_chunks, chunks(prompt))` chunks laid out as
    /// [`ChunkLayout::lay_out`] says; no gradient is kept. The pooled vector is the first chunk's,
    /// in the space shared with pictures, of the last encoder that has a projection.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`] and [`ClipTextModel::forward`]; or an encoder lacks the layer that
    /// was asked for.
    pub fn encode(&self, prompt: &str, min_chunks: usize) -> Result<Conditioning> {
        let _guard = tch::no_grad_guard();
        let syntax = self.options.prompt_syntax;
        let min_chunks = min_chunks.max(self.chunks(prompt)?);
        let read = self.first.tokenizer.read(prompt, syntax)?;
        let laid_out = self.first.layout.lay_out(&read, syntax, min_chunks);
        let (tokens, mut pooled) = self.first.states(&laid_out, self.options)?;
        let mut encoders = vec![EncoderStates { tokens }];
        for stage in &self.others {
            let laid_out = stage.lay_out(prompt, syntax, min_chunks)?;
            let (tokens, own) = stage.states(&laid_out, self.options)?;
            encoders.push(EncoderStates { tokens });
            pooled = own.or(pooled);
        }
        Ok(Conditioning {
            prompt: prompt.to_owned(),
            encoders,
            pooled,
            sizes: None,
            words: read.words(prompt, &laid_out),
            extra_tokens: None,
        })
    }

    /// The states `[tokens, dim]` that condition the picture, as [`TextStage::encode`] gives them,
    /// with gradients to whatever is trained in the encoders and to words that were taught.
    ///
    /// # Errors
    /// See [`TextStage::encode`].
    pub fn states_in_training(&self, prompt: &str, min_chunks: usize) -> Result<Tensor> {
        let min_chunks = min_chunks.max(self.chunks(prompt)?);
        let states = self.all().map(|stage| {
            let laid_out = stage.lay_out(prompt, self.options.prompt_syntax, min_chunks)?;
            Ok(stage.states(&laid_out, self.options)?.0)
        });
        Ok(Tensor::f_cat(&states.collect::<Result<Vec<_>>>()?, -1)?)
    }

    /// What the first encoder makes of the first chunk of `prompt` as a whole, `[dim]`: its last
    /// state at the end, normed and not projected; with gradients as
    /// [`TextStage::states_in_training`].
    ///
    /// # Errors
    /// See [`TextStage::encode`].
    pub fn end_state_in_training(&self, prompt: &str) -> Result<Tensor> {
        let stage = &self.first;
        let laid_out = stage.lay_out(prompt, self.options.prompt_syntax, 1)?;
        let row = laid_out.rows.first().map_or(&[][..], Vec::as_slice);
        let ids = Tensor::f_from_slice(row)?
            .f_unsqueeze(0)?
            .f_to_device(stage.encoder.device())?;
        Ok(stage.encoder.forward(&ids)?.pooled.f_select(0, 0)?)
    }

    /// Encodes a prompt and a negative prompt, with as many chunks as the longer one needs; by
    /// ComfyUI's rules each with its own.
    ///
    /// # Errors
    /// See [`TextStage::encode`].
    pub fn encode_pair(
        &self,
        prompt: &str,
        negative_prompt: &str,
    ) -> Result<(Conditioning, Conditioning)> {
        let chunks = match self.options.prompt_syntax {
            // It repeats both to one length, which attention cannot tell from their own.
            PromptSyntax::ComfyUi => 1,
            _ => self.chunks(prompt)?.max(self.chunks(negative_prompt)?),
        };
        Ok((
            self.encode(prompt, chunks)?,
            self.encode(negative_prompt, chunks)?,
        ))
    }
}
