//! A prompt's tokens as its syntax has them.

use std::ops::Range;

use super::syntax::Piece;
use super::{Encoding, LaidOut, PromptSyntax, Tokenizer};
use crate::Result;
use crate::conditioning::{TokenSpan, split_words};

/// The tokens of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadPrompt {
    /// Token ids, and where each stands in the prompt.
    pub encoding: Encoding,
    /// How much every token counts; 1 is as it stands.
    pub weights: Vec<f64>,
    /// Runs of tokens that chunks keep together where they can, and the breaks between them.
    pub(super) units: Vec<Unit>,
}

/// What a chunk is filled with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    /// These tokens, all in one chunk.
    Tokens(Range<usize>),
    /// The rest of the chunk stays empty.
    Break,
}

impl Tokenizer {
    /// The tokens of `prompt`, read by the rules of `syntax`. A piece of the prompt between two
    /// signs is tokenized by itself.
    ///
    /// # Errors
    /// See [`Tokenizer::encode`].
    pub fn read(&self, prompt: &str, syntax: PromptSyntax) -> Result<ReadPrompt> {
        let mut read = ReadPrompt {
            encoding: Encoding {
                ids: Vec::new(),
                offsets: Vec::new(),
            },
            weights: Vec::new(),
            units: Vec::new(),
        };
        for piece in syntax.pieces(prompt) {
            let Piece::Words(words) = piece else {
                read.units.push(Unit::Break);
                continue;
            };
            let text = words.text();
            let own = self.encode(text)?;
            let before = read.weights.len();
            for (at, (&id, offset)) in own.ids.iter().zip(&own.offsets).enumerate() {
                let goes_on = at > 0 && {
                    let last = &own.offsets[at - 1];
                    self.keeps(syntax, text, (own.ids[at - 1], last), (id, offset))
                };
                let token = before + at;
                match read.units.last_mut() {
                    Some(Unit::Tokens(unit)) if goes_on => unit.end = token + 1,
                    _ => read.units.push(Unit::Tokens(token..token + 1)),
                }
                read.encoding.offsets.push(words.in_prompt(offset));
            }
            read.encoding.ids.extend(own.ids);
            read.weights.resize(read.encoding.ids.len(), words.weight);
        }
        Ok(read)
    }

    /// Whether a token stays in one chunk with the one before it: all vectors of an embedding do,
    /// and in ComfyUI all tokens of a word, which white space ends.
    fn keeps(
        &self,
        syntax: PromptSyntax,
        text: &str,
        (last_id, last): (i64, &Range<usize>),
        (id, offset): (i64, &Range<usize>),
    ) -> bool {
        let (last_added, added) = (self.is_added(last_id), self.is_added(id));
        if syntax == PromptSyntax::Plain || last_added != added {
            return false;
        }
        if added {
            return last == offset;
        }
        let between = text.get(last.end..offset.start).unwrap_or_default();
        syntax == PromptSyntax::ComfyUi && !between.contains(char::is_whitespace)
    }
}

impl ReadPrompt {
    /// The words of `prompt` (which this was read from) with their token positions in `laid_out`;
    /// signs and numbers that are no words are left out.
    pub fn words(&self, prompt: &str, laid_out: &LaidOut) -> Vec<TokenSpan> {
        let offsets = &self.encoding.offsets;
        let mut first = 0;
        let mut spans = Vec::new();
        for bytes in split_words(prompt) {
            while offsets.get(first).is_some_and(|t| t.end <= bytes.start) {
                first += 1;
            }
            let count = offsets[first..]
                .iter()
                .take_while(|t| t.start < bytes.end)
                .count();
            if count > 0 {
                spans.push(TokenSpan {
                    text: prompt[bytes.clone()].to_owned(),
                    bytes,
                    tokens: laid_out.span(&(first..first + count)),
                });
            }
        }
        spans
    }
}
