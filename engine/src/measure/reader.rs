//! What every meter can do, whatever it is made of.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::Result;

/// Where a subject stands in a picture: the `index`-th from the left of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Nouns of the subjects that [`Meter::subjects`] knows.
    fn nouns(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a subject of the kind `noun` can have `attribute`: a car has no smile, whatever a
    /// meter reads there.
    fn applies(&self, _attribute: &str, _noun: &str) -> bool {
        true
    }

    /// Where the meter looks for the subject at `place`, as fractions `[left, top, right, bottom]`
    /// of the picture; `None` where it looks at the whole picture.
    fn region(&self, _place: Place) -> Option<[f64; 4]> {
        None
    }

    /// The noun of the kind that each of `pictures` shows at `place`; `None` where the meter reads
    /// no kinds.
    ///
    /// # Errors
    /// There is no such place, or a tensor operation failed.
    fn read_kinds(&self, _pictures: &Tensor, _place: Place) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// The class of every discrete attribute that each of `pictures` shows at `place`, by attribute;
    /// `None` where the meter reads no classes.
    ///
    /// # Errors
    /// There is no such place, or a tensor operation failed.
    fn read_classes(
        &self,
        _pictures: &Tensor,
        _place: Place,
    ) -> Result<Option<Vec<BTreeMap<String, String>>>> {
        Ok(None)
    }

    /// What the meter's network sees in whole `pictures`, level by level, `[batch, channels, h, w]`
    /// each, for [`perceptual_distance`](super::perceptual_distance); `None` where it has no
    /// network.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn features(&self, _pictures: &Tensor) -> Result<Option<Vec<Tensor>>> {
        Ok(None)
    }

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

    /// Readings of everything that the meter reads of the subject at `place`, or of the whole
    /// picture, by attribute.
    ///
    /// # Errors
    /// As [`Meter::score`].
    fn read_all(
        &self,
        pictures: &Tensor,
        place: Option<Place>,
    ) -> Result<BTreeMap<String, Vec<f64>>> {
        let attributes = match place {
            Some(_) => self.subject_attributes(),
            None => self.picture_attributes(),
        };
        let read = |attribute: String| {
            let readings = self.read(pictures, &attribute, place)?;
            Ok((attribute, readings))
        };
        attributes.into_iter().map(read).collect()
    }
}
