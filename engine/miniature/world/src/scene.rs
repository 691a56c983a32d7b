//! The scene: everything that a picture and its caption are made from.

use serde::{Deserialize, Serialize};

use crate::attributes::{Attribute, Background, Continuous, Discrete, Kind, Value};
use crate::draw;

/// Width and height of every picture, in pixels.
pub const SIZE: usize = 128;

/// One subject. It stores every attribute, also those that its kind does not show, so that
/// changing the kind and changing it back loses nothing; [`Scene::continuous`] and
/// [`Scene::discrete`] answer only for those that apply.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// What the subject is.
    pub kind: Kind,
    /// [`Continuous::Age`], `0..=1`.
    pub age: f32,
    /// [`Continuous::Smile`], `0..=1`.
    pub smile: f32,
    /// [`Continuous::EyeOpenness`], `0..=1`.
    pub eye_openness: f32,
    /// [`Continuous::HairLength`], `0..=1`.
    pub hair_length: f32,
    /// [`Continuous::FaceWidth`], `0..=1`.
    pub face_width: f32,
    /// [`Continuous::CarWidth`], `0..=1`.
    pub car_width: f32,
    /// [`Continuous::CarAge`], `0..=1`.
    pub car_age: f32,
    /// [`Continuous::Size`], `0..=1`.
    pub size: f32,
    /// Class of [`Discrete::HairColor`].
    pub hair_color: usize,
    /// Class of [`Discrete::SkinTone`].
    pub skin_tone: usize,
    /// Class of [`Discrete::ClothesColor`].
    pub clothes_color: usize,
    /// Class of [`Discrete::FurColor`].
    pub fur_color: usize,
    /// Class of [`Discrete::PaintColor`].
    pub paint_color: usize,
    /// Class of [`Discrete::Glasses`].
    pub glasses: usize,
    /// Class of [`Discrete::Beard`].
    pub beard: usize,
    /// Class of [`Discrete::Hat`].
    pub hat: usize,
    /// Class of [`Discrete::Material`].
    pub material: usize,
}

/// What belongs to the picture as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureAttributes {
    /// [`Continuous::Brightness`], `0..=1`.
    pub brightness: f32,
    /// [`Continuous::Warmth`], `0..=1`.
    pub warmth: f32,
    /// [`Continuous::Detail`], `0..=1`.
    pub detail: f32,
    /// [`Continuous::Realism`], `0..=1`.
    pub realism: f32,
}

/// One or two subjects on a background.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The subjects, left to right; one or two.
    pub subjects: Vec<Subject>,
    /// What lies behind them.
    pub background: Background,
    /// Class of [`Discrete::PlainColor`]; shown by a plain background only.
    pub plain_color: usize,
    /// What belongs to the picture as a whole.
    pub picture: PictureAttributes,
    /// Offset of each place from its nominal centre, in pixels, left to right. It belongs to the
    /// place, not to the subject that stands there.
    pub jitter: [[f32; 2]; 2],
}

/// A drawn picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Rows from the top, three bytes (red, green, blue, sRGB) for each pixel.
    pub rgb: Vec<u8>,
}

impl Subject {
    fn continuous_field(&mut self, attribute: Continuous) -> Option<&mut f32> {
        if !attribute.applies_to(self.kind) {
            return None;
        }
        Some(match attribute {
            Continuous::Age => &mut self.age,
            Continuous::Smile => &mut self.smile,
            Continuous::EyeOpenness => &mut self.eye_openness,
            Continuous::HairLength => &mut self.hair_length,
            Continuous::FaceWidth => &mut self.face_width,
            Continuous::CarWidth => &mut self.car_width,
            Continuous::CarAge => &mut self.car_age,
            Continuous::Size => &mut self.size,
            _ => return None,
        })
    }

    fn discrete_field(&mut self, attribute: Discrete) -> Option<&mut usize> {
        if !attribute.applies_to(self.kind) {
            return None;
        }
        Some(match attribute {
            Discrete::HairColor => &mut self.hair_color,
            Discrete::SkinTone => &mut self.skin_tone,
            Discrete::ClothesColor => &mut self.clothes_color,
            Discrete::FurColor => &mut self.fur_color,
            Discrete::PaintColor => &mut self.paint_color,
            Discrete::Glasses => &mut self.glasses,
            Discrete::Beard => &mut self.beard,
            Discrete::Hat => &mut self.hat,
            Discrete::Material => &mut self.material,
            _ => return None,
        })
    }
}

impl PictureAttributes {
    fn field(&mut self, attribute: Continuous) -> Option<&mut f32> {
        Some(match attribute {
            Continuous::Brightness => &mut self.brightness,
            Continuous::Warmth => &mut self.warmth,
            Continuous::Detail => &mut self.detail,
            Continuous::Realism => &mut self.realism,
            _ => return None,
        })
    }
}

