//! The signs of AUTOMATIC1111's web UI, by the rules of its version 1.10.
//!
//! `(a)` counts 1.1 times, `[a]` 1/1.1 times, `(a:1.3)` 1.3 times, each times what is around it; a
//! backslash takes a bracket at its word; `BREAK` begins the next chunk. Every text can be read: a
//! sign that closes nothing is a word like any other, and brackets that are still open at the end
//! close there.
//!
//! In one thing the web UI is not followed: there, `BREAK` within brackets is read as the word.

use std::ops::Range;

use super::pieces::{Piece, WeightedWords};

/// What one pair of round brackets multiplies by; one of square brackets divides by it.
const BRACKETS: f64 = 1.1;

/// What begins the next chunk.
const BREAK: &str = "BREAK";

pub(super) fn pieces(prompt: &str) -> Vec<Piece> {
    let mut reader = Reader {
        prompt,
        pieces: Vec::new(),
        round: Vec::new(),
        square: Vec::new(),
    };
    let mut at = 0;
    while at < prompt.len() {
        at += reader.read(at);
    }
    for start in std::mem::take(&mut reader.round) {
        reader.multiply(start, BRACKETS);
    }
    for start in std::mem::take(&mut reader.square) {
        reader.multiply(start, 1.0 / BRACKETS);
    }
    merged(reader.pieces)
}

/// What was read, and which brackets are open, each by the piece that comes next behind it.
struct Reader<'a> {
    prompt: &'a str,
    pieces: Vec<Piece>,
    round: Vec<usize>,
    square: Vec<usize>,
}

impl Reader<'_> {
    /// Reads the next sign or run of words and gives its length in bytes.
    fn read(&mut self, at: usize) -> usize {
        let rest = &self.prompt[at..];
        match rest.as_bytes() {
            [b'\\', b'(' | b')' | b'[' | b']' | b'\\', ..] => {
                self.push(at + 1..at + 2);
                return 2;
            }
            // By itself it vanishes.
            [b'\\', ..] => {}
            [b'(', ..] => self.round.push(self.pieces.len()),
            [b'[', ..] => self.square.push(self.pieces.len()),
            [b')', ..] if !self.round.is_empty() => self.close_round(BRACKETS),
            [b']', ..] if !self.square.is_empty() => {
                let start = self.square.pop().unwrap_or_default();
                self.multiply(start, 1.0 / BRACKETS);
            }
            [b':', ..] => match closing_weight(rest) {
                Some((weight, length)) if !self.round.is_empty() => {
                    self.close_round(weight);
                    return length;
                }
                Some((_, length)) => {
                    self.push(at..at + length);
                    return length;
                }
                None => self.push(at..at + 1),
            },
            _ => return self.words(at),
        }
        1
    }

    /// A run of words up to the next sign, or one sign that means nothing here.
    fn words(&mut self, at: usize) -> usize {
        let rest = &self.prompt[at..];
        let length = match rest.find(['\\', '(', ')', '[', ']', ':']) {
            Some(length) => length.max(1),
            None => rest.len(),
        };
        let run = &rest[..length];
        let mut begin = 0;
        for found in breaks(run) {
            self.push(at + begin..at + found.start);
            self.pieces.push(Piece::Break);
            begin = found.end;
        }
        self.push(at + begin..at + length);
        length
    }

    fn push(&mut self, range: Range<usize>) {
        if !range.is_empty() {
            let mut words = WeightedWords::new(1.0);
            words.push(self.prompt, range);
            self.pieces.push(Piece::Words(words));
        }
    }

    fn close_round(&mut self, factor: f64) {
        let start = self.round.pop().unwrap_or_default();
        self.multiply(start, factor);
    }

    fn multiply(&mut self, start: usize, factor: f64) {
        for piece in &mut self.pieces[start..] {
            if let Piece::Words(words) = piece {
                words.weight *= factor;
            }
        }
    }
}

/// `:1.3)` at the start of `text`: the number, and its length in bytes.
fn closing_weight(text: &str) -> Option<(f64, usize)> {
    let inner = text.strip_prefix(':')?;
    let (number, _) = inner.split_once(')')?;
    let trimmed = number.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c == '.' || c.is_ascii_digit());
    let weight = is_number.then(|| trimmed.parse().ok())??;
    Some((weight, number.len() + 2))
}

/// Where `BREAK` stands as a word of its own, with the white space around it.
fn breaks(text: &str) -> Vec<Range<usize>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut found: Vec<Range<usize>> = Vec::new();
    for (start, _) in text.match_indices(BREAK) {
        let end = start + BREAK.len();
        let before = text[..start].chars().next_back();
        let after = text[end..].chars().next();
        if before.is_some_and(is_word) || after.is_some_and(is_word) {
            continue;
        }
        let taken = found.last().map_or(0, |last| last.end);
        let from = taken.max(text[..start].trim_end().len());
        found.push(from..text.len() - text[end..].trim_start().len());
    }
    found
}

/// Neighbours of one weight as one piece: the tokenizer reads them together.
fn merged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (merged.last_mut(), piece) {
            (Some(Piece::Words(last)), Piece::Words(next))
                if last.weight.to_bits() == next.weight.to_bits() =>
            {
                last.append(next);
            }
            (_, piece) => merged.push(piece),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaks_stand_alone_and_take_the_space_around_them() {
        let read = |prompt| -> Vec<(String, f64)> {
            let pieces = pieces(prompt).into_iter();
            pieces
                .map(|piece| match piece {
                    Piece::Words(words) => (words.text().to_owned(), words.weight),
                    Piece::Break => ("|".to_owned(), 0.0),
                })
                .collect()
        };
        let texts = |prompt| -> String { read(prompt).into_iter().map(|r| r.0).collect() };
        assert_eq!(texts("a cat BREAK\na dog"), "a cat|a dog");
        assert_eq!(texts("BREAK a BREAK BREAK"), "|a||");
        assert_eq!(texts("BREAKFAST, NO_BREAK"), "BREAKFAST, NO_BREAK");
        assert_eq!(read("(a BREAK b:1.2)")[2], ("b".to_owned(), 1.2));
    }

    #[test]
    fn words_know_their_place() {
        let prompt = "a \\(red\\) (cat:1.2)";
        let all = pieces(prompt);
        let [Piece::Words(first), Piece::Words(second)] = all.as_slice() else {
            panic!("{all:?}");
        };
        assert_eq!((first.text(), second.text()), ("a (red) ", "cat"));
        assert_eq!(first.in_prompt(&(3..6)), 4..7);
        assert_eq!(second.in_prompt(&(0..3)), 11..14);
    }
}
