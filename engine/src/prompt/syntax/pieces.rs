//! What a prompt falls into.

use std::ops::Range;

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::prompt) enum Piece {
    /// Words of one weight, which the tokenizer reads together.
    Words(WeightedWords),
    /// What follows begins in the next chunk.
    Break,
}

/// Words of one weight.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::prompt) struct WeightedWords {
    /// How much the words count; 1 is as they stand.
    pub(in crate::prompt) weight: f64,
    text: String,
    /// For every byte of `text`, the byte of the prompt that it came from.
    origin: Vec<usize>,
}

impl Piece {
    /// All of `prompt` as it stands.
    pub(in crate::prompt) fn plain(prompt: &str) -> Self {
        let mut words = WeightedWords::new(1.0);
        words.push(prompt, 0..prompt.len());
        Self::Words(words)
    }
}

impl WeightedWords {
    /// No words yet.
    pub(super) fn new(weight: f64) -> Self {
        Self {
            weight,
            ..Self::default()
        }
    }

    /// The words without signs.
    pub(in crate::prompt) fn text(&self) -> &str {
        &self.text
    }

    /// Adds the bytes `range` of `prompt`.
    pub(super) fn push(&mut self, prompt: &str, range: Range<usize>) {
        self.text.push_str(&prompt[range.clone()]);
        self.origin.extend(range);
    }

    /// Adds the words of `other`.
    pub(super) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.origin.extend(other.origin);
    }

    /// Where the bytes `range` of the text came from in the prompt.
    pub(in crate::prompt) fn in_prompt(&self, range: &Range<usize>) -> Range<usize> {
        let at = |byte: usize| self.origin.get(byte).copied();
        let end = range.end.checked_sub(1).and_then(at);
        let end = end.map_or(0, |byte| byte + 1);
        at(range.start).map_or(end..end, |start| start..end.max(start))
    }
}
