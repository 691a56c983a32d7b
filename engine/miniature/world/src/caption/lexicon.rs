//! Every word that the grammar can produce.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::phrases::{self, GRADES, Join, PAIRS, PAIRS_RIGHT_FIRST};
use crate::attributes::{Background, Continuous, Discrete, Kind};

/// The words of a text: runs of letters, digits and hyphens, in order. Commas separate and are no
/// words.
pub fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-'))
        .filter(|word| !word.is_empty())
        .collect()
}

fn phrases_of_all() -> Vec<String> {
    let mut all: Vec<String> = Kind::ALL.map(|k| k.noun().to_owned()).to_vec();
    for a in Continuous::ALL {
        for kind in [Kind::Man, Kind::Boy] {
            for grade in 0..GRADES {
                all.extend((0..phrases::wordings(a)).map(|w| phrases::before(a, kind, grade, w)));
                all.push(phrases::after(a, kind, grade).1);
            }
        }
        for percent in (0..=100).step_by(5) {
            all.push(phrases::percent_before(a, percent));
            all.push(phrases::percent_after(a, percent).1);
        }
    }
    for a in Discrete::ALL {
        for class in 0..a.classes().len() {
            all.extend(phrases::class_before(a, class));
            all.extend(phrases::class_after(a, class).map(|(_, words)| words));
        }
    }
    for background in Background::ALL {
        let (preposition, noun) = phrases::place(background);
        all.push(format!("{preposition} {noun}"));
    }
    all.extend(Discrete::PlainColor.classes().iter().map(|&c| c.to_owned()));
    let joins = [Join::Of, Join::In, Join::With, Join::Without];
    all.extend(joins.map(|j| j.word().to_owned()));
    all.extend(PAIRS.into_iter().chain(PAIRS_RIGHT_FIRST).map(|pattern| {
        // The places of the subjects are no words.
        pattern.replace(['1', '2'], " ")
    }));
    all.push("a an and or plain picture of".to_owned());
    all
}

/// Every word that a caption can contain, lower case, sorted, each once.
pub fn lexicon() -> Vec<&'static str> {
    static WORDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    WORDS
        .get_or_init(|| {
            phrases_of_all()
                .iter()
                .flat_map(|phrase| words(phrase))
                .map(str::to_owned)
                .collect()
        })
        .iter()
        .map(String::as_str)
        .collect()
}
