//! A sentence in small pieces.

use std::ops::Range;

/// A word, a number or a mark.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    /// In lower case, without `'s`.
    pub(super) text: String,
    /// Where it stands in the sentence, in bytes.
    pub(super) bytes: Range<usize>,
    /// What it counts, where it is a number; percents are hundredths.
    pub(super) number: Option<f64>,
}

/// Marks that end a clause, as tokens of their own.
pub(super) const MARKS: [&str; 6] = [",", ";", ".", "!", "?", ":"];

/// Words before `'s` that stand for "is" or "us" and own nothing.
const SHORTENED: [&str; 8] = ["that", "it", "let", "he", "she", "there", "what", "here"];

/// The pieces of `sentence` in order.
pub(super) fn tokens(sentence: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let chars: Vec<(usize, char)> = sentence.char_indices().collect();
    let at = |i: usize| chars.get(i).map(|&(_, c)| c);
    let byte = |i: usize| chars.get(i).map_or(sentence.len(), |&(b, _)| b);
    let mut i = 0;
    while let Some(c) = at(i) {
        let start = i;
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let signed = c == '-' && (i == 0 || at(i - 1).is_some_and(char::is_whitespace));
        let after = if signed { i + 1 } else { i };
        let begins_number = digit(at(after)) || (at(after) == Some('.') && digit(at(after + 1)));
        if begins_number {
            i = after;
            while digit(at(i)) || (at(i) == Some('.') && digit(at(i + 1))) {
                i += 1;
            }
            if at(i).is_some_and(char::is_alphabetic) {
                // "1st", "2x": a word.
                while at(i).is_some_and(char::is_alphanumeric) {
                    i += 1;
                }
                found.push(word(sentence, byte(start)..byte(i)));
                continue;
            }
            let bytes = byte(start)..byte(i);
            let mut number = sentence[bytes.clone()].parse::<f64>().ok();
            let mut end = i;
            while at(end) == Some(' ') {
                end += 1;
            }
            if at(end) == Some('%') {
                i = end + 1;
                number = number.map(|n| n / 100.0);
            }
            let text = sentence[bytes.clone()].to_owned();
            found.push(Token {
                text,
                bytes: bytes.start..byte(i),
                number: number.filter(|n| n.is_finite()),
            });
        } else if c.is_alphanumeric() {
            while at(i).is_some_and(|c| c.is_alphanumeric() || "'’".contains(c)) {
                i += 1;
            }
            found.extend(shortened(sentence, byte(start)..byte(i)));
        } else {
            i += 1;
            if MARKS.contains(&c.to_string().as_str()) {
                found.push(word(sentence, byte(start)..byte(i)));
            }
        }
    }
    // "80 percent".
    let mut at = 1;
    while at < found.len() {
        let is_percent = matches!(found[at].text.as_str(), "percent" | "per");
        if let (true, Some(number)) = (is_percent, found[at - 1].number) {
            let per_cent = found[at].text == "per";
            if !per_cent || found.get(at + 1).is_some_and(|next| next.text == "cent") {
                found[at - 1].number = Some(number / 100.0);
                found.drain(at..=at + usize::from(per_cent));
                continue;
            }
        }
        at += 1;
    }
    found
}

fn word(sentence: &str, bytes: Range<usize>) -> Token {
    Token {
        text: sentence[bytes.clone()].to_lowercase(),
        bytes,
        number: None,
    }
}

/// A word without what hangs on its apostrophe; "don't" is "do" and "not".
fn shortened(sentence: &str, bytes: Range<usize>) -> Vec<Token> {
    let whole = word(sentence, bytes);
    let text = whole.text.replace('’', "'");
    let text = text.trim_matches('\'');
    let piece = |text: &str| Token {
        text: text.to_owned(),
        ..whole.clone()
    };
    if let Some(base) = text.strip_suffix("n't") {
        return vec![piece(base), piece("not")];
    }
    match text.split_once('\'') {
        Some((base, "s")) if SHORTENED.contains(&base) => vec![piece(base), piece("is")],
        Some(("", _)) | None if text.is_empty() => Vec::new(),
        Some((base, _)) => vec![piece(base)],
        None => vec![piece(text)],
    }
}

#[cfg(test)]
mod tests {
    use super::tokens;

    #[test]
    fn words_numbers_and_marks_come_apart() {
        let found = tokens("Set the man’s age to 0.8, don't: 80 % or .5 or -0.25. 20 percent!");
        let texts: Vec<&str> = found.iter().map(|t| t.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "set", "the", "man", "age", "to", "0.8", ",", "do", "not", ":", "80", "or", ".5",
                "or", "-0.25", ".", "20", "!"
            ]
        );
        let numbers: Vec<f64> = found.iter().filter_map(|t| t.number).collect();
        assert_eq!(numbers, [0.8, 0.8, 0.5, -0.25, 0.2]);
        assert_eq!(tokens("that's it's 1st").len(), 5);
        assert!(tokens(" ' - ").is_empty());
    }
}
