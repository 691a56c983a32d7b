//! "Turn the apple into a pear": words of the prompt and others that take their place.

use super::clause::Clause;
use super::scan::Item;
use super::vocabulary::Sense;
use super::{Lexicon, Scene};
use crate::conditioning::find_phrase;

/// Verbs that are followed by "into" alone.
const WEAK: [&str; 1] = ["make"];

/// The replacement that `items` ask for, where they are one: of something that the prompt has, or
/// seems to be meant to have.
pub(super) fn replacement(items: &[Item], lexicon: &Lexicon, scene: &Scene) -> Option<Clause> {
    let verb = items.iter().position(|item| !is_polite(item))?;
    let verb_text = &items[verb].text;
    if !lexicon.replace.contains(verb_text) {
        return None;
    }
    let rest = &items[verb + 1..];
    let middle = rest.iter().position(|item| {
        let weak = WEAK.contains(&verb_text.as_str());
        lexicon.into.contains(&item.text) && (!weak || item.text == "into")
    })?;
    let (from, to) = (bare(&rest[..middle]), bare(&rest[middle + 1..]));
    let means_value = |item: &Item| {
        item.number.is_some()
            || item.senses.iter().any(|sense| {
                matches!(
                    sense,
                    Sense::Halfway | Sense::End | Sense::Neutral | Sense::Said(..) | Sense::Step(_)
                )
            })
    };
    if from.is_empty() || to.is_empty() || to.iter().any(means_value) {
        return None;
    }
    let is_look = |item: &Item| item.is(&Sense::Colour) || item.is(&Sense::Material);
    if matches!(to, [only] if is_look(only)) {
        return None;
    }
    let whom = words_of(from);
    let names_attribute = from.iter().any(|item| {
        let mut senses = item.senses.iter();
        senses.any(|sense| matches!(sense, Sense::Noun(_)))
    });
    if names_attribute && find_phrase(&scene.prompt, &whom).is_empty() {
        return None;
    }
    Some(Clause {
        replace: Some((whom, words_of(to))),
        ..Clause::default()
    })
}

fn is_polite(item: &Item) -> bool {
    item.is_filler() && !matches!(item.text.as_str(), "turn" | "change" | "make")
}

/// Without articles, possessives and courtesies at the ends.
fn bare(items: &[Item]) -> &[Item] {
    let idle = |item: &Item| {
        matches!(
            item.text.as_str(),
            "a" | "an" | "the" | "her" | "his" | "its" | "their" | "please" | "instead"
        )
    };
    let first = items.iter().position(|item| !idle(item));
    let last = items.iter().rposition(|item| !idle(item));
    match (first, last) {
        (Some(first), Some(last)) => &items[first..=last],
        _ => &[],
    }
}

fn words_of(items: &[Item]) -> String {
    let words: Vec<&str> = items.iter().map(|item| item.text.as_str()).collect();
    words.join(" ")
}
