//! The signs of ComfyUI: round brackets alone.
//!
//! `(a)` counts 1.1 times what is around it, `(a:1.3)` counts 1.3, whatever is around it; `\(` and
//! `\)` are brackets at their word. A bracket that is never closed is a word.

use std::ops::Range;

use super::pieces::{Piece, WeightedWords};

/// What one pair of brackets multiplies by.
const BRACKETS: f64 = 1.1;

pub(super) fn pieces(prompt: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    split(prompt, 0..prompt.len(), 1.0, &mut pieces);
    pieces.into_iter().map(Piece::Words).collect()
}

/// Adds the words of the bytes `range` of `prompt`, which count `weight` but where brackets say
/// otherwise.
fn split(prompt: &str, range: Range<usize>, weight: f64, to: &mut Vec<WeightedWords>) {
    for item in items(prompt, range) {
        let bytes = prompt.as_bytes();
        let is_bracketed = item.len() >= 2
            && bytes[item.start] == b'('
            && bytes[item.end - 1] == b')'
            && !is_escaped(bytes, item.start, item.end - 1);
        if !is_bracketed {
            push(prompt, item, weight, to);
            continue;
        }
        let inner = item.start + 1..item.end - 1;
        let text = &prompt[inner.clone()];
        let colon = text.rfind(':').filter(|&at| at > 0);
        let said = colon.and_then(|at| Some((at, python_float(&text[at + 1..])?)));
        match said {
            Some((at, own)) => split(prompt, inner.start..inner.start + at, own, to),
            None => split(prompt, inner, weight * BRACKETS, to),
        }
    }
}

/// `range` in outermost brackets and what is between them. As in ComfyUI, one bracket that closes
/// too much makes the next one to close end an item, wherever it opened.
fn items(prompt: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let bytes = prompt.as_bytes();
    let mut found = Vec::new();
    let (mut start, mut depth) = (range.start, 0_i64);
    for at in range.clone() {
        match bytes[at] {
            b'(' if !is_escaped(bytes, range.start, at) => {
                if depth == 0 && start < at {
                    found.push(start..at);
                    start = at;
                }
                depth += 1;
            }
            b')' if !is_escaped(bytes, range.start, at) => {
                depth -= 1;
                if depth == 0 {
                    found.push(start..at + 1);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    if start < range.end {
        found.push(start..range.end);
    }
    found
}

/// Whether the byte before `at`, not before `first`, is a backslash.
fn is_escaped(bytes: &[u8], first: usize, at: usize) -> bool {
    at > first && bytes[at - 1] == b'\\'
}

/// Adds words without the backslashes before brackets.
fn push(prompt: &str, range: Range<usize>, weight: f64, to: &mut Vec<WeightedWords>) {
    let mut words = WeightedWords::new(weight);
    let mut begin = range.start;
    let bytes = prompt.as_bytes();
    for at in range.clone() {
        if matches!(bytes[at], b'(' | b')') && is_escaped(bytes, begin, at) {
            words.push(prompt, begin..at - 1);
            begin = at;
        }
    }
    words.push(prompt, begin..range.end);
    to.push(words);
}

/// A number as Python's `float` reads it, but for infinities and underscores.
fn python_float(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}
