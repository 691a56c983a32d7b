//! What a meter reads of one picture, and how two pictures differ in it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::conditioning::split_words;
use crate::measure::Place;

/// What a meter reads of one picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PictureReadings {
    /// Subjects that it can tell apart, in the prompt's order.
    pub subjects: Vec<SubjectReadings>,
    /// Attributes of the whole picture, 0..1.
    pub picture: BTreeMap<String, f64>,
    /// Nouns of the subjects that it knows.
    #[serde(default)]
    pub nouns: Vec<String>,
}

/// What a meter reads of one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectReadings {
    /// Its noun.
    pub noun: String,
    /// Where the noun stands in the prompt, in bytes.
    pub bytes: Range<usize>,
    /// Where it stands in the picture.
    pub place: Place,
    /// Readings, 0..1, of the attributes that its kind has.
    pub readings: BTreeMap<String, f64>,
}

/// One reading before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReadingChange {
    /// The subject's noun; absent for the whole picture.
    pub subject: Option<String>,
    /// What is read.
    pub attribute: String,
    /// Before, 0..1.
    pub before: f64,
    /// After, 0..1.
    pub after: f64,
}

impl ReadingChange {
    /// Whether it is of `attribute` at the subject that the words `subject` mean.
    pub fn is_of(&self, subject: Option<&str>, attribute: &str) -> bool {
        let noun = subject.and_then(|words| split_words(words).pop().map(|at| &words[at]));
        self.subject.as_deref() == noun && self.attribute == attribute
    }
}

impl fmt::Display for ReadingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.attribute.replace('_', " ");
        let of = self.subject.as_deref().unwrap_or("picture");
        let (before, after) = (self.before, self.after);
        write!(f, "the {label} of the {of} {before:.2} -> {after:.2}")
    }
}

impl PictureReadings {
    /// Every reading that both pictures have, of the same subjects in the same order.
    pub fn changes(&self, after: &Self) -> Vec<ReadingChange> {
        let mut changes = Vec::new();
        let mut compare =
            |subject: Option<&str>, one: &BTreeMap<String, f64>, two: &BTreeMap<String, f64>| {
                for (attribute, &before) in one {
                    if let Some(&after) = two.get(attribute) {
                        changes.push(ReadingChange {
                            subject: subject.map(str::to_owned),
                            attribute: attribute.clone(),
                            before,
                            after,
                        });
                    }
                }
            };
        for (one, two) in self.subjects.iter().zip(&after.subjects) {
            if one.noun == two.noun {
                compare(Some(&one.noun), &one.readings, &two.readings);
            }
        }
        compare(None, &self.picture, &after.picture);
        changes
    }
}
