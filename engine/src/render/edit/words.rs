//! Object-restricted embeddings: the words of every changed thing, encoded alone (arXiv 2412.04715,
//! ORE), for the target, and other than in the paper for the source too.
//!
//! CLIP reads from left to right and pads with its end token, so that in a whole prompt's encoding
//! later words, and above all the end and padding positions, know of every thing. Here each thing's
//! words are encoded by themselves and copied to where they stand in the whole prompt, so that the
//! attention weights of the whole prompt can be multiplied by the values of any one thing.

use std::ops::Range;

use tch::Tensor;

use crate::conditioning::{Conditioning, EncoderStates, PictureSizes};
use crate::prompt::TextStage;
use crate::recipe::{Edit, EditedPrompt};
use crate::{EngineError, Result};

/// A prompt, the source's or that which results, and one thing of it at a time.
#[derive(Debug)]
pub(super) struct EditTexts {
    /// The prompt, with every thing's own words in their places.
    pub(super) base: Conditioning,
    /// For each change: begin and end of the text, and nothing between but the thing's own words.
    pub(super) things: Vec<Conditioning>,
    /// Where each change's words lie among the tokens of all of them.
    pub(super) spans: Vec<Range<usize>>,
}

impl EditTexts {
    /// Encodes `prompt`, which says what the source shows. Where they are `restricted`, the words of
    /// the things that change are encoded alone, just as the new ones are: what that does to a
    /// picture is then no part of the difference between the two.
    ///
    /// # Errors
    /// The prompt needs more than one chunk, or a text cannot be encoded.
    pub(super) fn of_source(
        text: &TextStage,
        edited: &EditedPrompt,
        prompt: &str,
        restricted: bool,
    ) -> Result<Self> {
        let mut phrases = Vec::with_capacity(edited.places.len());
        for place in &edited.places {
            let old = &prompt[place.from.clone()];
            phrases.push((Alone::encode(text, old)?, &place.from));
        }
        Self::encode(text, prompt, phrases, restricted)
    }

    /// Encodes what `edited`, which is `edit` made on its prompt, says.
    ///
    /// # Errors
    /// As [`Self::of_source`].
    pub(super) fn of_target(
        text: &TextStage,
        edit: &Edit,
        edited: &EditedPrompt,
        restricted: bool,
    ) -> Result<Self> {
        let mut phrases = Vec::with_capacity(edited.places.len());
        for place in &edited.places {
            let change = &edit.changes[place.change];
            let is_whole = (change.strength - 1.0).abs() < f64::EPSILON;
            let old = (!is_whole).then(|| Alone::encode(text, &change.from));
            let new = Alone::encode(text, &change.to)?;
            phrases.push((new.towards(old.transpose()?, change.strength)?, &place.to));
        }
        Self::encode(text, &edited.text, phrases, restricted)
    }

    fn encode(
        text: &TextStage,
        prompt: &str,
        phrases: Vec<(Alone, &Range<usize>)>,
        restricted: bool,
    ) -> Result<Self> {
        if text.chunks(prompt)? > 1 {
            return Err(EngineError::request(
                "prompt",
                format!(
                    "\"{prompt}\" is too long for an edit; say only what the picture shows, in one \
                     chunk of tokens"
                ),
            ));
        }
        let mut base = text.encode(prompt, 1)?;
        let mut spans = Vec::with_capacity(phrases.len());
        let mut alone = Vec::with_capacity(phrases.len());
        for (phrase, bytes) in phrases {
            let span = tokens_of(&base, bytes)?;
            spans.push(span.clone());
            alone.push((phrase, span));
        }
        if !restricted {
            // Everything reads the prompt as it is encoded, wherever it looks.
            let things = spans.iter().map(|_| base.shallow_clone()).collect();
            return Ok(Self {
                base,
                things,
                spans,
            });
        }
        let end = end_position(text, prompt)?;
        let mut things = Vec::with_capacity(alone.len());
        for (alone, span) in &alone {
            alone.copy_words(&mut base, span)?;
        }
        for (alone, span) in &alone {
            things.push(alone.as_part_of(&base, span, end)?);
        }
        Ok(Self {
            base,
            things,
            spans,
        })
    }

    /// Tokens of the prompt, begin, end and padding among them.
    pub(super) fn tokens(&self) -> usize {
        let first = self.base.encoders.first();
        first.map_or(0, |states| states.tokens.size()[0] as usize)
    }

    /// Says of which sizes the picture is, to models that are told.
    pub(super) fn set_sizes(&mut self, sizes: Option<PictureSizes>) {
        for text in self.things.iter_mut().chain([&mut self.base]) {
            text.sizes = sizes;
        }
    }
}

/// A phrase, encoded by itself.
struct Alone {
    conditioning: Conditioning,
    /// Its words among the tokens.
    words: Range<usize>,
    /// Where the text ends.
    end: usize,
}

