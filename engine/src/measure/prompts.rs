//! Prompts that leave the measured attribute open, and whom they speak of.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Meter, Place};
use crate::conditioning::find_phrase;
use crate::{EngineError, Result};

/// Where the subjects stand, in this order.
const SCENES: [&str; 7] = [
    "on a beach",
    "in a room",
    "in a forest",
    "on a plain blue background",
    "in a city",
    "on a plain white background",
    "on a plain green background",
];

/// Subjects for controls of the whole picture where the meter knows no nouns.
const USUAL_NOUNS: [&str; 6] = ["man", "woman", "cat", "dog", "house", "car"];

/// A prompt, and the subject of it that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasuredPrompt {
    /// The prompt.
    pub text: String,
    /// The subject's words as they stand in the prompt; absent for the whole picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

impl MeasuredPrompt {
    /// Whether the prompt names `subject`, at least once.
    pub fn names(&self, subject: &str) -> bool {
        !find_phrase(&self.text, subject).is_empty()
    }
}

/// Up to `count` prompts that say nothing but who is where: every third has two subjects, where
/// there are two different ones, and the scenes go round. `subjects` are the nouns that a control
/// is for; without any it works on the whole picture, and `nouns`, those that the meter knows,
/// fill it.
pub fn neutral_prompts(subjects: &[String], nouns: &[String], count: usize) -> Vec<MeasuredPrompt> {
    let of_picture = subjects.is_empty();
    let usual = USUAL_NOUNS.map(str::to_owned);
    let actors: &[String] = match (of_picture, nouns.is_empty()) {
        (false, _) => subjects,
        (true, false) => nouns,
        (true, true) => &usual,
    };
    let n = actors.len();
    let mut prompts: Vec<MeasuredPrompt> = Vec::with_capacity(count);
    // All wordings there are, long before which one begins to repeat.
    for turn in 0..3 * n * n * SCENES.len() {
        if prompts.len() == count {
            break;
        }
        let noun = &actors[(turn - turn / 3) % n];
        // Each time round, nouns meet other scenes.
        let scene = SCENES[(turn + turn / SCENES.len()) % SCENES.len()];
        let text = if turn % 3 == 2 && n > 1 {
            let other = &actors[(turn - turn / 3 + 1 + turn / 3 % (n - 1)) % n];
            let (first, second) = if turn % 2 == 0 {
                (noun, other)
            } else {
                (other, noun)
            };
            format!(
                "{} and {} {scene}",
                with_article(first),
                with_article(second)
            )
        } else {
            format!("{} {scene}", with_article(noun))
        };
        if prompts.iter().all(|p| p.text != text) {
            prompts.push(MeasuredPrompt {
                text,
                subject: (!of_picture).then(|| noun.clone()),
            });
        }
    }
    prompts
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// The artist's own prompts, one a line, with whom to measure in each: `subject` where it is
/// given, else the one of `nouns` that the prompt names. Empty lines are passed over.
///
/// # Errors
/// There is no prompt, or one names no such subject, or more than one.
pub fn own_prompts(
    text: &str,
    subject: Option<&str>,
    nouns: &[String],
) -> Result<Vec<MeasuredPrompt>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let prompts: Vec<MeasuredPrompt> = lines
        .map(|line| {
            let subject = match subject {
                Some(subject) => {
                    find_once(line, subject)?;
                    Some(subject.to_owned())
                }
                None if nouns.is_empty() => None,
                None => Some(only_noun(line, nouns)?),
            };
            Ok(MeasuredPrompt {
                text: line.to_owned(),
                subject,
            })
        })
        .collect::<Result<_>>()?;
    if prompts.is_empty() {
        return Err(EngineError::request(
            "prompts",
            "there is none; write one a line",
        ));
    }
    Ok(prompts)
}

