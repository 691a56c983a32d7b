//! The procedural world that Vernier's embedded model is trained on: scenes of one or two
//! subjects, their pictures, captions, exact attribute values and masks.
//!
//! Everything is a pure function of a [`Scene`] (and, where wording or chance is involved, of the
//! random numbers handed in), so training, gates and evaluation can draw fresh material for ever
//! and always know the truth behind a picture.

mod attributes;
mod caption;
mod draw;
mod edits;
mod mask;
mod sample;
mod scene;
mod vary;

pub use attributes::{Attribute, Background, Continuous, Discrete, Kind, Value};
pub use caption::{
    Caption, CaptionOptions, Named, caption, caption_of, lexicon, neutral_caption, words,
};
pub use edits::{EditCase, EditKind, EditedThing};
pub use sample::SampleOptions;
pub use scene::{Picture, PictureAttributes, SIZE, Scene, Subject};
pub use vary::Variation;
