//! Words that stand for vectors of their own (textual inversion, arXiv 2208.01618).

use std::ops::Range;

/// What ComfyUI's users write before an embedding's name.
const PREFIX: &str = "embedding:";

/// One word with its token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AddedWord {
    pub(super) name: String,
    /// Its token ids, behind those of the vocabulary.
    pub(super) ids: Range<i64>,
}

/// Where in `text` one of `names` stands as a word of its own, in whatever case it is written:
/// byte ranges in order, with the name's place among `names`. Of names that overlap the longest
/// counts. `embedding:` before a name is part of it.
pub fn find_words(text: &str, names: &[&str]) -> Vec<(Range<usize>, usize)> {
    let mut order: Vec<usize> = (0..names.len()).filter(|&i| !names[i].is_empty()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(names[i].len()));
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let word = order.iter().find_map(|&i| {
            let end = at + names[i].len();
            let same = text.get(at..end)?.eq_ignore_ascii_case(names[i]);
            (same && stands_alone(text, at..end)).then_some((end, i))
        });
        if let Some((end, index)) = word {
            let start = text[..at].strip_suffix(PREFIX).map_or(at, str::len);
            found.push((start..end, index));
            at = end;
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    found
}

/// Whether letters and digits at the ends of `range` do not go on beyond them.
fn stands_alone(text: &str, range: Range<usize>) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = &text[range.clone()];
    let goes_on = |inner: Option<char>, outer: Option<char>| {
        inner.is_some_and(is_word) && outer.is_some_and(is_word)
    };
    !goes_on(word.chars().next(), text[..range.start].chars().next_back())
        && !goes_on(word.chars().next_back(), text[range.end..].chars().next())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::find_words;

    #[test]
    fn words_are_found_whole_longest_first_in_any_case() {
        let names = ["ink", "ink-wash", "<cat>"];
        let found = |text| find_words(text, &names);
        assert_eq!(found("Ink, thinking, ink_2, inky"), [(0..3, 0)]);
        assert_eq!(found("an ink-wash of a <cat>"), [(3..11, 1), (17..22, 2)]);
        assert_eq!(found("x<cat>y"), [(1..6, 2)]);
        assert_eq!(found("in embedding:ink style"), [(3..16, 0)]);
        assert_eq!(found("(ink:1.2)"), [(1..4, 0)]);
        assert!(found("é").is_empty() && find_words("ink", &[""]).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_is_the_name(text in "[a-c <>é_]{0,20}") {
            let names = ["a", "ab", "<c>"];
            for (range, index) in find_words(&text, &names) {
                prop_assert_eq!(&text[range], names[index]);
            }
        }
    }
}