fn only_noun(prompt: &str, nouns: &[String]) -> Result<String> {
    let named = |noun: &&String| !find_phrase(prompt, noun).is_empty();
    let mut found = nouns.iter().filter(named);
    match (found.next(), found.next()) {
        (Some(only), None) => {
            find_once(prompt, only)?;
            Ok(only.clone())
        }
        (first, _) => Err(EngineError::request(
            "subject",
            format!(
                "the prompt \"{prompt}\" names {} of {}, which the control is for; say which \
                 subject is meant, as NAME@SUBJECT",
                if first.is_some() {
                    "more than one"
                } else {
                    "none"
                },
                nouns.join(", ")
            ),
        )),
    }
}

/// The one place where `phrase` stands in `prompt`.
///
/// # Errors
/// It is not there, or more than once.
pub(super) fn find_once(prompt: &str, phrase: &str) -> Result<Range<usize>> {
    let mut places = find_phrase(prompt, phrase);
    match (places.pop(), places.len()) {
        (Some(place), 0) => Ok(place),
        (Some(_), others) => Err(EngineError::request(
            "subject",
            format!(
                "\"{phrase}\" stands {} times in the prompt \"{prompt}\"; add words beside it \
                 that only one place has",
                others + 1
            ),
        )),
        (None, _) => Err(EngineError::request(
            "subject",
            format!("\"{phrase}\" is not in the prompt \"{prompt}\""),
        )),
    }
}

/// Where to read an attribute in the pictures of one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// The subjects, or the whole picture where there is no place.
    pub places: Vec<Option<Place>>,
    /// The noun of the subject, where the meter knows it.
    pub noun: Option<String>,
    /// The other subjects that can have the attribute.
    pub others: Vec<Place>,
}

