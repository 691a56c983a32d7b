//! What a sentence can speak of: who is in the picture, which controls there are, what is read.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Lexicon, PictureReadings};
use crate::conditioning::{find_phrase, split_words};
use crate::controls::{ControlInfo, ControlKind};
use crate::prompt::tag_places;
use crate::recipe::{ControlScale, Recipe};

/// A subject of the prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneSubject {
    /// Its noun in lower case.
    pub noun: String,
    /// Words of the prompt that mean it alone, such as `woman` or `old man`; `None` where there are
    /// none, so that no control can be put on it.
    pub words: Option<String>,
    /// Where the noun stands in the prompt, in bytes.
    pub bytes: Range<usize>,
    /// Its place from the left.
    pub place: usize,
    /// What the meter reads of it.
    pub readings: BTreeMap<String, f64>,
}

/// One attribute of a control that can be moved.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownControl {
    /// As recipes call it; `NAME/ATTRIBUTE` for one of several.
    pub name: String,
    /// What it moves.
    pub attribute: String,
    /// Nouns of the subjects that it is for; empty for the whole picture.
    pub subjects: Vec<String>,
    /// Ends of its slider in calibrated units, or raw ones where it was never calibrated.
    pub range: [f64; 2],
    /// Where the slider does nothing.
    pub neutral: f64,
    /// What it says about itself.
    pub info: ControlInfo,
}

impl KnownControl {
    /// Every attribute of the control that `info` describes.
    pub fn all_of(info: &ControlInfo) -> Vec<Self> {
        let many = info.attributes.len() > 1;
        let one = |attribute: &String| {
            let is_calibrated = info.calibrations.contains_key(attribute);
            let takes_values = info.kind.takes_values() && !is_calibrated;
            Self {
                name: if many {
                    format!("{}/{attribute}", info.name)
                } else {
                    info.name.clone()
                },
                attribute: attribute.clone(),
                subjects: info.subjects.clone(),
                range: if takes_values {
                    [0.0, 1.0]
                } else {
                    [-1.0, 1.0]
                },
                neutral: if takes_values { 0.5 } else { 0.0 },
                info: info.clone(),
            }
        };
        info.attributes.iter().map(one).collect()
    }

    /// Whether it can work on `noun`.
    pub fn is_for(&self, noun: &str) -> bool {
        self.subjects.iter().any(|own| own == noun)
    }

    /// Whether it is a token direction, the one kind that edits by words take.
    pub(super) fn is_direction(&self) -> bool {
        self.info.kind == ControlKind::Direction
    }
}

/// Everything that a sentence can speak of.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The recipe's prompt.
    pub prompt: String,
    /// Whom it speaks of, in reading order.
    pub subjects: Vec<SceneSubject>,
    /// What can be moved.
    pub controls: Vec<KnownControl>,
    /// Readings of the whole picture.
    pub picture: BTreeMap<String, f64>,
    /// Slider values in force, by control and subject's words, in the slider's units.
    pub settings: Vec<(String, Option<String>, f64)>,
    /// Whether the recipe changes a picture by words.
    pub has_edit: bool,
}

