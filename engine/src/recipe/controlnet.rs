//! ControlNets at work in one picture.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::number;
use super::{PictureRef, Preprocessor};
use crate::{EngineError, Result};

/// A ControlNet, the picture that it follows, and how far and when it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlNetUse {
    /// Its name: the stem of its file, its folder's name, or the path of either.
    pub name: String,
    /// The picture that it follows. It is scaled to cover the recipe's size and cut about its
    /// centre, as a source is.
    pub picture: PictureRef,
    /// What is made of the picture first.
    #[serde(default, skip_serializing_if = "Preprocessor::is_none")]
    pub preprocessor: Preprocessor,
    /// What its residuals are multiplied with (`controlnet_conditioning_scale` of Python
    /// diffusers); 0 changes nothing, 1 is as it was trained.
    #[serde(default = "one")]
    pub weight: f64,
    /// Part of the steps, 0..=1, that pass before it begins (`control_guidance_start`).
    #[serde(default)]
    pub start: f64,
    /// Part of the steps, 0..=1, after which it ends (`control_guidance_end`).
    #[serde(default = "one")]
    pub end: f64,
    /// Whether it is switched off for now; it keeps its settings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Where its file or folder was found; absent where it was found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 over its weights and configuration in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

fn one() -> f64 {
    1.0
}

impl ControlNetUse {
    /// The ControlNet `name`, following `picture` as it is, wholly and all the way.
    pub fn new(name: impl Into<String>, picture: PictureRef) -> Self {
        Self {
            name: name.into(),
            picture,
            preprocessor: Preprocessor::None,
            weight: 1.0,
            start: 0.0,
            end: 1.0,
            muted: false,
            path: None,
            hash: String::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Whether it changes nothing.
    pub fn is_idle(&self) -> bool {
        self.muted || self.weight == 0.0
    }

    /// Whether it is at work in model call `call` of `calls`, counted from 0 over the calls that are
    /// walked: the whole of the call must lie from `start` to `end`, as in Python diffusers.
    pub fn is_at_work(&self, call: usize, calls: usize) -> bool {
        let (call, calls) = (call as f64, calls.max(1) as f64);
        !self.is_idle() && call / calls >= self.start && (call + 1.0) / calls <= self.end
    }

    /// Checks what can be checked without its file.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the ControlNet and what is wrong with it.
    pub fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(EngineError::request("controlnet", "has no name"));
        }
        let field = format!("controlnet \"{}\"", self.name);
        let refuse = |problem: String| Err(EngineError::request(&field, problem));
        self.picture.validate(&field)?;
        if !self.weight.is_finite() {
            return refuse(format!("the weight {} is not a finite number", self.weight));
        }
        let part = 0.0..=1.0;
        if !part.contains(&self.start) || !part.contains(&self.end) || self.start >= self.end {
            return refuse(format!(
                "it cannot work from {} to {} of the steps; give two parts from 0 to 1, the first \
                 below the second",
                self.start, self.end
            ));
        }
        Ok(())
    }
}

