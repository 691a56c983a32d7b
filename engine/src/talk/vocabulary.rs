//! Phrases and their senses in one scene: the lexicon's, the controls' own names, the subjects'.

use std::collections::{BTreeMap, HashMap};

use super::{Lexicon, Scene};

/// Where a word points on an attribute's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// More than there is.
    Up,
    /// Less than there is.
    Down,
    /// Much, whatever there is.
    High,
    /// Little, whatever there is.
    Low,
    /// As much as there can be.
    Full,
    /// As little as there can be.
    Empty,
}

impl Way {
    pub(super) fn sign(self) -> f64 {
        match self {
            Self::Up | Self::High | Self::Full => 1.0,
            Self::Down | Self::Low | Self::Empty => -1.0,
        }
    }
}

/// Who a pronoun may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pronoun {
    Feminine,
    Masculine,
    Neuter,
    Plural,
}

/// Where a subject stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    Left,
    Right,
    Middle,
    /// Counted from the left, beginning with 0.
    Nth(usize),
}

/// What a phrase may mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sense {
    /// An attribute's noun; whether it is there or not.
    Noun(String),
    /// An attribute and a way on it; whether it may stand without the noun.
    Said(String, Way, bool),
    /// More or less of what is named beside it; whether it says nothing but a quantity.
    Scale(f64, bool),
    Not,
    With,
    Step(f64),
    Grade(f64),
    Factor(f64),
    Halfway,
    End,
    Neutral,
    HalfOfThat,
    TooMuch,
    NotEnough,
    Again,
    Reverse,
    Also,
    Too,
    Enough,
    Undo,
    Redo,
    NeverMind,
    Pronoun(Pronoun),
    Other,
    One,
    Spot(Spot),
    Kinds(Vec<String>),
    Picture,
    Colour,
    Material,
    Thing,
    Separator,
    Filler,
}

/// Phrases by their words.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    phrases: HashMap<String, Vec<Sense>>,
    longest: usize,
}

impl Vocabulary {
    /// All phrases that mean something where `scene` is in view.
    pub(super) fn new(lexicon: &Lexicon, scene: &Scene) -> Self {
        let mut all = Self::default();
        all.add_attributes(lexicon);
        all.add_own_controls(lexicon, scene);
        let lists: [(&[String], Sense); 32] = [
            (&lexicon.no, Sense::Not),
            (&lexicon.with, Sense::With),
            (&lexicon.halfway, Sense::Halfway),
            (&lexicon.end, Sense::End),
            (&lexicon.neutral, Sense::Neutral),
            (&lexicon.half_of_that, Sense::HalfOfThat),
            (&lexicon.too_much, Sense::TooMuch),
            (&lexicon.not_enough, Sense::NotEnough),
            (&lexicon.again, Sense::Again),
            (&lexicon.reverse, Sense::Reverse),
            (&lexicon.also, Sense::Also),
            (&lexicon.too, Sense::Too),
            (&lexicon.enough, Sense::Enough),
            (&lexicon.undo, Sense::Undo),
            (&lexicon.redo, Sense::Redo),
            (&lexicon.never_mind, Sense::NeverMind),
            (&lexicon.feminine, Sense::Pronoun(Pronoun::Feminine)),
            (&lexicon.masculine, Sense::Pronoun(Pronoun::Masculine)),
            (&lexicon.neuter, Sense::Pronoun(Pronoun::Neuter)),
            (&lexicon.plural, Sense::Pronoun(Pronoun::Plural)),
            (&lexicon.other, Sense::Other),
            (&lexicon.ones, Sense::One),
            (&lexicon.left, Sense::Spot(Spot::Left)),
            (&lexicon.right, Sense::Spot(Spot::Right)),
            (&lexicon.middle, Sense::Spot(Spot::Middle)),
            (&lexicon.picture, Sense::Picture),
            (&lexicon.colours, Sense::Colour),
            (&lexicon.materials, Sense::Material),
            (&lexicon.things, Sense::Thing),
            (&lexicon.separators, Sense::Separator),
            (&lexicon.fillers, Sense::Filler),
            (&[], Sense::Filler),
        ];
        for (phrases, sense) in lists {
            for phrase in phrases {
                all.add(phrase, sense.clone());
            }
        }
        for (phrases, sign) in [(&lexicon.more, 1.0), (&lexicon.less, -1.0)] {
            for phrase in phrases {
                all.add(
                    phrase,
                    Sense::Scale(sign, lexicon.quantity.contains(phrase)),
                );
            }
        }
        for words in &lexicon.steps {
            words
                .say
                .iter()
                .for_each(|p| all.add(p, Sense::Step(words.step)));
        }
        for words in &lexicon.grades {
            words
                .say
                .iter()
                .for_each(|p| all.add(p, Sense::Grade(words.level)));
        }
        for words in &lexicon.factors {
            words
                .say
                .iter()
                .for_each(|p| all.add(p, Sense::Factor(words.factor)));
        }
        for (phrase, &index) in &lexicon.ordinals {
            all.add(phrase, Sense::Spot(Spot::Nth(index)));
        }
        for (phrase, kinds) in &lexicon.kinds {
            all.add(phrase, Sense::Kinds(kinds.clone()));
        }
        for subject in &scene.subjects {
            if !lexicon.kinds.contains_key(&subject.noun) {
                all.add(&subject.noun, Sense::Kinds(vec![subject.noun.clone()]));
            }
        }
        all
    }

    fn add(&mut self, phrase: &str, sense: Sense) {
        self.longest = self.longest.max(phrase.split(' ').count());
        let senses = self.phrases.entry(phrase.to_owned()).or_default();
        if !senses.contains(&sense) {
            senses.push(sense);
        }
    }

    fn add_attributes(&mut self, lexicon: &Lexicon) {
        for (name, words) in &lexicon.attributes {
            for noun in &words.nouns {
                self.add(noun, Sense::Noun(name.clone()));
            }
            let lists = [
                (&words.up, Way::Up),
                (&words.down, Way::Down),
                (&words.high, Way::High),
                (&words.low, Way::Low),
                (&words.full, Way::Full),
                (&words.empty, Way::Empty),
            ];
            for (phrases, way) in lists {
                for phrase in phrases {
                    let alone = words.alone.is_empty() || words.alone.contains(phrase);
                    self.add(phrase, Sense::Said(name.clone(), way, alone));
                }
            }
        }
    }

    /// Names of controls and attributes that the lexicon does not know are nouns.
    fn add_own_controls(&mut self, lexicon: &Lexicon, scene: &Scene) {
        let mut own: BTreeMap<String, String> = BTreeMap::new();
        for control in &scene.controls {
            if !lexicon.attributes.contains_key(&control.attribute) {
                let said = control.attribute.replace(['_', '-'], " ").to_lowercase();
                own.insert(said, control.attribute.clone());
            }
            let (name, _) = control.name.split_once('/').unwrap_or((&control.name, ""));
            let said = name.replace(['_', '-'], " ").to_lowercase();
            let is_known = lexicon.attributes.values().any(|a| a.nouns.contains(&said));
            if !is_known {
                own.entry(said).or_insert_with(|| control.attribute.clone());
            }
        }
        for (said, attribute) in own {
            self.add(&said, Sense::Noun(attribute));
        }
    }

    /// The longest phrase at the beginning of `words`: how many words, and what it may mean.
    pub(super) fn longest_at(&self, words: &[&str]) -> Option<(usize, &[Sense])> {
        (1..=self.longest.min(words.len())).rev().find_map(|count| {
            let senses = self.phrases.get(&words[..count].join(" "))?;
            Some((count, senses.as_slice()))
        })
    }
}