impl Scene {
    /// Value of a continuous attribute, `0..=1`, of a subject or (`None`) of the picture. `None`
    /// when it does not apply there.
    pub fn continuous(&self, subject: Option<usize>, attribute: Continuous) -> Option<f32> {
        match subject {
            None => self.picture.clone().field(attribute).copied(),
            Some(i) => self
                .subjects
                .get(i)
                .and_then(|s| s.clone().continuous_field(attribute).copied()),
        }
    }

    /// Sets a continuous attribute, clamped to `0..=1`. False, and nothing changed, when it does
    /// not apply there or the value is not a number.
    pub fn set_continuous(
        &mut self,
        subject: Option<usize>,
        attribute: Continuous,
        value: f32,
    ) -> bool {
        let field = match subject {
            None => self.picture.field(attribute),
            Some(i) => self
                .subjects
                .get_mut(i)
                .and_then(|s| s.continuous_field(attribute)),
        };
        match field {
            Some(field) if !value.is_nan() => {
                *field = value.clamp(0.0, 1.0);
                true
            }
            _ => false,
        }
    }

    /// Class index of a discrete attribute of a subject or (`None`) of the picture. `None` when it
    /// does not apply there.
    pub fn discrete(&self, subject: Option<usize>, attribute: Discrete) -> Option<usize> {
        match (subject, attribute) {
            (None, Discrete::Background) => Some(self.background as usize),
            (None, Discrete::PlainColor) => {
                (self.background == Background::Plain).then_some(self.plain_color)
            }
            (Some(i), Discrete::Kind) => self.subjects.get(i).map(|s| s.kind as usize),
            (Some(i), _) => self
                .subjects
                .get(i)
                .and_then(|s| s.clone().discrete_field(attribute).copied()),
            (None, _) => None,
        }
    }

    /// Sets a discrete attribute. False, and nothing changed, when it does not apply there or
    /// there is no such class.
    pub fn set_discrete(
        &mut self,
        subject: Option<usize>,
        attribute: Discrete,
        class: usize,
    ) -> bool {
        if class >= attribute.classes().len() || self.discrete(subject, attribute).is_none() {
            return false;
        }
        match (subject, attribute) {
            (None, Discrete::Background) => self.background = Background::ALL[class],
            (None, _) => self.plain_color = class,
            (Some(i), Discrete::Kind) => self.subjects[i].kind = Kind::ALL[class],
            (Some(i), _) => {
                if let Some(field) = self.subjects[i].discrete_field(attribute) {
                    *field = class;
                }
            }
        }
        true
    }

    /// Value of any attribute of a subject or (`None`) of the picture.
    pub fn value(&self, subject: Option<usize>, attribute: Attribute) -> Option<Value> {
        match attribute {
            Attribute::Continuous(a) => self.continuous(subject, a).map(Value::Continuous),
            Attribute::Discrete(a) => self.discrete(subject, a).map(Value::Discrete),
        }
    }

    /// Sets any attribute; false when it does not apply there or the value is of the other sort.
    pub fn set_value(
        &mut self,
        subject: Option<usize>,
        attribute: Attribute,
        value: Value,
    ) -> bool {
        match (attribute, value) {
            (Attribute::Continuous(a), Value::Continuous(v)) => self.set_continuous(subject, a, v),
            (Attribute::Discrete(a), Value::Discrete(c)) => self.set_discrete(subject, a, c),
            _ => false,
        }
    }

    /// Every place and attribute that applies in this scene: the subjects' in order, then the
    /// picture's. The kinds are among them.
    pub fn applicable(&self) -> Vec<(Option<usize>, Attribute)> {
        let places = (0..self.subjects.len()).map(Some).chain([None]);
        let all = || {
            Continuous::ALL
                .map(Attribute::Continuous)
                .into_iter()
                .chain(Discrete::ALL.map(Attribute::Discrete))
        };
        places
            .flat_map(|place| all().map(move |attribute| (place, attribute)))
            .filter(|&(place, attribute)| self.value(place, attribute).is_some())
            .collect()
    }

    /// Draws the scene. The same scene gives the same bytes.
    pub fn render(&self) -> Picture {
        draw::render(self)
    }

    /// Centre of a subject's head, in pixels, and the scale of its place (1 for a single subject).
    pub(crate) fn place(&self, subject: usize) -> ([f32; 2], f32) {
        let ([x, y], scale) = match (self.subjects.len(), subject) {
            (1, _) => ([64.0, 57.0], 1.0),
            (_, 0) => ([35.0, 62.0], 0.84),
            _ => ([93.0, 62.0], 0.84),
        };
        let [dx, dy] = self.jitter[subject.min(1)];
        ([x + dx, y + dy], scale)
    }

    /// The nominal box of a subject's place: left, top, right, bottom in pixels. It depends only
    /// on the number of subjects, so that a meter always sees the same crop.
    pub fn region(&self, subject: usize) -> [f32; 4] {
        match (self.subjects.len(), subject) {
            (1, _) => [8.0, 4.0, 120.0, 124.0],
            (_, 0) => [0.0, 12.0, 72.0, 124.0],
            _ => [56.0, 12.0, 128.0, 124.0],
        }
    }
}
