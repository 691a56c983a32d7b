//! The words of every changed thing, kept apart from those of the others.
//!
//! CLIP reads from left to right and pads with its end token, so that in a whole prompt's encoding
//! later words, and above all the end and padding positions, know of every thing. Two ways keep them
//! apart. Ours encodes for each thing the prompt in which nothing but it has changed: the words stand
//! where they stand in the picture's own prompt, and know no other new ones. The published one
//! (object-restricted embeddings, arXiv 2412.04715, ORE) encodes each thing's words by themselves and
//! copies them to where they stand in the whole prompt, so that the attention weights of the whole
//! prompt can be multiplied by the values of any one thing.

use std::ops::Range;

use tch::Tensor;

use super::alignment::{aligned, part_of_the_way};
use crate::conditioning::{Conditioning, EncoderStates, PictureSizes};
use crate::prompt::TextStage;
use crate::recipe::{Edit, EditedPrompt};
use crate::{EngineError, Result};

/// A prompt, the source's or that which results, and one thing of it at a time.
#[derive(Debug)]
pub(super) struct EditTexts {
    /// The whole prompt.
    pub(super) base: Conditioning,
    /// What is read where each changed thing is; none where the prompt is read everywhere.
    pub(super) things: Vec<Conditioning>,
    /// Where each change's words lie among the tokens of the whole prompt.
    pub(super) spans: Vec<Range<usize>>,
}

/// How words are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Apart {
    /// Not at all.
    Not,
    /// Each thing reads the prompt in which nothing but it has changed.
    InTheirPrompt,
    /// Each thing reads its own words, encoded alone.
    Alone,
}

impl EditTexts {
    /// Encodes `prompt`, which says what the source shows.
    ///
    /// # Errors
    /// It needs more than one chunk, or cannot be encoded.
    pub(super) fn of_source(text: &TextStage, edited: &EditedPrompt, prompt: &str) -> Result<Self> {
        let places = edited.places.iter().map(|place| &place.from);
        Self::whole(text, prompt, places)
    }

    /// Encodes what becomes of `prompt`, which `source` is the encoding of, by `edit`.
    ///
    /// # Errors
    /// As [`Self::of_source`].
    pub(super) fn of_target(
        text: &TextStage,
        (edit, prompt): (&Edit, &str),
        edited: &EditedPrompt,
        source: &Self,
        apart: Apart,
    ) -> Result<Self> {
        let places = edited.places.iter().map(|place| &place.to);
        let mut texts = Self::whole(text, &edited.text, places)?;
        if apart == Apart::Alone {
            return texts.alone(text, edit, edited);
        }
        let strengths = edited
            .places
            .iter()
            .map(|p| edit.changes[p.change].strength);
        let mean = strengths.sum::<f64>() / edited.places.len().max(1) as f64;
        if mean < 1.0 {
            let from = aligned(&source.spans, &texts.spans, texts.tokens());
            texts.base = part_of_the_way(source, texts.base, &from, mean)?;
        }
        if apart == Apart::InTheirPrompt {
            for (at, place) in edited.places.iter().enumerate() {
                let only = edit.with_change_alone(place.change).edited_prompt(prompt)?;
                let places = only.places.iter().map(|place| &place.to);
                let mut own = Self::whole(text, &only.text, places)?;
                let strength = edit.changes[place.change].strength;
                if strength < 1.0 {
                    let from = aligned(&source.spans[at..=at], &own.spans, own.tokens());
                    own.base = part_of_the_way(source, own.base, &from, strength)?;
                }
                texts.things.push(own.base);
            }
        }
        Ok(texts)
    }

    /// A whole prompt with the words at `places`.
    fn whole<'p>(
        text: &TextStage,
        prompt: &str,
        places: impl Iterator<Item = &'p Range<usize>>,
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
        let base = text.encode(prompt, 1)?;
        let spans = places.map(|bytes| tokens_of(&base, bytes));
        Ok(Self {
            spans: spans.collect::<Result<_>>()?,
            things: Vec::new(),
            base,
        })
    }

    /// Object-restricted embeddings.
    fn alone(mut self, text: &TextStage, edit: &Edit, edited: &EditedPrompt) -> Result<Self> {
        let end = text.end_position(&edited.text)?;
        let mut alone = Vec::with_capacity(edited.places.len());
        for (place, span) in edited.places.iter().zip(&self.spans) {
            let change = &edit.changes[place.change];
            let is_whole = (change.strength - 1.0).abs() < f64::EPSILON;
            let old = (!is_whole).then(|| Alone::encode(text, &change.from));
            let new = Alone::encode(text, &change.to)?;
            alone.push(new.towards(old.transpose()?, change.strength)?);
            alone[alone.len() - 1].copy_words(&mut self.base, span)?;
        }
        for (alone, span) in alone.iter().zip(&self.spans) {
            self.things.push(alone.as_part_of(&self.base, span, end)?);
        }
        Ok(self)
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
            end: text.end_position(phrase)?,
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
