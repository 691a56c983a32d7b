//! What a personalization does: how much of the subject is in the pictures that name it, whether
//! they show the place that they say, and what becomes of pictures that do not name it.

use tch::Device;
use vernier_engine::Result;
use vernier_engine::measure::{AttributeMeter, Reading};
use vernier_engine::picture::Picture;
use vernier_world::{Attribute, Background, Continuous, Discrete, Scene, Value};

use super::Readings;
use crate::pool::{normalise, pixels};

/// Attributes that change from picture to picture and tell nothing of who it is.
const MOODS: [Attribute; 3] = [
    Attribute::Continuous(Continuous::Smile),
    Attribute::Continuous(Continuous::EyeOpenness),
    Attribute::Discrete(Discrete::Kind),
];

/// Reads who is in a picture.
#[derive(Debug)]
pub struct SubjectMeter {
    meter: AttributeMeter,
    device: Device,
}

/// One row of what was measured, each 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Personal {
    /// How near the meter's readings are to the subject's attributes in pictures that name it.
    pub likeness: f64,
    /// Fraction of these that show the place that the prompt says.
    pub place: f64,
    /// The same likeness in pictures that name its class alone: what is above the model's own has
    /// leaked into the class.
    pub class_likeness: f64,
    /// Mean change of the pixels of pictures that name neither.
    pub drift: f64,
}

impl Personal {
    /// The row of a table in Markdown.
    pub fn row(&self, name: &str) -> String {
        format!(
            "| {name} | {:.3} | {:.2} | {:.3} | {:.4} |",
            self.likeness, self.place, self.class_likeness, self.drift
        )
    }
}

impl SubjectMeter {
    /// Reads with `meter`, which lies on `device`.
    pub fn new(meter: AttributeMeter, device: Device) -> Self {
        Self { meter, device }
    }

    fn read(&self, picture: &Picture) -> Result<Readings> {
        let picture = normalise(&pixels(picture)?.f_unsqueeze(0)?)?;
        Readings::of(&self.meter, 1, &picture.f_to_device(self.device)?)
    }

    /// How near `picture` is to the subject of `scene`, 0..1: the mean over its lasting attributes of 1 where
    /// the class is right, and of 1 less the distance where it is a number.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn likeness(&self, scene: &Scene, picture: &Picture) -> Result<f64> {
        let readings = self.read(picture)?;
        let Some(read) = readings.subjects.first() else {
            return Ok(0.0);
        };
        let (mut sum, mut count) = (0.0, 0);
        let wanted = Attribute::all().filter(|a| !a.is_picture_level() && !MOODS.contains(a));
        for attribute in wanted {
            let (Some(value), Some(reading)) =
                (scene.value(Some(0), attribute), read.get(attribute.name()))
            else {
                continue;
            };
            sum += match (value, reading) {
                (Value::Continuous(value), Reading::Value(read)) => {
                    1.0 - (f64::from(value) - read).abs().min(1.0)
                }
                (Value::Discrete(class), Reading::Class { index, .. }) => {
                    f64::from(u8::from(class == *index))
                }
                _ => 0.0,
            };
            count += 1;
        }
        Ok(sum / f64::from(count.max(1)))
    }

    /// Whether `picture` shows `background`.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn shows(&self, background: Background, picture: &Picture) -> Result<bool> {
        let readings = self.read(picture)?;
        let read = readings.picture.get(Discrete::Background.name());
        Ok(matches!(read, Some(Reading::Class { index, .. }) if *index == background as usize))
    }
}

/// Mean change of the pixels, 0..1.
pub(crate) fn change(a: &Picture, b: &Picture) -> f64 {
    let pairs = a.rgb.iter().zip(&b.rgb);
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / (255.0 * a.rgb.len() as f64)
}
