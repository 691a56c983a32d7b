//! Changes that no control makes: colours, materials and things, as words of the prompt.

use std::ops::Range;

use super::clause::Clause;
use super::moves::{WordsBy, WordsMove};
use super::{Lexicon, Scene};
use crate::conditioning::{find_phrase, split_words};

/// Words that begin where a subject is, which is no part of it.
const PLACES: [&str; 17] = [
    "on", "in", "at", "under", "near", "beside", "next", "behind", "before", "against", "by", "to",
    "left", "right", "and", "over", "inside",
];

/// Finds and changes words of one prompt.
pub(super) struct Wording<'a> {
    lexicon: &'a Lexicon,
    scene: &'a Scene,
    words: Vec<Range<usize>>,
}

impl<'a> Wording<'a> {
    pub(super) fn new(lexicon: &'a Lexicon, scene: &'a Scene) -> Self {
        Self {
            lexicon,
            scene,
            words: split_words(&scene.prompt),
        }
    }

    fn text(&self, at: usize) -> String {
        self.words.get(at).map_or_else(String::new, |bytes| {
            self.scene.prompt[bytes.clone()].to_lowercase()
        })
    }

    fn noun_at(&self, subject: usize) -> usize {
        let noun = &self.scene.subjects[subject].bytes;
        self.words.iter().position(|word| word == noun).unwrap_or(0)
    }

    /// Words of the subject, as places among the prompt's words: from its first adjective to where
    /// something else begins.
    fn span_of(&self, subject: usize) -> Range<usize> {
        let noun = self.noun_at(subject);
        let is_article = |at: usize| matches!(self.text(at).as_str(), "a" | "an" | "the");
        let mut first = noun;
        while first > 0 && !is_article(first - 1) && !self.breaks(first - 1, first) {
            first -= 1;
        }
        let next = (noun + 1..self.words.len())
            .find(|&at| {
                self.scene
                    .subjects
                    .iter()
                    .any(|s| s.bytes == self.words[at])
            })
            .unwrap_or(self.words.len());
        let mut end = noun + 1;
        while end < next {
            let word = self.text(end);
            if word == "and" && self.is_thing_ahead(end + 1, next) {
                end += 1;
                continue;
            }
            if PLACES.contains(&word.as_str()) {
                break;
            }
            end += 1;
        }
        // An article and adjectives before the next subject are its own.
        if end == next && next < self.words.len() {
            let article = (noun + 1..next).rev().find(|&at| is_article(at));
            end = article.unwrap_or(noun + 1);
        }
        first..end
    }

    /// Whether a mark parts two words, or a word that belongs to no subject.
    fn breaks(&self, before: usize, after: usize) -> bool {
        let between = &self.scene.prompt[self.words[before].end..self.words[after].start];
        let word = self.text(before);
        (!between.trim().is_empty() && between.trim() != "-")
            || PLACES.contains(&word.as_str())
            || matches!(word.as_str(), "of" | "with")
    }

    /// Whether something that is worn comes next, and no further subject.
    fn is_thing_ahead(&self, from: usize, next: usize) -> bool {
        (from..next).any(|at| self.is_thing(&self.text(at)))
    }

    fn is_thing(&self, word: &str) -> bool {
        let lists = [&self.lexicon.things, &self.lexicon.wears];
        let nouns = self.lexicon.attributes.values().flat_map(|a| &a.nouns);
        lists.iter().any(|list| list.iter().any(|w| w == word)) || nouns.clone().any(|n| n == word)
    }

    fn is_look(&self, word: &str) -> bool {
        let lists = [&self.lexicon.colours, &self.lexicon.materials];
        lists.iter().any(|list| list.iter().any(|w| w == word))
    }

    /// The move that puts `to` where the words `span` stand, with as many words more as it takes to
    /// be found once.
    fn swap(&self, span: Range<usize>, to: &str) -> Result<WordsMove, String> {
        let prompt = &self.scene.prompt;
        let bytes = |a: usize, b: usize| self.words[a].start..self.words[b - 1].end;
        let (mut first, mut end) = (span.start, span.end);
        loop {
            let from = &prompt[bytes(first, end)];
            if find_phrase(prompt, from).len() == 1 {
                let before = &prompt[self.words[first].start..self.words[span.start].start];
                let after = &prompt[self.words[span.end - 1].end..self.words[end - 1].end];
                return Ok(WordsMove {
                    from: from.to_owned(),
                    to: format!("{before}{to}{after}").trim().to_owned(),
                    by: if self.scene.has_edit {
                        WordsBy::Edit
                    } else {
                        WordsBy::Prompt
                    },
                });
            }
            if end < self.words.len() {
                end += 1;
            } else if first > 0 {
                first -= 1;
            } else {
                return Err(format!("“{from}” stands in the prompt more than once."));
            }
        }
    }

