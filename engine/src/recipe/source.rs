//! What a render starts from, and where it may change.

use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// The largest feather of a mask in pixels.
const MOST_FEATHER_PX: f64 = 1024.0;

/// A picture that a recipe names by what it shows and where it was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PictureRef {
    /// SHA-256 in hex over width, height (little-endian `u32`) and RGB8 bytes, as
    /// [`Picture::hash`](crate::picture::Picture::hash) gives it; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Where it was found when the recipe was written; absent for pictures inside a project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// What a render starts from instead of noise alone: image to image, and inpainting with a mask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The picture. It is scaled to cover the recipe's size and cut about its centre; one of that
    /// size stays as it is.
    pub picture: PictureRef,
    /// How far the picture may go from it, above 0 and up to 1: noise for the last
    /// `floor(steps · strength)` steps is added, and those are walked, as Python diffusers does.
    pub strength: f64,
    /// Where the picture may change; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskUse>,
    /// Renders the masked part alone, with so many pixels of the picture around it, at the
    /// recipe's size and puts it back; absent for the picture as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_masked: Option<u32>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// Where a picture may change: white may, black may not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskUse {
    /// The mask, of which the brightness counts; it is fitted to the recipe's size like a source.
    pub picture: PictureRef,
    /// How far its edge is softened, in pixels of the recipe's size; 0 leaves it sharp.
    #[serde(default)]
    pub feather_px: f64,
    /// Whether black may change and white may not.
    #[serde(default)]
    pub inverted: bool,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// Words for a part of the picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// What to show there.
    pub prompt: String,
    /// Where: white wholly, grey in part.
    pub mask: MaskUse,
    /// How much its words count there against the recipe's prompt, 0..=1.
    #[serde(default = "whole")]
    pub weight: f64,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

fn whole() -> f64 {
    1.0
}

impl PictureRef {
    /// The picture in the file `path`, not read yet.
    pub fn at(path: &std::path::Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            path: Some(absolute.to_string_lossy().into_owned()),
            ..Self::default()
        }
    }

    pub(super) fn validate(&self, field: &str) -> Result<()> {
        if self.hash.is_empty() && self.path.is_none() {
            return Err(EngineError::request(
                field,
                "names no picture; give the path of its file",
            ));
        }
        Ok(())
    }
}

impl MaskUse {
    /// The whole of `picture`, with a sharp edge.
    pub fn new(picture: PictureRef) -> Self {
        Self {
            picture,
            feather_px: 0.0,
            inverted: false,
            unknown: serde_json::Map::new(),
        }
    }

    pub(super) fn validate(&self, field: &str) -> Result<()> {
        self.picture.validate(field)?;
        if !(0.0..=MOST_FEATHER_PX).contains(&self.feather_px) {
            return Err(EngineError::request(
                field,
                format!(
                    "its edge cannot be softened by {} pixels; give 0 to {MOST_FEATHER_PX}",
                    self.feather_px
                ),
            ));
        }
        Ok(())
    }
}

impl Source {
    /// Starts from `picture` with `strength` and no mask.
    pub fn new(picture: PictureRef, strength: f64) -> Self {
        Self {
            picture,
            strength,
            mask: None,
            only_masked: None,
            unknown: serde_json::Map::new(),
        }
    }

    /// How many of `steps` steps are walked: `min(⌊steps · strength⌋, steps)`, as in Python
    /// diffusers.
    pub fn walked_steps(&self, steps: u32) -> u32 {
        ((f64::from(steps) * self.strength) as u32).min(steps)
    }

    /// Checks what can be checked without the pictures.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the field that cannot be carried out.
    pub(super) fn validate(&self, steps: u32) -> Result<()> {
        self.picture.validate("source")?;
        if !(self.strength > 0.0 && self.strength <= 1.0) {
            return Err(EngineError::request(
                "strength",
                format!("{} is not above 0 and up to 1", self.strength),
            ));
        }
        if self.walked_steps(steps) == 0 {
            return Err(EngineError::request(
                "strength",
                format!(
                    "{} of {steps} steps is less than one; raise the strength to {:.3} or take \
                     more steps",
                    self.strength,
                    // Rounded up, so that following the advice works.
                    (1000.0 / f64::from(steps)).ceil() / 1000.0
                ),
            ));
        }
        if self.only_masked.is_some() && self.mask.is_none() {
            return Err(EngineError::request(
                "only_masked",
                "there is no mask; give one, or render the picture as a whole",
            ));
        }
        self.mask.iter().try_for_each(|mask| mask.validate("mask"))
    }
}

