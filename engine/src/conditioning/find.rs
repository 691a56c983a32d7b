//! Subjects of a prompt by their words.

use super::{Conditioning, TokenSpan, split_words};
use crate::{EngineError, Result};

impl Conditioning {
    /// The one place where `phrase` (one or several words, in any case, punctuation aside) stands
    /// in the prompt.
    ///
    /// # Errors
    /// `phrase` has no word, is not in the prompt, or is there more than once.
    pub fn find(&self, phrase: &str) -> Result<TokenSpan> {
        let mut places = self.find_all(phrase);
        match (places.pop(), places.len()) {
            (Some(place), 0) => Ok(place),
            (Some(_), others) => Err(EngineError::request(
                "subject",
                format!(
                    "\"{phrase}\" stands in the prompt {} times; add words beside it that only \
                     one place has",
                    others + 1
                ),
            )),
            (None, _) => Err(EngineError::request(
                "subject",
                format!("\"{phrase}\" is not in the prompt \"{}\"", self.prompt),
            )),
        }
    }

    /// Every place where `phrase` stands in the prompt, in reading order.
    pub fn find_all(&self, phrase: &str) -> Vec<TokenSpan> {
        let wanted: Vec<String> = split_words(phrase)
            .into_iter()
            .map(|r| phrase[r].to_lowercase())
            .collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        self.words
            .windows(wanted.len())
            .filter(|words| {
                let pairs = words.iter().zip(&wanted);
                pairs.into_iter().all(|(w, s)| w.text.to_lowercase() == *s)
            })
            .map(|words| {
                let (first, last) = (&words[0], &words[words.len() - 1]);
                let bytes = first.bytes.start..last.bytes.end;
                TokenSpan {
                    text: self.prompt[bytes.clone()].to_owned(),
                    bytes,
                    tokens: first.tokens.start..last.tokens.end,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token a word, after BOS.
    fn conditioning(prompt: &str) -> Conditioning {
        let words = split_words(prompt)
            .into_iter()
            .enumerate()
            .map(|(i, bytes)| TokenSpan {
                text: prompt[bytes.clone()].to_owned(),
                bytes,
                tokens: i + 1..i + 2,
            })
            .collect();
        Conditioning {
            prompt: prompt.to_owned(),
            encoders: Vec::new(),
            pooled: None,
            sizes: None,
            words,
            extra_tokens: None,
        }
    }

    #[test]
    fn words_and_phrases_are_found() {
        let c = conditioning("An old man, next to a Young Woman");
        assert_eq!(c.find("woman").unwrap().tokens, 8..9);
        let phrase = c.find("young  woman!").unwrap();
        assert_eq!((phrase.text.as_str(), phrase.tokens), ("Young Woman", 7..9));
        assert_eq!(c.find("man next").unwrap().text, "man, next");
    }

    #[test]
    fn what_is_absent_or_ambiguous_is_an_error() {
        let c = conditioning("a cat and a dog");
        let error = |phrase| c.find(phrase).unwrap_err().to_string();
        assert_eq!(
            error("a"),
            "subject: \"a\" stands in the prompt 2 times; add words beside it that only one place has"
        );
        assert_eq!(
            error("ca"),
            "subject: \"ca\" is not in the prompt \"a cat and a dog\""
        );
        assert!(c.find(" , ").is_err());
        assert_eq!(c.find("a dog").unwrap().tokens, 4..6);
    }
}
