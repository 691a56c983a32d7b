//! The words that talking edits are made of, as `assets/talk/words.json` has them.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{EngineError, Result};

/// Words and their senses.
#[derive(Debug, Clone, Deserialize)]
pub struct Lexicon {
    pub(super) attributes: BTreeMap<String, AttributeWords>,
    pub(super) more: Vec<String>,
    pub(super) less: Vec<String>,
    pub(super) quantity: Vec<String>,
    pub(super) no: Vec<String>,
    pub(super) with: Vec<String>,
    pub(super) steps: Vec<StepWords>,
    pub(super) grades: Vec<GradeWords>,
    pub(super) factors: Vec<FactorWords>,
    pub(super) halfway: Vec<String>,
    pub(super) end: Vec<String>,
    pub(super) neutral: Vec<String>,
    pub(super) half_of_that: Vec<String>,
    pub(super) too_much: Vec<String>,
    pub(super) not_enough: Vec<String>,
    pub(super) again: Vec<String>,
    pub(super) reverse: Vec<String>,
    pub(super) also: Vec<String>,
    pub(super) too: Vec<String>,
    pub(super) enough: Vec<String>,
    pub(super) undo: Vec<String>,
    pub(super) redo: Vec<String>,
    pub(super) never_mind: Vec<String>,
    pub(super) times: BTreeMap<String, usize>,
    pub(super) separators: Vec<String>,
    pub(super) feminine: Vec<String>,
    pub(super) masculine: Vec<String>,
    pub(super) neuter: Vec<String>,
    pub(super) plural: Vec<String>,
    pub(super) other: Vec<String>,
    pub(super) ones: Vec<String>,
    pub(super) left: Vec<String>,
    pub(super) right: Vec<String>,
    pub(super) middle: Vec<String>,
    pub(super) ordinals: BTreeMap<String, usize>,
    pub(super) kinds: BTreeMap<String, Vec<String>>,
    pub(super) genders: Genders,
    pub(super) picture: Vec<String>,
    pub(super) colours: Vec<String>,
    pub(super) materials: Vec<String>,
    pub(super) things: Vec<String>,
    pub(super) wears: Vec<String>,
    pub(super) replace: Vec<String>,
    pub(super) into: Vec<String>,
    pub(super) fillers: Vec<String>,
}

/// How people speak of one attribute of a meter or a control.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct AttributeWords {
    /// What it is called in an answer.
    pub(super) label: String,
    #[serde(default)]
    pub(super) nouns: Vec<String>,
    /// Words that ask for more of it than there is.
    #[serde(default)]
    pub(super) up: Vec<String>,
    #[serde(default)]
    pub(super) down: Vec<String>,
    /// Words for much and for little of it, whatever there is.
    #[serde(default)]
    pub(super) high: Vec<String>,
    #[serde(default)]
    pub(super) low: Vec<String>,
    /// Words for all and for none of it.
    #[serde(default)]
    pub(super) full: Vec<String>,
    #[serde(default)]
    pub(super) empty: Vec<String>,
    /// The only words above that speak of it without its noun; all of them where this is empty.
    #[serde(default)]
    pub(super) alone: Vec<String>,
    /// The reading that "without" asks for; absent for the low end.
    #[serde(default)]
    pub(super) none: Option<f64>,
    /// Whether "with" and "without" speak of it.
    #[serde(default)]
    pub(super) is_there_or_not: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct StepWords {
    /// Part of the whole range.
    pub(super) step: f64,
    pub(super) say: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct GradeWords {
    /// Reading of a word such as "old" behind it.
    pub(super) level: f64,
    pub(super) say: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct FactorWords {
    pub(super) factor: f64,
    pub(super) say: Vec<String>,
}

/// Nouns by the pronouns that may stand for them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Genders {
    pub(super) feminine: Vec<String>,
    pub(super) masculine: Vec<String>,
    /// People whom either pronoun may mean.
    pub(super) either: Vec<String>,
    /// Living things that "it" may mean too.
    pub(super) animals: Vec<String>,
}

impl Lexicon {
    /// The words that come with the program.
    ///
    /// # Errors
    /// The file does not read, which a test excludes.
    pub fn usual() -> Result<Self> {
        Self::from_json(include_str!("../../../assets/talk/words.json"))
    }

    /// Reads the words of a file laid out as `assets/talk/words.json`.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming what does not read.
    pub fn from_json(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|e| EngineError::request("talk/words.json", format!("does not read ({e})")))
    }

    /// What an attribute is called in an answer.
    pub(super) fn label(&self, attribute: &str) -> String {
        match self.attributes.get(attribute) {
            Some(words) => words.label.clone(),
            None => attribute.replace('_', " "),
        }
    }
}