/// As the command line takes it: `canny=edges.png`, `canny=photo.png,preprocessor=canny,weight=0.8`.
impl fmt::Display for ControlNetUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let picture = self.picture.path.as_ref().unwrap_or(&self.picture.hash);
        write!(f, "{}={picture}", self.name)?;
        if !self.preprocessor.is_none() {
            write!(f, ",preprocessor={}", self.preprocessor)?;
        }
        let plain = Self::new("", PictureRef::default());
        for (word, value, usual) in [
            ("weight", self.weight, plain.weight),
            ("start", self.start, plain.start),
            ("end", self.end, plain.end),
        ] {
            if value.to_bits() != usual.to_bits() {
                write!(f, ",{word}={value}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for ControlNetUse {
    type Err = EngineError;

    /// Reads `NAME=PICTURE[,preprocessor=NAME][,weight=WEIGHT][,start=PART][,end=PART]`, where
    /// `NAME` is a name or a path.
    fn from_str(text: &str) -> Result<Self> {
        let field = format!("controlnet \"{text}\"");
        let mut plain = Self::new("", PictureRef::default());
        let mut rest = text;
        // From behind, so that a path may hold commas of its own.
        while let Some((before, option)) = rest.rsplit_once(',') {
            let Some((word, value)) = option.split_once('=') else {
                break;
            };
            let number = || number(&field, value);
            match word.trim() {
                "weight" => plain.weight = number()?,
                "start" => plain.start = number()?,
                "end" => plain.end = number()?,
                "preprocessor" => plain.preprocessor = value.trim().parse()?,
                _ => break,
            }
            rest = before;
        }
        let Some((name, picture)) = rest.split_once('=').filter(|(_, file)| !file.is_empty())
        else {
            let problem = "write it as NAME=PICTURE, such as canny=edges.png,weight=0.8";
            return Err(EngineError::request(field, problem));
        };
        let wanted = Self {
            name: name.trim().to_owned(),
            picture: PictureRef::at(Path::new(picture)),
            ..plain
        };
        wanted.validate()?;
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::sample;
    use super::super::{from_json, to_json};
    use super::*;

    #[test]
    fn options_are_read_from_behind_and_the_rest_is_a_path() {
        let read = |text: &str| text.parse::<ControlNetUse>().unwrap();
        let plain = read("canny=/a/edges.png");
        assert_eq!(
            (plain.name.as_str(), plain.weight, plain.end),
            ("canny", 1.0, 1.0)
        );
        assert_eq!(plain.picture.path.as_deref(), Some("/a/edges.png"));
        let all =
            read("/m/c.safetensors=/a/x, y=1.png,preprocessor=canny,weight=.8,start=0.1,end=0.6");
        assert_eq!(all.picture.path.as_deref(), Some("/a/x, y=1.png"));
        assert_eq!((all.weight, all.start, all.end), (0.8, 0.1, 0.6));
        assert_eq!(all.preprocessor, Preprocessor::Canny);
        assert_eq!(read(&all.to_string()), all);
        for (text, expected) in [
            ("canny", "NAME=PICTURE"),
            ("canny=", "NAME=PICTURE"),
            ("canny=a.png,weight=much", "\"much\" is not a number"),
            ("canny=a.png,preprocessor=pose", "none, canny, invert"),
            ("canny=a.png,start=0.6,end=0.5", "from 0.6 to 0.5"),
            ("canny=a.png,end=2", "from 0 to 2"),
            ("=a.png", "no name"),
        ] {
            let error = text.parse::<ControlNetUse>().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn what_is_not_used_is_not_written_and_what_is_comes_back() {
        assert!(!to_json(&[sample()]).unwrap().contains("controlnet"));
        let mut recipe = sample();
        let mut used = ControlNetUse::new("canny", PictureRef::at(Path::new("a.png")));
        used.weight = 0.5;
        used.unknown.insert("mode".to_owned(), 2.into());
        recipe.controlnets = vec![used];
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        assert!(!text.contains("preprocessor") && !text.contains("muted"));
        let back = from_json(&text, Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe.clone()]);
        assert_eq!(recipe.pictures().len(), 1);
        recipe.controlnets[0].start = 1.0;
        assert!(recipe.validate().is_err());
    }

    proptest! {
        #[test]
        fn a_window_is_one_run_of_calls_and_two_that_meet_do_not_overlap(
            calls in 1_usize..60, start in 0.0_f64..0.9, length in 0.01_f64..0.5, next in 0.0_f64..0.5,
        ) {
            let mut first = ControlNetUse::new("a", PictureRef::default());
            (first.start, first.end) = (start, (start + length).min(1.0));
            let mut second = first.clone();
            (second.start, second.end) = (first.end, (first.end + next).min(1.0));
            let at_work: Vec<bool> = (0..calls).map(|i| first.is_at_work(i, calls)).collect();
            let changes = at_work.windows(2).filter(|pair| pair[0] != pair[1]).count();
            prop_assert!(changes <= 2);
            for (call, first) in at_work.into_iter().enumerate() {
                prop_assert!(!(first && second.is_at_work(call, calls)));
            }
            first.muted = true;
            prop_assert!((0..calls).all(|i| !first.is_at_work(i, calls)));
            let whole = ControlNetUse::new("a", PictureRef::default());
            prop_assert!((0..calls).all(|i| whole.is_at_work(i, calls)));
        }
    }
}
