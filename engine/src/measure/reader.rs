//! What every meter can do, whatever it is made of.

use std::fmt::Debug;
use std::ops::Range;

use tch::{Kind, Tensor};

use crate::Result;

/// Where a subject stands in a picture: the `index`-th from the left of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From the left, beginning with 0.
    pub index: usize,
    /// Subjects in the picture.
    pub count: usize,
}

/// A subject that a prompt speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedSubject {
    /// Its noun, as the meter calls it.
    pub noun: String,
    /// Byte range of the noun in the prompt.
    pub bytes: Range<usize>,
    /// Where it is to be seen.
    pub place: Place,
}

/// Reads continuous attributes, 0..1, from pictures.
pub trait Meter: Debug {
    /// Its name, for reports.
    fn name(&self) -> String;

    /// Continuous attributes that it reads of a subject.
    fn subject_attributes(&self) -> Vec<String>;

    /// Continuous attributes that it reads of the whole picture.
    fn picture_attributes(&self) -> Vec<String>;

    /// Readings `[batch]` of `attribute` in `pictures` `[batch, 3, height, width]` in -1..1, of the
    /// subject at `place` or of the whole picture. They may leave 0..1 a little, and carry a graph
    /// where gradients are recorded.
    ///
    /// # Errors
    /// The meter does not read that attribute there, or a tensor operation failed.
    fn score(&self, pictures: &Tensor, attribute: &str, place: Option<Place>) -> Result<Tensor>;

    /// The subjects of `prompt` in reading order; empty where the meter cannot tell them apart.
    fn subjects(&self, prompt: &str) -> Vec<PlacedSubject>;

    /// Readings of `attribute` within 0..1, without a graph.
    ///
    /// # Errors
    /// As [`Meter::score`].
    fn read(&self, pictures: &Tensor, attribute: &str, place: Option<Place>) -> Result<Vec<f64>> {
        let _guard = tch::no_grad_guard();
        let scores = self.score(pictures, attribute, place)?;
        let scores = scores.f_clamp(0.0, 1.0)?.f_to_kind(Kind::Double)?;
        Ok(Vec::try_from(scores.f_contiguous()?)?)
    }
}
