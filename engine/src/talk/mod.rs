//! Edits that are asked for in plain words: "make her smile a bit more", "the left one older",
//! "undo that" (after Talk-to-Edit, arXiv 2109.04425).
//!
//! No language model reads them: a grammar over what is there. [`Lexicon`] holds words and their
//! senses, [`Scene`] says who is in the picture, which controls there are and what the meter reads,
//! [`Dialogue`] keeps what was said before and what is still to be answered. A sentence becomes an
//! [`Outcome`]: moves with their values, a question, or the reason why nothing is to be done. The
//! same sentence in the same place always means the same; between two subjects nothing is guessed.
//! [`apply`] carries moves into a recipe, whose measured values the render then reaches in closed
//! loop.

mod amount;
mod apply;
mod clause;
mod dialogue;
mod follow;
mod lexicon;
mod moves;
mod picked;
mod readings;
mod resolve;
mod scan;
mod scene;
mod special;
mod telling;
mod tokens;
mod vocabulary;
mod who;
mod wording;

pub use apply::{apply, is_held};
pub use dialogue::Dialogue;
pub use lexicon::Lexicon;
pub use moves::{ControlMove, Level, Move, Outcome, Question, Understood, WordsBy, WordsMove};
pub use readings::{PictureReadings, ReadingChange, SubjectReadings};
pub use scene::{KnownControl, Scene, SceneSubject};

#[cfg(test)]
mod tests;
