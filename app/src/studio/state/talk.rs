//! A talk about the bench's picture: what was said, what was answered, what is still awaited.

use vernier_engine::recipe::Recipe;
use vernier_engine::service::JobId;
use vernier_engine::talk::{Dialogue, Lexicon, Move, PictureReadings, Understood};

/// So many exchanges are kept.
const MOST_EXCHANGES: usize = 50;
/// A reading that changes by more, though nobody asked, is told.
const WORTH_TELLING: f64 = 0.1;

/// A sentence and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// What the artist said.
    pub said: String,
    /// What will be done, what is asked, or why nothing is done.
    pub answer: String,
    /// Answers that can be clicked, where it is a question.
    pub choices: Vec<String>,
    /// What the meter read afterwards.
    pub after: Option<String>,
}

/// A change whose picture is still to be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) understood: Understood,
    pub(super) before: PictureReadings,
}

/// The talk line's state.
#[derive(Debug, Default)]
pub struct Talk {
    /// What is being written.
    pub text: String,
    exchanges: Vec<Exchange>,
    pub(super) dialogue: Dialogue,
    pub(super) lexicon: Option<Lexicon>,
    /// What was said and waits for the picture to be read.
    pub(super) waiting: Option<String>,
    pub(super) unread: Option<Unread>,
    /// A picture that is being read, and the recipe that made it.
    pub(super) reading: Option<(JobId, Recipe)>,
    /// What was read last.
    known: Option<(Recipe, PictureReadings)>,
}

impl Talk {
    /// What was said so far, the oldest first.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Whether something that was said waits for the picture or its readings.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// What the meter reads of the picture of `recipe`, where it has read it.
    pub(super) fn readings_of(&self, recipe: &Recipe) -> Option<&PictureReadings> {
        let known = self.known.as_ref().filter(|(own, _)| own == recipe);
        known.map(|(_, readings)| readings)
    }

    pub(super) fn keep_readings(&mut self, recipe: Recipe, readings: PictureReadings) {
        self.known = Some((recipe, readings));
    }

    pub(super) fn answer(&mut self, said: String, answer: String, choices: Vec<String>) {
        // Only the newest question can still be answered.
        for exchange in &mut self.exchanges {
            exchange.choices.clear();
        }
        self.exchanges.push(Exchange {
            said,
            answer,
            choices,
            after: None,
        });
        if self.exchanges.len() > MOST_EXCHANGES {
            self.exchanges.remove(0);
        }
    }

    /// Tells under the last answer what the meter reads now.
    pub(super) fn tell_after(&mut self, unread: &Unread, after: &PictureReadings) {
        let changes = unread.before.changes(after);
        let asked = |change: &vernier_engine::talk::ReadingChange| {
            unread.understood.moves.iter().any(|own| match own {
                Move::Control(own) => change.is_of(own.subject.as_deref(), &own.attribute),
                Move::Words(_) => false,
            })
        };
        let (own, others): (Vec<_>, Vec<_>) = changes.into_iter().partition(asked);
        let strong = |change: &vernier_engine::talk::ReadingChange| {
            (change.after - change.before).abs() > WORTH_TELLING
        };
        let mut parts: Vec<String> = own.iter().map(ToString::to_string).collect();
        let others: Vec<String> = others
            .iter()
            .filter(|change| strong(change))
            .map(ToString::to_string)
            .collect();
        if !others.is_empty() {
            parts.push(format!("nobody asked for: {}", others.join("; ")));
        }
        if let (Some(last), false) = (self.exchanges.last_mut(), parts.is_empty()) {
            last.after = Some(format!("Read now: {}.", parts.join("; ")));
        }
    }
}
