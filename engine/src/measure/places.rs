//! Which subject of a prompt stands where.

use super::{Place, PlacedSubject};
use crate::conditioning::split_words;

/// The subjects of `prompt` whose nouns are among `nouns`, in reading order; at most two, for more
/// have no agreed places.
///
/// The first stands on the left, unless the prompt says "right of" between the two or puts the
/// first "on the right".
pub(super) fn placed_subjects(prompt: &str, nouns: &[String]) -> Vec<PlacedSubject> {
    let words: Vec<_> = split_words(prompt)
        .into_iter()
        .map(|bytes| (prompt[bytes.clone()].to_lowercase(), bytes))
        .collect();
    let found: Vec<usize> = (0..words.len())
        .filter(|&i| nouns.contains(&words[i].0))
        .take(2)
        .collect();
    let count = found.len();
    let first_on_the_right = count == 2 && {
        let between = words[found[0] + 1..found[1]]
            .iter()
            .map(|(w, _)| w.as_str());
        let between: Vec<&str> = between.collect();
        between.windows(2).any(|w| w == ["right", "of"])
            || between.windows(3).any(|w| w == ["on", "the", "right"])
    };
    found
        .into_iter()
        .enumerate()
        .map(|(order, at)| {
            let (noun, bytes) = words[at].clone();
            let index = if first_on_the_right { 1 - order } else { order };
            PlacedSubject {
                noun,
                bytes,
                place: Place { index, count },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::placed_subjects;

    fn places(prompt: &str) -> Vec<(String, usize)> {
        let nouns = ["man", "woman", "cat"].map(str::to_owned);
        let placed = placed_subjects(prompt, &nouns);
        placed
            .into_iter()
            .map(|s| (s.noun, s.place.index))
            .collect()
    }

    #[test]
    fn subjects_stand_in_reading_order_unless_the_prompt_says_otherwise() {
        let pair = |a: &str, b: &str| vec![(a.to_owned(), 0), (b.to_owned(), 1)];
        assert_eq!(places("an old man next to a Woman"), pair("man", "woman"));
        assert_eq!(places("a man to the left of a cat"), pair("man", "cat"));
        let swapped = |a: &str, b: &str| vec![(a.to_owned(), 1), (b.to_owned(), 0)];
        assert_eq!(places("a man to the right of a cat"), swapped("man", "cat"));
        assert_eq!(
            places("a cat on the right and a man on the left"),
            swapped("cat", "man")
        );
        assert_eq!(places("a cat on a beach"), vec![("cat".to_owned(), 0)]);
        assert!(places("a human with a catalogue").is_empty());
    }
}