impl Targets {
    /// Where `meter` reads `attribute` in pictures of `prompt`: of its subject, or of the whole
    /// picture; where it names none and the attribute belongs to subjects, of all that can have
    /// it.
    ///
    /// # Errors
    /// The meter does not read the attribute there, or the subject is not in the prompt, is there
    /// twice, or stands where the meter does not know.
    pub fn find(meter: &dyn Meter, attribute: &str, prompt: &MeasuredPrompt) -> Result<Self> {
        let has = |names: Vec<String>| names.iter().any(|name| name == attribute);
        let of_picture = has(meter.picture_attributes());
        let of_subject = has(meter.subject_attributes());
        let named = prompt.subject.as_deref();
        let bytes = named.map(|s| find_once(&prompt.text, s)).transpose()?;
        if !of_picture && !of_subject {
            let mut known = meter.subject_attributes();
            known.extend(meter.picture_attributes());
            return Err(EngineError::request(
                format!("attribute \"{attribute}\""),
                format!("the meter does not read it; it reads {}", known.join(", ")),
            ));
        }
        let placed = meter.subjects(&prompt.text);
        let whole = Self {
            places: vec![None],
            noun: None,
            others: Vec::new(),
        };
        if !of_subject {
            return Ok(whole);
        }
        let (targets, others): (Vec<_>, Vec<_>) = placed.into_iter().partition(|s| match &bytes {
            Some(bytes) => bytes.start <= s.bytes.start && s.bytes.end <= bytes.end,
            None => meter.applies(attribute, &s.noun),
        });
        let able = |s: &super::PlacedSubject| meter.applies(attribute, &s.noun);
        match (targets.as_slice(), named) {
            ([only], Some(_)) if !able(only) => Err(EngineError::request(
                format!("attribute \"{attribute}\""),
                format!("a {} has none; measure another subject", only.noun),
            )),
            ([], None) if of_picture => Ok(whole),
            ([_], Some(_)) | ([_, ..], None) => Ok(Self {
                places: targets.iter().map(|s| Some(s.place)).collect(),
                noun: Some(targets[0].noun.clone()),
                others: others
                    .into_iter()
                    .filter(|s| able(s))
                    .map(|s| s.place)
                    .collect(),
            }),
            _ => Err(EngineError::request(
                "subject",
                format!(
                    "the meter does not know where {} stands in pictures of \"{}\"; name one \
                     subject by its noun, one of {}",
                    named.map_or_else(
                        || format!("a subject with {attribute}"),
                        |s| format!("\"{s}\"")
                    ),
                    prompt.text,
                    meter.nouns().join(", ")
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::measure::fake::FakeMeter;

    fn nouns(all: &[&str]) -> Vec<String> {
        all.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn neutral_prompts_differ_and_name_their_subject_once() {
        let people = nouns(&["man", "woman", "apple"]);
        let prompts = neutral_prompts(&people, &[], 12);
        assert_eq!(prompts.len(), 12);
        let different: BTreeSet<&str> = prompts.iter().map(|p| p.text.as_str()).collect();
        assert_eq!(different.len(), 12);
        let mut pairs = 0;
        for prompt in &prompts {
            let subject = prompt.subject.as_deref().unwrap();
            find_once(&prompt.text, subject).unwrap();
            assert!(!prompt.text.contains("a apple"), "{}", prompt.text);
            pairs += usize::from(prompt.text.contains(" and "));
        }
        assert_eq!(pairs, 4);
        for noun in &people {
            assert!(prompts.iter().any(|p| p.subject.as_ref() == Some(noun)));
        }
    }

    #[test]
    fn one_noun_makes_no_pairs_and_none_means_the_whole_picture() {
        let cars = neutral_prompts(&nouns(&["car"]), &nouns(&["car", "cat"]), 100);
        assert_eq!(cars.len(), SCENES.len());
        assert!(cars.iter().all(|p| !p.text.contains(" and ")));
        let whole = neutral_prompts(&[], &nouns(&["cat", "cup"]), 5);
        assert!(whole.iter().all(|p| p.subject.is_none()));
        assert_eq!(whole[0].text, "a cat on a beach");
        assert_eq!(neutral_prompts(&[], &[], 3)[1].text, "a woman in a room");
    }

    #[test]
    fn own_prompts_are_read_by_line_and_bad_ones_are_named() {
        let people = nouns(&["man", "woman"]);
        let read = own_prompts("a man\n\n a cat and a Woman \n", None, &people).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[1].subject.as_deref(), Some("woman"));
        let whole = own_prompts("anything", None, &[]).unwrap();
        assert_eq!(whole[0].subject, None);
        for (text, subject, expected) in [
            ("", None, "there is none"),
            ("a cat", None, "names none of man, woman"),
            ("a man and a woman", None, "names more than one of"),
            ("a man and a man", None, "stands 2 times"),
            (
                "a cat",
                Some("dog"),
                "\"dog\" is not in the prompt \"a cat\"",
            ),
            ("a cat by a cat", Some("cat"), "stands 2 times"),
        ] {
            let error = own_prompts(text, subject, &people).unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn targets_are_the_subject_or_all_that_can_be_meant() {
        let meter = FakeMeter::default();
        let find = |attribute: &str, text: &str, subject: Option<&str>| {
            let prompt = MeasuredPrompt {
                text: text.to_owned(),
                subject: subject.map(str::to_owned),
            };
            Targets::find(&meter, attribute, &prompt)
        };
        let at = |index: usize| Place { index, count: 2 };
        let one = find("smile", "an old man and a woman", Some("old man")).unwrap();
        assert_eq!((one.places, one.others), (vec![Some(at(0))], vec![at(1)]));
        assert_eq!(one.noun.as_deref(), Some("man"));
        // A car smiles at nobody.
        let beside = find("smile", "a man and a car", Some("man")).unwrap();
        assert!(beside.others.is_empty());
        let all = find("smile", "a man and a woman", None).unwrap();
        assert_eq!(all.places, [Some(at(0)), Some(at(1))]);
        let whole = find("brightness", "a man and a woman", Some("man")).unwrap();
        assert_eq!(whole.places, [None]);
        for (attribute, text, subject, expected) in [
            (
                "beauty",
                "a man",
                None,
                "the meter does not read it; it reads smile, age, brightness",
            ),
            ("smile", "a man", Some("dog"), "is not in the prompt"),
            ("smile", "a man and a man", Some("man"), "stands 2 times"),
            ("smile", "a man and a car", Some("car"), "a car has none"),
            (
                "smile",
                "a ghost",
                Some("ghost"),
                "does not know where \"ghost\" stands",
            ),
            (
                "smile",
                "a cup",
                None,
                "does not know where a subject with smile stands",
            ),
        ] {
            let error = find(attribute, text, subject).unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }
}
