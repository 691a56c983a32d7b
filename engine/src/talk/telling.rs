//! Plain English for what is done, and for what is not.

use super::clause::Clause;
use super::moves::{Level, WordsBy, WordsMove};
use super::picked::Picked;
use super::resolve::{Made, Resolver, Stop};
use super::who::list;

impl Resolver<'_> {
    /// `the smile of the woman`.
    pub(super) fn of(&self, label: &str, subject: Option<usize>) -> String {
        match subject {
            Some(at) => format!("the {label} of {}", self.scene.name_of(at)),
            None => format!("the {label} of the picture"),
        }
    }

    /// What is said where words name nothing that can be moved.
    pub(super) fn not_understood(&self, clause: &Clause) -> Stop {
        let there = self.what_there_is(None);
        if !clause.unknown.is_empty() {
            let words = clause.unknown.join(" ");
            return Stop::Refuse(format!("I know no control for “{words}”; {there}."));
        }
        let word = clause
            .noun_texts
            .first()
            .or(clause.said.as_ref().map(|said| &said.text));
        match word {
            Some(word) => Stop::Refuse(format!(
                "What about “{word}”? Say which way and how far, such as “more”, “a bit less” or \
                 “to 0.8”."
            )),
            None => Stop::Refuse(format!("I do not understand what is to change; {there}.")),
        }
    }

    pub(super) fn cannot(
        &self,
        clause: &Clause,
        readings: &[Picked],
        subject: Option<usize>,
    ) -> Stop {
        let what = self.wording_of(clause, readings);
        Stop::Refuse(match subject {
            Some(at) => {
                let name = capital(&self.scene.name_of(at));
                let labels = self.scene.labels(self.lexicon, Some(at));
                let rest = if labels.is_empty() {
                    "none is for it".to_owned()
                } else {
                    format!("there are {}", list(&labels, "and"))
                };
                format!("{name}: I know no control for “{what}”; {rest}.")
            }
            None => format!(
                "I know no control for “{what}”; {}.",
                self.what_there_is(None)
            ),
        })
    }

    /// `there are age, beard and smile`.
    pub(super) fn what_there_is(&self, subject: Option<usize>) -> String {
        let labels = self.scene.labels(self.lexicon, subject);
        if labels.is_empty() {
            "there are no controls here".to_owned()
        } else {
            format!("there are {}", list(&labels, "and"))
        }
    }
}

/// What a move of a control does.
pub(super) fn sentence(resolver: &Resolver<'_>, made: &Made) -> String {
    let own = &made.control;
    let of = capital(&resolver.of(&resolver.lexicon.label(&own.attribute), made.subject));
    let cut = if made.is_cut {
        ", which is as far as it goes"
    } else {
        ""
    };
    match (own.from, own.to) {
        _ if own.is_neutral => format!("{of} goes back to neutral."),
        (Level::Reading(from), to) => {
            format!(
                "{of} goes from {from:.2} to {:.2} as the meter reads it{cut}.",
                to.value()
            )
        }
        (Level::Units(from), to) => format!(
            "{of} moves from {from:.2} to {:.2} on its slider, as no meter reads it{cut}.",
            to.value()
        ),
    }
}

/// What other words do.
pub(super) fn words_sentence(words: &WordsMove) -> String {
    match words.by {
        WordsBy::Edit => format!("The edit turns “{}” into “{}”.", words.from, words.to),
        WordsBy::Prompt => format!(
            "In the prompt “{}” becomes “{}”, and the picture is made anew.",
            words.from, words.to
        ),
    }
}

/// With a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}