impl Region {
    /// `prompt` wherever `mask` is white.
    pub fn new(prompt: impl Into<String>, mask: MaskUse) -> Self {
        Self {
            prompt: prompt.into(),
            mask,
            weight: whole(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Checks what can be checked without the mask; `index` counts from 0.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the region and what is wrong with it.
    pub(super) fn validate(&self, index: usize) -> Result<()> {
        let field = format!("region {}", index + 1);
        if self.prompt.trim().is_empty() {
            return Err(EngineError::request(
                field,
                "has no words; say what it shall show, or leave it out",
            ));
        }
        if !(0.0..=1.0).contains(&self.weight) {
            return Err(EngineError::request(
                field,
                format!("its weight {} is not from 0 to 1", self.weight),
            ));
        }
        self.mask.validate(&field)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{from_json, to_json};
    use super::*;

    fn named(hash: &str) -> PictureRef {
        PictureRef {
            hash: hash.to_owned(),
            ..PictureRef::default()
        }
    }

    #[test]
    fn steps_are_counted_as_diffusers_counts_them() {
        let walked = |steps, strength| Source::new(named("a"), strength).walked_steps(steps);
        // int(num_inference_steps * strength) in Python.
        assert_eq!(walked(10, 0.7), 7);
        assert_eq!(walked(10, 0.75), 7);
        assert_eq!(walked(50, 0.02), 1);
        assert_eq!(walked(3, 1.0), 3);
        assert_eq!(walked(100, 0.29), 28);
    }

    #[test]
    fn each_bad_field_is_named() {
        let masked = |feather_px| MaskUse {
            feather_px,
            ..MaskUse::new(named("b"))
        };
        let region = |prompt: &str, weight| Region {
            weight,
            ..Region::new(prompt, masked(0.0))
        };
        let source = |strength| Source::new(named("a"), strength);
        let cases: Vec<(&str, Option<Source>, Vec<Region>)> = vec![
            ("strength: 0", Some(source(0.0)), vec![]),
            ("strength: 1.1", Some(source(1.1)), vec![]),
            ("strength: NaN", Some(source(f64::NAN)), vec![]),
            ("strength: 0.04 of 20 steps", Some(source(0.04)), vec![]),
            (
                "source: names no",
                Some(Source::new(named(""), 0.5)),
                vec![],
            ),
            (
                "mask: its edge",
                Some(Source {
                    mask: Some(masked(-1.0)),
                    ..source(0.5)
                }),
                vec![],
            ),
            (
                "only_masked: there is no mask",
                Some(Source {
                    only_masked: Some(8),
                    ..source(0.5)
                }),
                vec![],
            ),
            ("region 1: has no words", None, vec![region(" ", 1.0)]),
            (
                "region 2: its weight",
                None,
                vec![region("a", 1.0), region("b", 1.5)],
            ),
        ];
        for (expected, source, regions) in cases {
            let mut recipe = sample();
            (recipe.source, recipe.regions) = (source, regions);
            let error = recipe.validate().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().starts_with(expected),
                "{expected}: {error}"
            );
        }
        let mut recipe = sample();
        recipe.source = Some(source(0.05));
        recipe.validate().unwrap();
    }

    #[test]
    fn what_is_not_used_is_not_written_and_what_is_comes_back() {
        let text = to_json(&[sample()]).unwrap();
        assert!(!text.contains("source") && !text.contains("regions"));
        let mut recipe = sample();
        let mut source = Source::new(named("a"), 0.6);
        source.mask = Some(MaskUse::new(PictureRef::at(std::path::Path::new("m.png"))));
        source.unknown.insert("fill".to_owned(), 3.into());
        recipe.source = Some(source);
        recipe.regions = vec![Region::new("a dog", MaskUse::new(named("c")))];
        recipe.regions[0]
            .mask
            .unknown
            .insert("layer".to_owned(), 1.into());
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        let back = from_json(&text, std::path::Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe.clone()]);
        assert!(recipe.unknown.is_empty());
    }
}
