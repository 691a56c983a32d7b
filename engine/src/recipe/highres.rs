//! A second, larger pass.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Recipe, SIZE_RANGE_PX};
use crate::{EngineError, Result};

/// How many times larger the second pass may be.
const FACTOR_RANGE: std::ops::RangeInclusive<f64> = 1.0..=8.0;

/// Renders at the recipe's size, enlarges the picture and goes on from it at the larger size
/// ("highres fix" of A1111): models make whole things at the size that they were trained for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Highres {
    /// How many times wider and higher, 1..=8; sides are rounded to multiples of 8.
    pub factor: f64,
    /// How far the second pass may go from the enlarged picture, above 0 and up to 1, as for a
    /// source.
    pub strength: f64,
    /// Steps of the second pass, of which `strength` says how many are walked; absent for as many
    /// as the recipe has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// What enlarges the picture; absent for interpolation (Lanczos).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upscaler: Option<UpscalerUse>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// A network that enlarges pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpscalerUse {
    /// Its name: the stem of its file, or the file's path.
    pub name: String,
    /// Where its file was found; absent where it was found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
}

impl UpscalerUse {
    /// The upscaler `name`, or the one in the file of that path.
    pub fn new(name: &str) -> Self {
        let path = Path::new(name);
        let stem = path.file_stem().filter(|_| path.is_file());
        let absolute = stem.and_then(|_| std::path::absolute(path).ok());
        Self {
            name: stem.map_or_else(|| name.to_owned(), |s| s.to_string_lossy().into_owned()),
            path: absolute.map(|path| path.to_string_lossy().into_owned()),
            hash: String::new(),
        }
    }
}

impl Highres {
    /// Twice as large, half of the way from the enlarged picture.
    pub fn new() -> Self {
        Self {
            factor: 2.0,
            strength: 0.5,
            steps: None,
            upscaler: None,
            unknown: serde_json::Map::new(),
        }
    }

    /// The size of the second pass, in pixels, where the first one's is `width_px` × `height_px`.
    pub fn size_px(&self, width_px: u32, height_px: u32) -> (u32, u32) {
        let larger = |side: u32| ((f64::from(side) * self.factor / 8.0).round() as u32).max(1) * 8;
        (larger(width_px), larger(height_px))
    }

    /// How many steps the second pass walks, where the first one has `steps`.
    pub fn walked_steps(&self, steps: u32) -> u32 {
        let source = super::Source::new(super::PictureRef::default(), self.strength);
        source.walked_steps(self.steps.unwrap_or(steps))
    }

    /// Checks what can be checked without files.
    pub(super) fn validate(&self, recipe: &Recipe) -> Result<()> {
        let refuse = |problem: String| Err(EngineError::request("highres", problem));
        if !FACTOR_RANGE.contains(&self.factor) {
            let (low, high) = (FACTOR_RANGE.start(), FACTOR_RANGE.end());
            return refuse(format!(
                "the factor {} is outside {low} to {high}",
                self.factor
            ));
        }
        if !(self.strength > 0.0 && self.strength <= 1.0) {
            let strength = self.strength;
            return refuse(format!(
                "the strength {strength} is not above 0 and up to 1"
            ));
        }
        let (width, height) = self.size_px(recipe.width_px, recipe.height_px);
        for side in [width, height] {
            if !SIZE_RANGE_PX.contains(&side) {
                let most = SIZE_RANGE_PX.end();
                return refuse(format!(
                    "{width}x{height} is larger than {most} pixels a side"
                ));
            }
        }
        if recipe.source.is_some() || recipe.edit.is_some() {
            return refuse(
                "it is for pictures from noise; take the source away, or render it in two recipes"
                    .to_owned(),
            );
        }
        self.second(recipe).validate()
    }

    /// The second pass over `recipe`; what it starts from is not filled in yet.
    pub(crate) fn second(&self, recipe: &Recipe) -> Recipe {
        let (width_px, height_px) = self.size_px(recipe.width_px, recipe.height_px);
        let unread = super::PictureRef {
            hash: "0".repeat(64),
            ..super::PictureRef::default()
        };
        Recipe {
            width_px,
            height_px,
            steps: self.steps.unwrap_or(recipe.steps),
            source: Some(super::Source::new(unread, self.strength)),
            highres: None,
            ..recipe.clone()
        }
    }
}

impl Recipe {
    /// Width and height of the picture that comes out, in pixels: those of the second pass where
    /// there is one.
    pub fn picture_size_px(&self) -> (u32, u32) {
        let size = (self.width_px, self.height_px);
        self.highres
            .as_ref()
            .map_or(size, |highres| highres.size_px(size.0, size.1))
    }
}

impl Default for Highres {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::*;

    #[test]
    fn sides_are_multiples_of_eight_and_bad_numbers_are_named() {
        type Spoil = fn(&mut Highres);
        let mut recipe = sample();
        let highres = Highres {
            factor: 1.55,
            ..Highres::new()
        };
        assert_eq!(highres.size_px(128, 64), (200, 96));
        recipe.highres = Some(highres);
        recipe.source = None;
        recipe.validate().unwrap();
        let cases: [(Spoil, &str); 5] = [
            (|h| h.factor = 9.0, "factor 9"),
            (|h| h.factor = f64::NAN, "factor NaN"),
            (|h| h.strength = 0.0, "strength 0"),
            (|h| h.strength = 0.001, "strength"),
            (|h| h.steps = Some(0), "steps"),
        ];
        for (spoil, told) in cases {
            let mut highres = Highres::new();
            spoil(&mut highres);
            recipe.highres = Some(highres);
            let error = recipe.validate().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(told),
                "{error}"
            );
        }
        recipe.highres = Some(Highres::new());
        (recipe.width_px, recipe.height_px) = (4096, 64);
        assert!(
            recipe
                .validate()
                .unwrap_err()
                .to_string()
                .contains("8192x128")
        );
    }
}