impl Alone {
    fn encode(text: &TextStage, phrase: &str) -> Result<Self> {
        let conditioning = text.encode(phrase, 1)?;
        Ok(Self {
            words: tokens_of(&conditioning, &(0..phrase.len()))?,
            end: end_position(text, phrase)?,
            conditioning,
        })
    }

    /// `strength` of the way from `old` to this phrase; the words of both end at the noun, so they
    /// are matched from their ends.
    fn towards(mut self, old: Option<Self>, strength: f64) -> Result<Self> {
        let Some(old) = old else {
            return Ok(self);
        };
        let last = |span: &Range<usize>| span.end.saturating_sub(1);
        let positions: Vec<i64> = (0..)
            .take(self.tokens())
            .map(|at: usize| {
                let from = if at == 0 {
                    0
                } else if at < self.words.end {
                    (at + old.words.end)
                        .saturating_sub(self.words.end)
                        .clamp(old.words.start, last(&old.words))
                } else {
                    (at + old.end)
                        .saturating_sub(self.end)
                        .min(self.tokens() - 1)
                };
                from as i64
            })
            .collect();
        let positions = Tensor::f_from_slice(&positions)?;
        let encoders = self.conditioning.encoders.iter_mut();
        for (new, old) in encoders.zip(&old.conditioning.encoders) {
            let positions = positions.f_to_device(new.tokens.device())?;
            let old = old.tokens.f_index_select(0, &positions)?;
            new.tokens = old.f_lerp(&new.tokens, strength)?;
        }
        Ok(self)
    }

    fn tokens(&self) -> usize {
        let first = self.conditioning.encoders.first();
        first.map_or(0, |states| states.tokens.size()[0] as usize)
    }

    /// Puts its words where `span` of `whole` is.
    fn copy_words(&self, whole: &mut Conditioning, span: &Range<usize>) -> Result<()> {
        self.check(whole, span)?;
        let parts = whole.encoders.iter_mut();
        for (whole, own) in parts.zip(&self.conditioning.encoders) {
            let after = whole.tokens.size()[0] - span.end as i64;
            whole.tokens = Tensor::f_cat(
                &[
                    whole.tokens.f_narrow(0, 0, span.start as i64)?,
                    rows(&own.tokens, &self.words)?,
                    whole.tokens.f_narrow(0, span.end as i64, after)?,
                ],
                0,
            )?;
        }
        Ok(())
    }

    /// Begin of `whole`, nothing but these words at `span`, and from `end` on the end of this
    /// phrase.
    fn as_part_of(
        &self,
        whole: &Conditioning,
        span: &Range<usize>,
        end: usize,
    ) -> Result<Conditioning> {
        self.check(whole, span)?;
        let mut part = whole.shallow_clone();
        let parts = part.encoders.iter_mut();
        for (states, own) in parts.zip(&self.conditioning.encoders) {
            let tokens = &states.tokens;
            let tail = tokens.size()[0] as usize - end;
            let nothing = |count: usize| -> Result<Tensor> {
                Ok(tokens.f_narrow(0, 0, count as i64)?.f_zeros_like()?)
            };
            *states = EncoderStates {
                tokens: Tensor::f_cat(
                    &[
                        tokens.f_narrow(0, 0, 1)?,
                        nothing(span.start - 1)?,
                        rows(&own.tokens, &self.words)?,
                        nothing(end - span.end)?,
                        rows(&own.tokens, &(self.end..self.end + tail))?,
                    ],
                    0,
                )?,
            };
        }
        Ok(part)
    }

    /// That the words take as many tokens alone as in the whole prompt.
    fn check(&self, whole: &Conditioning, span: &Range<usize>) -> Result<()> {
        if span.len() == self.words.len() && self.end <= self.tokens() {
            return Ok(());
        }
        Err(EngineError::request(
            format!("edit \"{}\"", self.conditioning.prompt),
            format!(
                "reads differently alone than in \"{}\"; say it in other words",
                whole.prompt
            ),
        ))
    }
}

fn rows(tokens: &Tensor, range: &Range<usize>) -> Result<Tensor> {
    Ok(tokens.f_narrow(0, range.start as i64, range.len() as i64)?)
}

/// The tokens of the words that lie within `bytes` of the prompt.
fn tokens_of(conditioning: &Conditioning, bytes: &Range<usize>) -> Result<Range<usize>> {
    let within = |word: &&crate::conditioning::TokenSpan| {
        bytes.start <= word.bytes.start && word.bytes.end <= bytes.end
    };
    let mut words = conditioning.words.iter().filter(within);
    let no_words = || {
        EngineError::request(
            "edit",
            format!(
                "the model has no token for a change of \"{}\"",
                conditioning.prompt
            ),
        )
    };
    let first = words.next().ok_or_else(no_words)?;
    let last = words.next_back().unwrap_or(first);
    Ok(first.tokens.start..last.tokens.end)
}

/// Where the end token of a text of one chunk stands.
fn end_position(text: &TextStage, prompt: &str) -> Result<usize> {
    Ok(text.tokenizer().encode(prompt)?.ids.len() + 1)
}
