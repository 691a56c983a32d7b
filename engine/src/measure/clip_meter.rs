//! A meter that asks CLIP which of two texts a picture looks more like.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::attribute_cache::CachedPoles;
use super::pixels::{WHOLE, crop_region};
use super::places::placed_subjects;
use super::{AttributeCache, ClipReader, Meter, MeterConfig, Place, PlacedSubject, TextPair};
use crate::{EngineError, Result};

/// An attribute that CLIP reads, and the texts at its ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClipAttribute {
    /// Its name, such as `smile`.
    pub name: String,
    /// Whether a subject has it, rather than the whole picture.
    pub of_subject: bool,
    /// What pictures with much and with none of it show.
    pub texts: TextPair,
}

impl ClipAttribute {
    /// Texts for the attributes that artists ask for most.
    pub fn usual() -> Vec<Self> {
        let of_subject = [
            (
                "age",
                "an old person with wrinkles and grey hair",
                "a young person",
            ),
            (
                "smile",
                "a person with a big happy smile",
                "a person with a sad face",
            ),
            (
                "eye_openness",
                "a person with wide open eyes",
                "a person with closed eyes",
            ),
            (
                "hair_length",
                "a person with very long hair",
                "a person with very short hair",
            ),
            (
                "face_width",
                "a person with a wide round face",
                "a person with a narrow long face",
            ),
            ("car_age", "an old rusty car", "a new shiny car"),
            ("size", "a huge object", "a tiny object"),
        ];
        let of_picture = [
            ("brightness", "a bright picture", "a dark picture"),
            (
                "warmth",
                "a picture in warm golden light",
                "a picture in cold blue light",
            ),
            (
                "detail",
                "a picture full of fine details",
                "a plain picture without details",
            ),
            (
                "realism",
                "A real photograph, realistic details and natural lighting.",
                "A cartoon image, an illustration or painting made by a person.",
            ),
        ];
        let attribute = |of_subject: bool| {
            move |(name, positive, negative): (&str, &str, &str)| Self {
                name: name.to_owned(),
                of_subject,
                texts: TextPair::new(positive, negative),
            }
        };
        let subjects = of_subject.into_iter().map(attribute(true));
        let pictures = of_picture.into_iter().map(attribute(false));
        subjects.chain(pictures).collect()
    }
}

/// Which subjects stand where in a model's pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct SubjectLayout {
    /// Nouns of the subjects.
    pub nouns: Vec<String>,
    /// For pictures with one, two, … subjects: each subject's region as fractions
    /// `[left, top, right, bottom]` of the picture.
    pub regions: Vec<Vec<[f64; 4]>>,
}

impl SubjectLayout {
    /// The layout that a meter of the same model was trained for.
    pub fn of(config: &MeterConfig) -> Self {
        let kinds = config.subject_heads.iter().find(|head| head.name == "kind");
        Self {
            nouns: kinds.map_or_else(Vec::new, |head| head.classes.clone()),
            regions: config.regions.clone(),
        }
    }
}

/// Zero-shot readings by CLIP: `softmax` over the scaled cosines of the picture with the texts at
/// an attribute's two ends, and with a cache of the model's own pictures beside them.
#[derive(Debug)]
pub struct ClipMeter {
    clip: ClipReader,
    attributes: Vec<Axis>,
    layout: Option<SubjectLayout>,
}

/// One attribute, ready to be read.
#[derive(Debug)]
struct Axis {
    spec: ClipAttribute,
    /// Positive minus negative text, `[projection_dim]`, times CLIP's scale.
    direction: Tensor,
    cache: Option<CachedPoles>,
}

impl ClipMeter {
    /// A meter of `attributes`. Where the `layout` is not known, subjects' attributes are read
    /// from the whole picture. With a `cache`, those that it holds are read by it too.
    ///
    /// # Errors
    /// There are no attributes, one is named twice, the cache belongs to other towers or cannot
    /// tell an attribute's ends apart, or memory runs out.
    pub fn new(
        clip: ClipReader,
        attributes: Vec<ClipAttribute>,
        layout: Option<SubjectLayout>,
        cache: Option<&AttributeCache>,
    ) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let mut axes: Vec<Axis> = Vec::with_capacity(attributes.len());
        for spec in attributes {
            if axes.iter().any(|axis| axis.spec.name == spec.name) {
                let field = format!("attribute \"{}\"", spec.name);
                return Err(EngineError::request(field, "is given twice; name it once"));
            }
            let direction = text_direction(&clip, &spec.texts)?;
            let cache = match cache {
                Some(cache) => cache.poles(&spec, &direction)?,
                None => None,
            };
            axes.push(Axis {
                spec,
                direction,
                cache,
            });
        }
        Ok(Self {
            clip,
            attributes: axes,
            layout,
        })
    }

    /// The towers that it looks through.
    pub fn clip(&self) -> &ClipReader {
        &self.clip
    }

    /// Names of the attributes that are read of a subject, or of the whole picture.
    fn names(&self, of_subject: bool) -> Vec<String> {
        let axes = self.attributes.iter();
        axes.filter(|axis| (axis.spec.of_subject && self.layout.is_some()) == of_subject)
            .map(|axis| axis.spec.name.clone())
            .collect()
    }

    /// Unit vectors `[batch, projection_dim]` of what `pictures` show at `place`.
    fn look(&self, pictures: &Tensor, place: Option<Place>) -> Result<Tensor> {
        let region = match place {
            None => WHOLE,
            Some(place) => self.region(place).ok_or_else(|| {
                EngineError::request(
                    "subject",
                    format!(
                        "CLIP does not know where the subjects of this model's pictures stand, so \
                         there is no place {} of {}",
                        place.index + 1,
                        place.count
                    ),
                )
            })?,
        };
        self.clip.picture_features(&crop_region(pictures, region)?)
    }
}

