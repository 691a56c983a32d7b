//! A meter for tests whose readings are written in the pixels.

use tch::{Kind, Tensor};

use super::places::placed_subjects;
use super::{Meter, Place, PlacedSubject};
use crate::Result;
use crate::picture::Picture;

/// Reads `smile` from red, `age` from green and `brightness` from blue: the mean level of the left
/// half, the right half or the whole picture. Knows men and women, and cars, which do not smile.
#[derive(Debug, Default)]
pub(super) struct FakeMeter {
    /// Pictures whose whole is blacker than this have lost their subject.
    pub(super) lost_below: f64,
}

/// A picture of 16×16 pixels on which [`FakeMeter`] reads these numbers, left and right.
pub(super) fn fake_picture(smile: [f64; 2], age: [f64; 2], brightness: f64) -> Picture {
    let level = |value: f64| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
    let row: Vec<u8> = (0..16)
        .flat_map(|x| {
            let side = usize::from(x >= 8);
            [level(smile[side]), level(age[side]), level(brightness)]
        })
        .collect();
    Picture {
        width_px: 16,
        height_px: 16,
        rgb: row.repeat(16),
    }
}

impl Meter for FakeMeter {
    fn name(&self) -> String {
        "fake meter".to_owned()
    }

    fn subject_attributes(&self) -> Vec<String> {
        vec!["smile".to_owned(), "age".to_owned()]
    }

    fn picture_attributes(&self) -> Vec<String> {
        vec!["brightness".to_owned()]
    }

    fn score(&self, pictures: &Tensor, attribute: &str, place: Option<Place>) -> Result<Tensor> {
        let channel = ["smile", "age", "brightness"];
        let channel = channel.iter().position(|c| *c == attribute).unwrap();
        let levels = pictures.f_select(1, channel as i64)?;
        let levels = match place {
            Some(Place { index, count: 2 }) => levels.f_narrow(2, 8 * index as i64, 8)?,
            _ => levels,
        };
        let mean = levels.f_mean_dim([1_i64, 2].as_slice(), false, Kind::Float)?;
        Ok(mean.f_add_scalar(1.0)?.f_mul_scalar(0.5)?)
    }

    fn subjects(&self, prompt: &str) -> Vec<PlacedSubject> {
        placed_subjects(prompt, &self.nouns())
    }

    fn nouns(&self) -> Vec<String> {
        ["man", "woman", "car"].map(str::to_owned).to_vec()
    }

    fn applies(&self, attribute: &str, noun: &str) -> bool {
        attribute == "brightness" || noun != "car"
    }

    fn region(&self, place: Place) -> Option<[f64; 4]> {
        let width = 1.0 / place.count as f64;
        let left = width * place.index as f64;
        Some([left, 0.0, left + width, 1.0])
    }

    fn read_kinds(&self, pictures: &Tensor, place: Place) -> Result<Option<Vec<String>>> {
        let brightness = self.read(pictures, "brightness", None)?;
        let kind = |b: f64| {
            if b < self.lost_below {
                "car"
            } else {
                ["man", "woman"][place.index]
            }
        };
        Ok(Some(
            brightness.into_iter().map(|b| kind(b).to_owned()).collect(),
        ))
    }

    fn features(&self, pictures: &Tensor) -> Result<Option<Vec<Tensor>>> {
        Ok(Some(vec![pictures.f_add_scalar(1.1)?]))
    }
}
