//! A sentence as phrases with their senses.

use super::tokens::{MARKS, Token};
use super::vocabulary::{Sense, Vocabulary};

/// A phrase of the sentence.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// Its words in lower case.
    pub(super) text: String,
    /// What it may mean; empty for words that nobody knows.
    pub(super) senses: Vec<Sense>,
    /// What it counts.
    pub(super) number: Option<f64>,
}

impl Item {
    pub(super) fn is(&self, sense: &Sense) -> bool {
        self.senses.contains(sense)
    }

    /// Whether it does nothing but hold the others together.
    pub(super) fn is_filler(&self) -> bool {
        self.senses.as_slice() == [Sense::Filler]
    }

    /// Whether it ends a clause.
    pub(super) fn is_separator(&self) -> bool {
        self.is(&Sense::Separator)
    }

    /// Whether it names a subject by what it is.
    pub(super) fn names_a_subject(&self) -> bool {
        let mut senses = self.senses.iter();
        senses.any(|sense| matches!(sense, Sense::Kinds(_) | Sense::One))
    }

    pub(super) fn said(&self) -> bool {
        let mut senses = self.senses.iter();
        senses.any(|sense| matches!(sense, Sense::Said(..)))
    }
}

/// The phrases of `tokens`, the longest that are known.
pub(super) fn items(tokens: &[Token], vocabulary: &Vocabulary) -> Vec<Item> {
    let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let (count, senses, number) = if tokens[at].number.is_some() {
            (1, Vec::new(), tokens[at].number)
        } else if MARKS.contains(&words[at]) {
            (1, vec![Sense::Separator], None)
        } else if let Some((count, senses)) = vocabulary.longest_at(&words[at..]) {
            (count, senses.to_vec(), None)
        } else {
            (1, Vec::new(), None)
        };
        found.push(Item {
            text: words[at..at + count].join(" "),
            senses,
            number,
        });
        at += count;
    }
    found
}