/// Positive minus negative text at unit length, times CLIP's scale: its product with a picture's
/// features is the difference of their logits.
pub(super) fn text_direction(clip: &ClipReader, texts: &TextPair) -> Result<Tensor> {
    let features = clip.text_features(&[&texts.positive, &texts.negative])?;
    let scale = clip.model().logit_scale.f_exp()?;
    let difference = features.f_get(0)?.f_sub(&features.f_get(1)?)?;
    Ok(difference.f_mul(&scale)?)
}

impl Axis {
    /// Readings `[batch]` of unit features `[batch, projection_dim]`.
    fn read(&self, features: &Tensor) -> Result<Tensor> {
        let logit = features.f_matmul(&self.direction)?;
        let logit = match &self.cache {
            None => logit,
            Some(cache) => cache.logit(features, &logit)?,
        };
        Ok(logit.f_sigmoid()?)
    }
}

impl Meter for ClipMeter {
    fn name(&self) -> String {
        let cached = self.attributes.iter().any(|axis| axis.cache.is_some());
        let how = if cached {
            "CLIP with a cache"
        } else {
            "CLIP, zero-shot"
        };
        how.to_owned()
    }

    fn subject_attributes(&self) -> Vec<String> {
        self.names(true)
    }

    fn picture_attributes(&self) -> Vec<String> {
        self.names(false)
    }

    fn score(&self, pictures: &Tensor, attribute: &str, place: Option<Place>) -> Result<Tensor> {
        let names = self.names(place.is_some());
        let axis = self.attributes.iter().find(|a| a.spec.name == attribute);
        match axis.filter(|_| names.iter().any(|name| name == attribute)) {
            Some(axis) => axis.read(&self.look(pictures, place)?),
            None => Err(EngineError::request(
                format!("attribute \"{attribute}\""),
                format!(
                    "CLIP was given no texts for it there; it reads {}",
                    names.join(", ")
                ),
            )),
        }
    }

    fn subjects(&self, prompt: &str) -> Vec<PlacedSubject> {
        placed_subjects(prompt, &self.nouns())
    }

    fn nouns(&self) -> Vec<String> {
        let layout = self.layout.as_ref();
        layout.map_or_else(Vec::new, |layout| layout.nouns.clone())
    }

    fn region(&self, place: Place) -> Option<[f64; 4]> {
        let layout = self.layout.as_ref()?;
        let regions = layout.regions.get(place.count.checked_sub(1)?)?;
        regions.get(place.index).copied()
    }

    fn features(&self, pictures: &Tensor) -> Result<Option<Vec<Tensor>>> {
        let vision = &self.clip.model().vision;
        let states = vision.forward(&self.clip.prepare(pictures)?)?.hidden_states;
        let config = vision.config();
        let side = config.image_size / config.patch_size;
        let grid = |states: &Tensor| -> Result<Tensor> {
            // The class token stands for no position.
            let patches = states.f_narrow(1, 1, side * side)?.f_transpose(1, 2)?;
            Ok(patches.f_reshape([-1, config.hidden_size, side, side])?)
        };
        Ok(Some(
            states.iter().skip(1).map(grid).collect::<Result<_>>()?,
        ))
    }

    fn read_all(
        &self,
        pictures: &Tensor,
        place: Option<Place>,
    ) -> Result<BTreeMap<String, Vec<f64>>> {
        let _guard = tch::no_grad_guard();
        let names = self.names(place.is_some());
        if names.is_empty() {
            return Ok(BTreeMap::new());
        }
        let features = self.look(pictures, place)?;
        let asked = self.attributes.iter();
        asked
            .filter(|axis| names.contains(&axis.spec.name))
            .map(|axis| {
                let readings = axis.read(&features)?.f_to_kind(Kind::Double)?;
                let readings = Vec::try_from(readings.f_contiguous()?)?;
                Ok((axis.spec.name.clone(), readings))
            })
            .collect()
    }
}
