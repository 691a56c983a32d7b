//! What comes of a sentence.

use serde::Serialize;

/// What a sentence means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Something is to be changed.
    Change(Understood),
    /// So many of the last changes are to be taken back.
    Undo {
        /// How many, at least 1.
        count: usize,
    },
    /// The change that was last taken back is to be made again.
    Redo,
    /// It could not be settled; the next sentence may be the answer.
    Ask(Question),
    /// It is understood, and there is nothing to do.
    Nothing {
        /// Why.
        say: String,
    },
}

/// Moves that a sentence asks for.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Understood {
    /// What moves.
    pub moves: Vec<Move>,
    /// What will be done, in plain English.
    pub summary: String,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Move {
    /// A control.
    Control(ControlMove),
    /// Words of the prompt.
    Words(WordsMove),
}

/// A value on the meter's scale or on a slider's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// What the meter reads or is to read, 0..1.
    Reading(f64),
    /// Calibrated units of the slider; raw ones where it was never calibrated.
    Units(f64),
}

impl Level {
    /// The number alone.
    pub fn value(self) -> f64 {
        match self {
            Self::Reading(value) | Self::Units(value) => value,
        }
    }
}

/// A control that moves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ControlMove {
    /// The control, as recipes call it.
    pub control: String,
    /// What it moves.
    pub attribute: String,
    /// The subject's words; absent for the whole picture.
    pub subject: Option<String>,
    /// What is there now.
    pub from: Level,
    /// What is asked for, of the same kind.
    pub to: Level,
    /// Whether the control is put back to where it does nothing.
    pub is_neutral: bool,
}

/// How words come into the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WordsBy {
    /// The prompt itself changes, and the picture is made anew.
    Prompt,
    /// The recipe's edit changes them in its picture.
    Edit,
}

/// Words that become others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WordsMove {
    /// Words of the prompt, found there once.
    pub from: String,
    /// What takes their place.
    pub to: String,
    /// How.
    pub by: WordsBy,
}

/// A question back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// What is asked, or what is not understood.
    pub text: String,
    /// Answers that would settle it; none where the sentence is to be said otherwise.
    pub choices: Vec<String>,
}
