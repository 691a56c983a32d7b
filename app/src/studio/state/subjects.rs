//! Who the prompt speaks of.

use std::collections::BTreeSet;
use std::ops::Range;

use vernier_engine::conditioning::split_words;
use vernier_engine::prompt::tag_places;

/// A subject of the prompt, on its very word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The noun in lower case, as controls name it.
    pub noun: String,
    /// Where it stands in the prompt, in bytes.
    pub bytes: Range<usize>,
    /// Whether the prompt has the same noun elsewhere, so that a control cannot tell them apart.
    pub is_ambiguous: bool,
}

/// Words that are subjects, whatever model and controls there are.
const USUAL: [&str; 12] = [
    "man", "woman", "boy", "girl", "person", "child", "cat", "dog", "robot", "car", "house",
    "portrait",
];

/// The nouns that make a word a subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nouns {
    known: BTreeSet<String>,
}

impl Nouns {
    /// The usual ones and `more`: those of the model's meter and of the controls at hand.
    pub fn with(more: impl IntoIterator<Item = String>) -> Self {
        let usual = USUAL.iter().map(|noun| (*noun).to_owned());
        Self {
            known: usual
                .chain(more.into_iter().map(|n| n.to_lowercase()))
                .collect(),
        }
    }

    /// Makes a word a subject, or no longer one.
    pub fn toggle(&mut self, word: &str) {
        let word = word.to_lowercase();
        if !self.known.remove(&word) {
            self.known.insert(word);
        }
    }

    /// The subjects of `prompt` in reading order. Names of LoRAs in tags are none.
    pub fn subjects_of(&self, prompt: &str) -> Vec<Subject> {
        let tags = tag_places(prompt);
        let mut subjects: Vec<Subject> = split_words(prompt)
            .into_iter()
            .filter(|word| !tags.iter().any(|tag| tag.contains(&word.start)))
            .map(|bytes| (prompt[bytes.clone()].to_lowercase(), bytes))
            .filter(|(word, _)| self.known.contains(word))
            .map(|(noun, bytes)| Subject {
                noun,
                bytes,
                is_ambiguous: false,
            })
            .collect();
        for at in 0..subjects.len() {
            let count = subjects.iter().filter(|s| s.noun == subjects[at].noun);
            subjects[at].is_ambiguous = count.count() > 1;
        }
        subjects
    }
}

/// The word at the byte `at` of `prompt`, if there is one.
pub fn word_at(prompt: &str, at: usize) -> Option<&str> {
    let range = split_words(prompt)
        .into_iter()
        .find(|word| (word.start..=word.end).contains(&at))?;
    Some(&prompt[range])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_found_on_their_words() {
        let prompt = "An old Man next to a woman with an owl";
        let mut nouns = Nouns::with(["owl".to_owned()]);
        let found = nouns.subjects_of(prompt);
        let words: Vec<&str> = found.iter().map(|s| &prompt[s.bytes.clone()]).collect();
        assert_eq!(words, ["Man", "woman", "owl"]);
        let tagged = "(a man:1.2) <lora:ink man:0.8>";
        assert_eq!(
            nouns.subjects_of(tagged)[..],
            Nouns::with([]).subjects_of("(a man")[..]
        );
        nouns.toggle("owl");
        assert_eq!(nouns.subjects_of(prompt).len(), 2);
    }

    #[test]
    fn twins_are_told() {
        let found = Nouns::default();
        assert!(
            found.subjects_of("a man and a man").is_empty(),
            "no noun is known"
        );
        let found = Nouns::with([]).subjects_of("a man, a man and a cat");
        let ambiguous: Vec<bool> = found.iter().map(|s| s.is_ambiguous).collect();
        assert_eq!(ambiguous, [true, true, false]);
    }

    #[test]
    fn a_click_finds_its_word() {
        assert_eq!(word_at("a red owl", 7), Some("owl"));
        assert_eq!(word_at("a red owl", 9), Some("owl"));
        assert_eq!(word_at("", 0), None);
    }
}