impl Scene {
    /// What is there in the picture of `recipe`, of which a meter read `readings`, with these
    /// controls at hand.
    pub fn new(
        lexicon: &Lexicon,
        recipe: &Recipe,
        controls: &[ControlInfo],
        readings: &PictureReadings,
    ) -> Self {
        let controls: Vec<KnownControl> = controls.iter().flat_map(KnownControl::all_of).collect();
        let mut scene = Self {
            prompt: recipe.prompt.clone(),
            picture: readings.picture.clone(),
            has_edit: recipe.edit.is_some(),
            ..Self::default()
        };
        let known = |noun: &str| {
            lexicon
                .kinds
                .values()
                .any(|kinds| kinds.iter().any(|k| k == noun))
                || controls.iter().any(|c| c.is_for(noun))
                || readings.nouns.iter().any(|n| n == noun)
        };
        let prompt = &recipe.prompt;
        let tags = tag_places(prompt);
        let words = split_words(prompt);
        for bytes in &words {
            let noun = prompt[bytes.clone()].to_lowercase();
            if !known(&noun) || tags.iter().any(|tag| tag.contains(&bytes.start)) {
                continue;
            }
            let read = readings.subjects.iter().find(|s| s.bytes == *bytes);
            scene.subjects.push(SceneSubject {
                words: unique_words(prompt, &words, bytes),
                noun,
                bytes: bytes.clone(),
                place: read.map_or(scene.subjects.len(), |read| read.place.index),
                readings: read.map_or_else(BTreeMap::new, |read| read.readings.clone()),
            });
        }
        for own in &recipe.controls {
            let control = controls.iter().find(|c| c.name == own.name);
            let calibration = control.and_then(|c| c.info.calibrations.get(&c.attribute));
            let value = match (own.scale, own.resolved) {
                (ControlScale::Calibrated, _) => Some(own.value),
                (ControlScale::Raw, _) => {
                    Some(calibration.map_or(own.value, |c| c.unit_of_raw(own.value)))
                }
                (ControlScale::Measured, Some(raw)) => {
                    Some(calibration.map_or(raw, |c| c.unit_of_raw(raw)))
                }
                (ControlScale::Measured, None) => None,
            };
            if let Some(value) = value {
                scene
                    .settings
                    .push((own.name.clone(), own.subject.clone(), value));
            }
        }
        scene.controls = controls;
        scene
    }

    /// What the meter reads of `attribute` at the subject, or of the whole picture.
    pub(super) fn reading(&self, subject: Option<usize>, attribute: &str) -> Option<f64> {
        match subject {
            Some(at) => self.subjects.get(at)?.readings.get(attribute).copied(),
            None => self.picture.get(attribute).copied(),
        }
    }

    /// Where the slider of `control` stands for `subject`.
    pub(super) fn setting(&self, control: &KnownControl, words: Option<&str>) -> f64 {
        let own = self
            .settings
            .iter()
            .find(|(name, whom, _)| *name == control.name && whom.as_deref() == words);
        own.map_or(control.neutral, |(_, _, value)| *value)
    }

    /// Labels of all attributes that can be moved, in alphabetical order; of `subject`, where one is
    /// given.
    pub(super) fn labels(&self, lexicon: &Lexicon, subject: Option<usize>) -> Vec<String> {
        let noun = subject
            .and_then(|at| self.subjects.get(at))
            .map(|s| &s.noun);
        let controls = self.controls.iter();
        let fitting = controls.filter(|c| noun.is_none_or(|noun| c.is_for(noun)));
        let mut labels: Vec<String> = fitting.map(|c| lexicon.label(&c.attribute)).collect();
        labels.sort();
        labels.dedup();
        labels
    }

    /// What a subject is called in an answer.
    pub(super) fn name_of(&self, at: usize) -> String {
        let Some(subject) = self.subjects.get(at) else {
            return "the picture".to_owned();
        };
        match &subject.words {
            Some(words) => format!("the {words}"),
            None if self.subjects.len() == 2 => {
                let side = if subject.place == 0 { "left" } else { "right" };
                format!("the {side} {}", subject.noun)
            }
            None => format!("the {}", subject.noun),
        }
    }
}

/// The noun at `bytes`, with as many words before it as it takes to mean one place of the prompt.
fn unique_words(prompt: &str, words: &[Range<usize>], bytes: &Range<usize>) -> Option<String> {
    let at = words.iter().position(|word| word == bytes)?;
    (at.saturating_sub(2)..=at).rev().find_map(|first| {
        let phrase = prompt[words[first].start..bytes.end].to_lowercase();
        let is_article = matches!(&prompt[words[first].clone()], "a" | "an" | "the" | "and");
        (!is_article && find_phrase(prompt, &phrase).len() == 1).then_some(phrase)
    })
}
