//! What shall change in a picture, thing by thing.

use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EditMethod, EditPart, MaskUse};
use crate::conditioning::{find_phrase, split_words};
use crate::{EngineError, Result};

/// An edit of the recipe's source. The recipe's prompt says what the source shows; this says what
/// is to be shown instead, thing by thing, and nothing else may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// What changes, in no particular order.
    pub changes: Vec<Change>,
    /// How it is made.
    #[serde(default, skip_serializing_if = "EditMethod::is_usual")]
    pub method: EditMethod,
    /// For how large a part of the steps, 0..=1, the shapes of the source are kept, by its queries
    /// and keys in the self-attentions.
    #[serde(default = "usual_structure")]
    pub structure: f64,
    /// Parts of the method that are left out. Without any of them it is plain virtual inversion
    /// (InfEdit, arXiv 2312.04965): words may act anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<EditPart>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its words in the prompt, such as `red apple`.
    pub from: String,
    /// What to show instead, such as `green pear`.
    pub to: String,
    /// Where it is; absent where the model is to find it by its words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskUse>,
    /// How far it goes from its old words to the new ones, 0..=1.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub strength: f64,
    /// Whether it is kept aside and does nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// The prompt that an edit leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedPrompt {
    /// The prompt with the changes made.
    pub text: String,
    /// For each change that is not muted, in the recipe's order.
    pub places: Vec<EditedPlace>,
}

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedPlace {
    /// Which of the recipe's changes.
    pub change: usize,
    /// Its old words in the recipe's prompt, in bytes.
    pub from: Range<usize>,
    /// Its new words in the prompt that results, in bytes.
    pub to: Range<usize>,
}

fn usual_structure() -> f64 {
    0.5
}

fn whole() -> f64 {
    1.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_whole(strength: &f64) -> bool {
    (*strength - 1.0).abs() < f64::EPSILON
}

impl Change {
    /// `from` becomes `to` wholly, wherever the model finds it.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            to: to.into(),
            mask: None,
            strength: whole(),
            muted: false,
            unknown: serde_json::Map::new(),
        }
    }
}

impl FromStr for Change {
    type Err = EngineError;

    /// `red apple -> green pear`; `→` does as well.
    fn from_str(text: &str) -> Result<Self> {
        let sides: Vec<&str> = text.split("->").flat_map(|part| part.split('→')).collect();
        match sides.as_slice() {
            [from, to] if !from.trim().is_empty() && !to.trim().is_empty() => {
                Ok(Self::new(from.trim(), to.trim()))
            }
            _ => Err(EngineError::request(
                "edit",
                format!("\"{text}\" is not written as \"red apple -> green pear\""),
            )),
        }
    }
}

impl Edit {
    /// The most things that one edit changes.
    pub const MOST_CHANGES: usize = 16;

