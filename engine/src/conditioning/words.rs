//! Words of a prompt, by byte range.

use std::ops::Range;

/// What a character does to a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Ends a word and belongs to none: white space and punctuation.
    Separator,
    /// Letters and digits.
    Letter,
    /// Everything else that an artist may mean by itself, such as emoji.
    Symbol,
    /// Goes with whatever is before it: combining marks, joiners, variation selectors.
    Continuation,
}

/// Byte ranges of the words of `text`, in reading order.
///
/// A word is a longest run of letters and digits, or of symbols such as emoji; white space and
/// punctuation separate words ("red-haired" is two). Combining marks and joiners stay with the
/// character before them.
pub fn split_words(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::new();
    let mut before = Role::Separator;
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        let role = match role_of(c) {
            Role::Continuation => before,
            role => role,
        };
        match words.last_mut() {
            Some(word) if role != Role::Separator && role == before => word.end = end,
            _ if role != Role::Separator => words.push(start..end),
            _ => {}
        }
        before = role;
    }
    words
}

/// Byte ranges at which the words of `phrase` stand in `text` one after the other, in any case and
/// punctuation aside, in reading order; none where it has no words.
pub fn find_phrase(text: &str, phrase: &str) -> Vec<Range<usize>> {
    let lower = |text: &str, range: &Range<usize>| text[range.clone()].to_lowercase();
    let words = split_words(text);
    let wanted: Vec<String> = split_words(phrase)
        .iter()
        .map(|range| lower(phrase, range))
        .collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    words
        .windows(wanted.len())
        .filter(|run| run.iter().zip(&wanted).all(|(r, w)| lower(text, r) == *w))
        .map(|run| run[0].start..run[run.len() - 1].end)
        .collect()
}

fn role_of(c: char) -> Role {
    match c {
        // Zero-width joiner, variation selectors, skin tones, and the blocks of combining marks.
        '\u{200d}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{1f3fb}'..='\u{1f3ff}'
        | '\u{0300}'..='\u{036f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}' => Role::Continuation,
        _ if c.is_alphanumeric() => Role::Letter,
        _ if c.is_whitespace() || c.is_control() || c.is_ascii_punctuation() => Role::Separator,
        // Latin-1 signs, general punctuation, CJK punctuation, full-width punctuation.
        '\u{00a1}'..='\u{00bf}'
        | '\u{2000}'..='\u{206f}'
        | '\u{3000}'..='\u{303f}'
        | '\u{ff01}'..='\u{ff0f}'
        | '\u{ff1a}'..='\u{ff20}' => Role::Separator,
        _ => Role::Symbol,
    }
}

#[cfg(test)]
mod tests {
    use super::{find_phrase, split_words};

    fn words(text: &str) -> Vec<&str> {
        split_words(text).into_iter().map(|r| &text[r]).collect()
    }

    #[test]
    fn punctuation_and_space_separate() {
        assert_eq!(
            words(" A red-haired  woman's hat, (35 mm)!"),
            ["A", "red", "haired", "woman", "s", "hat", "35", "mm"]
        );
        assert!(words(" ,.!  ").is_empty());
    }

    #[test]
    fn phrases_are_found_by_their_words() {
        let text = "A red-haired woman, a RED hat";
        assert_eq!(find_phrase(text, "red"), [2..5, 22..25]);
        assert_eq!(find_phrase(text, "haired  Woman!"), vec![6..18]);
        assert!(find_phrase(text, "red woman").is_empty() && find_phrase(text, ",").is_empty());
    }

    #[test]
    fn marks_and_joiners_stay_with_their_character() {
        assert_eq!(words("cafe\u{301} x"), ["cafe\u{301}", "x"]);
        assert_eq!(words("cat🐱 👨\u{200d}👩"), ["cat", "🐱", "👨\u{200d}👩"]);
        assert_eq!(words("日本 の"), ["日本", "の"]);
    }
}
