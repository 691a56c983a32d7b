//! Which words of a prompt are which words of the one that it becomes.

use std::ops::Range;

use tch::Tensor;

use super::words::EditTexts;
use crate::Result;
use crate::conditioning::Conditioning;

/// For each of `tokens` tokens of the new prompt its token of the old one. Between the spans both
/// run along together; a changed span is matched from its end, for there the nouns stand; what is
/// new before them has none.
pub(super) fn aligned(
    old: &[Range<usize>],
    new: &[Range<usize>],
    tokens: usize,
) -> Vec<Option<usize>> {
    let mut pairs: Vec<_> = old.iter().zip(new).collect();
    pairs.sort_by_key(|(_, new)| new.start);
    let mut from = Vec::with_capacity(tokens);
    let mut at = 0;
    for (old, new) in pairs {
        while from.len() < new.start {
            from.push(Some(at));
            at += 1;
        }
        for token in new.clone() {
            let before_end = new.end - token;
            let own = old.end.checked_sub(before_end);
            from.push(own.filter(|own| *own >= old.start));
        }
        at = old.end;
    }
    while from.len() < tokens {
        from.push(Some(at.min(tokens - 1)));
        at += 1;
    }
    from
}

/// `strength`, 0..=1, of the way from `old` to `new`, token by token as they are `aligned`; a new
/// word without an old one starts at the word behind it.
///
/// # Errors
/// A tensor operation failed.
pub(super) fn part_of_the_way(
    old: &EditTexts,
    mut new: Conditioning,
    from: &[Option<usize>],
    strength: f64,
) -> Result<Conditioning> {
    let mut positions = Vec::with_capacity(from.len());
    let mut behind = from.len().saturating_sub(1);
    for at in from.iter().rev() {
        behind = at.unwrap_or(behind);
        positions.push(behind as i64);
    }
    positions.reverse();
    let positions = Tensor::f_from_slice(&positions)?;
    for (new, old) in new.encoders.iter_mut().zip(&old.base.encoders) {
        let positions = positions.f_to_device(new.tokens.device())?;
        let old = old.tokens.f_index_select(0, &positions)?;
        new.tokens = old.f_lerp(&new.tokens, strength)?;
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_words_are_matched_from_their_end() {
        // "<s> a red cup and a cat </s> …" to "<s> a green wooden cup and a dog </s> …"
        let from = aligned(&[2..4, 6..7], &[2..5, 7..8], 11);
        let some = |at: &[usize]| at.iter().map(|&at| Some(at)).collect::<Vec<_>>();
        assert_eq!(from[..2], some(&[0, 1]));
        assert_eq!(from[2..5], [None, Some(2), Some(3)]);
        assert_eq!(from[5..], some(&[4, 5, 6, 7, 8, 9]));
        // Shorter words, in another order.
        let from = aligned(&[6..7, 2..4], &[5..6, 2..3], 9);
        assert_eq!(from, some(&[0, 1, 3, 4, 5, 6, 7, 8, 8]));
    }
}