    /// These changes, made without leaks.
    pub fn new(changes: Vec<Change>) -> Self {
        Self {
            changes,
            method: EditMethod::default(),
            structure: usual_structure(),
            without: Vec::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Whether `part` is at work.
    pub fn has(&self, part: EditPart) -> bool {
        !self.without.contains(&part)
    }

    /// What `prompt`, which says what the source shows, becomes. An article before new words is set
    /// to fit.
    ///
    /// # Errors
    /// A change's words are not in the prompt, or there more than once; two changes speak of the
    /// same words; or none is left that is not muted.
    pub fn edited_prompt(&self, prompt: &str) -> Result<EditedPrompt> {
        let mut found: Vec<(usize, Range<usize>)> = Vec::new();
        for (index, change) in self.changes.iter().enumerate() {
            if !change.muted {
                found.push((index, find(prompt, &change.from)?));
            }
        }
        if found.is_empty() {
            let problem = "nothing is left to change; give a change that is not muted";
            return Err(EngineError::request("edit", problem));
        }
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by_key(|&i| found[i].1.start);
        for pair in order.windows(2) {
            let ((first, before), (second, after)) = (&found[pair[0]], &found[pair[1]]);
            if before.end > after.start {
                return Err(EngineError::request(
                    "edit",
                    format!(
                        "\"{}\" and \"{}\" speak of the same words of the prompt; make them one \
                         change, or mute one of them",
                        self.changes[*first].from, self.changes[*second].from
                    ),
                ));
            }
        }
        let mut text = String::with_capacity(prompt.len());
        let mut places = vec![None; found.len()];
        let mut at = 0;
        for i in order {
            let (change, from) = &found[i];
            text.push_str(&prompt[at..from.start]);
            let to = &self.changes[*change].to;
            fit_article(&mut text, to);
            let start = text.len();
            text.push_str(to);
            at = from.end;
            places[i] = Some(EditedPlace {
                change: *change,
                from: from.clone(),
                to: start..text.len(),
            });
        }
        text.push_str(&prompt[at..]);
        Ok(EditedPrompt {
            text,
            places: places.into_iter().flatten().collect(),
        })
    }

    /// The same edit with all changes but one muted.
    #[must_use]
    pub fn with_change_alone(&self, change: usize) -> Self {
        let mut alone = self.clone();
        for (at, other) in alone.changes.iter_mut().enumerate() {
            other.muted |= at != change;
        }
        alone
    }

    /// Checks what can be checked without pictures; `prompt` is the recipe's.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the change and what is wrong with it.
    pub fn validate(&self, prompt: &str) -> Result<()> {
        if self.changes.len() > Self::MOST_CHANGES {
            return Err(EngineError::request(
                "edit",
                format!(
                    "has {} changes; make at most {} at once",
                    self.changes.len(),
                    Self::MOST_CHANGES
                ),
            ));
        }
        if !(0.0..=1.0).contains(&self.structure) {
            return Err(EngineError::request(
                "structure",
                format!("{} is not from 0 to 1", self.structure),
            ));
        }
        for change in &self.changes {
            let field = || format!("edit \"{}\"", change.from);
            if split_words(&change.to).is_empty() {
                let problem = "says nothing to show instead; give at least a word";
                return Err(EngineError::request(field(), problem));
            }
            if !(0.0..=1.0).contains(&change.strength) {
                let problem = format!("its strength {} is not from 0 to 1", change.strength);
                return Err(EngineError::request(field(), problem));
            }
            if let Some(mask) = &change.mask {
                mask.validate(&field())?;
            }
        }
        self.edited_prompt(prompt).map(drop)
    }
}

/// The one place where the words of `phrase` stand in `prompt`, in any case.
fn find(prompt: &str, phrase: &str) -> Result<Range<usize>> {
    let field = format!("edit \"{phrase}\"");
    if split_words(phrase).is_empty() {
        let problem = "names no words of the prompt; say what is to change";
        return Err(EngineError::request(field, problem));
    }
    let mut places = find_phrase(prompt, phrase).into_iter();
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(EngineError::request(
            field,
            format!(
                "stands in the prompt \"{prompt}\" more than once; add words beside it that only \
                 one place has"
            ),
        )),
        (None, _) => Err(EngineError::request(
            field,
            format!("is not in the prompt \"{prompt}\", which says what the picture shows"),
        )),
    }
}

/// Sets the article at the end of `text` to what `next` asks for.
fn fit_article(text: &mut String, next: &str) {
    let Some(word) = split_words(text).pop() else {
        return;
    };
    if !text[word.end..].trim().is_empty() {
        return;
    }
    let vowel = next
        .chars()
        .next()
        .is_some_and(|c| "aeiouAEIOU".contains(c));
    let fitting = match (&text[word.clone()], vowel) {
        ("a", true) => "an",
        ("an", false) => "a",
        ("A", true) => "An",
        ("An", false) => "A",
        _ => return,
    };
    text.replace_range(word, fitting);
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{PictureRef, Source, from_json, to_json};
    use super::*;

    fn edit(changes: &[&str]) -> Edit {
        Edit::new(changes.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn changes_are_written_with_an_arrow() {
        let change: Change = " red apple → green pear".parse().unwrap();
        assert_eq!(
            (change.from.as_str(), change.to.as_str()),
            ("red apple", "green pear")
        );
        assert_eq!("a->b".parse::<Change>().unwrap(), Change::new("a", "b"));
        for bad in ["", "a", "a ->", "-> b", "a -> b -> c", "a → b -> c"] {
            let said = bad.parse::<Change>().unwrap_err();
            assert!(said.is_usage(), "{said}");
        }
    }

    #[test]
    fn new_words_take_the_place_of_old_ones_and_articles_fit() {
        let edit = edit(&["white dog -> orange cat", "black cat -> dog"]);
        let edited = edit
            .edited_prompt("A black cat and a White dog in a room")
            .unwrap();
        assert_eq!(edited.text, "A dog and an orange cat in a room");
        let said: Vec<&str> = edited
            .places
            .iter()
            .map(|place| &edited.text[place.to.clone()])
            .collect();
        assert_eq!(said, ["orange cat", "dog"]);
        assert_eq!(edited.places[1].from, 2..11);
    }

    #[test]
    fn muted_changes_do_nothing() {
        let mut edit = edit(&["cat -> dog", "room -> forest"]);
        edit.changes[0].muted = true;
        let edited = edit.edited_prompt("a cat in a room").unwrap();
        assert_eq!(edited.text, "a cat in a forest");
        assert_eq!(edited.places[0].change, 1);
        edit.changes[1].muted = true;
        let said = edit.edited_prompt("a cat in a room").unwrap_err();
        assert!(said.to_string().contains("not muted"), "{said}");
    }

    #[test]
    fn what_cannot_be_edited_is_named() {
        let prompt = "a cat, a cat and a red car";
        for (changes, expected) in [
            (vec!["dog -> cat"], "edit \"dog\": is not in the prompt"),
            (vec!["cat -> dog"], "more than once"),
            (
                vec!["red car -> blue car", "car -> house"],
                "speak of the same words",
            ),
            (vec!["... -> dog"], "names no words"),
            (vec!["car -> ..."], "nothing to show"),
        ] {
            let said = edit(&changes).validate(prompt).unwrap_err();
            assert!(
                said.is_usage() && said.to_string().contains(expected),
                "{said}"
            );
        }
        let mut strong = edit(&["car -> house"]);
        strong.changes[0].strength = 2.0;
        let said = strong.validate(prompt).unwrap_err().to_string();
        assert!(said.contains("its strength 2"), "{said}");
        let mut rigid = edit(&["car -> house"]);
        rigid.structure = -0.1;
        assert!(rigid.validate(prompt).is_err());
    }

    #[test]
    fn an_edit_needs_a_source_and_comes_back_from_json() {
        let mut recipe = sample();
        recipe.edit = Some(edit(&["black cat -> grey cat"]));
        let said = recipe.validate().unwrap_err().to_string();
        assert!(said.contains("edit: there is no picture"), "{said}");
        recipe.source = Some(Source::new(
            PictureRef {
                hash: "a".to_owned(),
                ..PictureRef::default()
            },
            1.0,
        ));
        recipe.validate().unwrap();
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        assert!(!text.contains("muted") && !text.contains("\"mask\""));
        let back = from_json(&text, std::path::Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe]);
        assert!(!to_json(&[sample()]).unwrap().contains("edit"));
    }
}