    /// A colour or a material for `subject`, or for something that it wears.
    pub(super) fn look(
        &self,
        clause: &Clause,
        subject: usize,
        look: &str,
    ) -> Result<WordsMove, String> {
        let span = self.span_of(subject);
        let noun = self.noun_at(subject);
        let thing = clause.things.first().or(clause.noun_texts.first());
        let same_list = |word: &str| {
            let lists = [&self.lexicon.colours, &self.lexicon.materials];
            lists
                .iter()
                .any(|list| list.iter().any(|w| w == word) && list.iter().any(|w| w == look))
        };
        let Some(thing) = thing else {
            if self.is_person(subject) {
                let name = self.scene.name_of(subject);
                return Err(format!(
                    "What of {name} shall be {look}? Say, for example, “the hair of {name} {look}”."
                ));
            }
            let old = (span.start..noun).find(|&at| same_list(&self.text(at)));
            return match old {
                Some(old) => self.swap(old..noun + 1, &self.with_new_look(old, noun, look)),
                None => self.swap(noun..noun + 1, &format!("{look} {}", self.text(noun))),
            };
        };
        let own = (span.start..span.end).find(|&at| self.text(at) == *thing);
        match own {
            Some(at) => {
                let mut old = at;
                while old > span.start && self.is_look(&self.text(old - 1)) {
                    old -= 1;
                }
                self.swap(old..at + 1, &format!("{look} {thing}"))
            }
            None => self.add(subject, thing, Some(look)),
        }
    }

    /// The words from `old` to `noun` with another first one.
    fn with_new_look(&self, old: usize, noun: usize, look: &str) -> String {
        let rest = self.words[old].end..self.words[noun].end;
        format!("{look}{}", &self.scene.prompt[rest])
    }

    fn is_person(&self, subject: usize) -> bool {
        let genders = &self.lexicon.genders;
        let noun = &self.scene.subjects[subject].noun;
        let lists = [&genders.feminine, &genders.masculine, &genders.either];
        lists.iter().any(|list| list.contains(noun)) && !genders.animals.contains(noun)
    }

    /// Gives `subject` something.
    pub(super) fn add(
        &self,
        subject: usize,
        thing: &str,
        look: Option<&str>,
    ) -> Result<WordsMove, String> {
        let span = self.span_of(subject);
        if (span.start..span.end).any(|at| self.text(at) == thing) && look.is_none() {
            let name = self.scene.name_of(subject);
            return Err(format!("The prompt gives {name} a {thing} already."));
        }
        let noun = self.noun_at(subject);
        let what = look.map_or_else(|| thing.to_owned(), |look| format!("{look} {thing}"));
        let plural = thing.ends_with('s') || matches!(thing, "hair" | "fur" | "skin" | "clothes");
        let article = match what.chars().next() {
            _ if plural => "",
            Some(c) if "aeiou".contains(c) => "an ",
            _ => "a ",
        };
        let has_with = (noun..span.end).any(|at| self.text(at) == "with");
        let join = if has_with { "and" } else { "with" };
        let end = span.end.max(noun + 1);
        let own = &self.scene.prompt[self.words[noun].start..self.words[end - 1].end];
        self.swap(noun..end, &format!("{own} {join} {article}{what}"))
    }

    /// Takes something from `subject`.
    pub(super) fn remove(&self, subject: usize, thing: &str) -> Result<WordsMove, String> {
        let span = self.span_of(subject);
        let noun = self.noun_at(subject);
        let name = self.scene.name_of(subject);
        let Some(at) = (noun + 1..span.end).find(|&at| self.text(at) == thing) else {
            return Err(format!(
                "The prompt gives {name} no “{thing}”, so there are no words to take away."
            ));
        };
        let is_join =
            |at: usize| matches!(self.text(at).as_str(), "with" | "and" | "wearing" | "in");
        let Some(join) = (noun + 1..at).rev().find(|&at| is_join(at)) else {
            return Err(format!(
                "I do not see which words give {name} the {thing}; change the prompt by hand."
            ));
        };
        let prompt = &self.scene.prompt;
        let own = &prompt[self.words[noun].start..self.words[join - 1].end];
        // "with a hat and glasses" keeps "with glasses".
        let more = at + 1 < span.end && self.text(at + 1) == "and";
        let to = if more {
            let rest = &prompt[self.words[at + 2].start..self.words[span.end - 1].end];
            format!("{own} {} {rest}", self.text(join))
        } else {
            own.to_owned()
        };
        let end = if more { span.end } else { at + 1 };
        self.swap(noun..end, &to)
    }

    /// Other words for some of the prompt's.
    pub(super) fn replace(&self, from: &str, to: &str) -> Result<WordsMove, String> {
        let prompt = &self.scene.prompt;
        let found = find_phrase(prompt, from);
        let nouns = self
            .lexicon
            .kinds
            .get(from.rsplit(' ').next().unwrap_or(from));
        let place = match found.as_slice() {
            [only] => only.clone(),
            [] => {
                let kinds = nouns.cloned().unwrap_or_default();
                let subjects = self.scene.subjects.iter();
                let own: Vec<_> = subjects.filter(|s| kinds.contains(&s.noun)).collect();
                match own.as_slice() {
                    [only] => only.bytes.clone(),
                    _ => {
                        return Err(format!(
                            "The prompt says nothing of “{from}”; it says: {prompt}."
                        ));
                    }
                }
            }
            _ => {
                return Err(format!(
                    "“{from}” stands in the prompt more than once; say which with a word beside it."
                ));
            }
        };
        let start = self.words.iter().position(|w| w.start == place.start);
        let end = self.words.iter().position(|w| w.end == place.end);
        let (Some(mut start), Some(end)) = (start, end) else {
            return Err(format!("I do not find “{from}” in the prompt."));
        };
        // New words with a look of their own take the old look along.
        if to.contains(' ') {
            while start > 0 && self.is_look(&self.text(start - 1)) {
                start -= 1;
            }
        }
        self.swap(start..end + 1, to)
    }
}
