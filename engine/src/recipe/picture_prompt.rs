//! Pictures in the place of words in one picture.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::number;
use super::{MaskUse, PictureRef};
use crate::{EngineError, Result};

/// What of a picture is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureTakes {
    /// Everything: the adapter acts in all layers.
    #[default]
    All,
    /// Its style alone: InstantStyle's style layers (arXiv 2404.02733).
    Style,
    /// Its layout alone.
    Layout,
    /// Both, and its content no further.
    StyleAndLayout,
}

/// Pictures that an adapter reads as a prompt, and how far they count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PicturePromptUse {
    /// The adapter's name: the stem of its file, or the file's path.
    pub name: String,
    /// The pictures; the tokens of several stand side by side.
    pub pictures: Vec<PictureRef>,
    /// How far they count: 0 changes nothing, 1 is as the adapter was trained.
    pub weight: f64,
    /// What of them is taken.
    #[serde(default, skip_serializing_if = "PictureTakes::is_all")]
    pub takes: PictureTakes,
    /// What the weight is multiplied by in the layers whose names in Python diffusers begin so,
    /// such as `up_blocks.0.attentions.1`, and 0 in all others; in the place of `takes`. Empty for
    /// none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub blocks: BTreeMap<String, f64>,
    /// Where they count: white wholly, black not at all; absent for everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<MaskUse>,
    /// Fraction of the steps, 0..1, that pass before they begin.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub start: f64,
    /// Fraction of the steps, up to 1, after which they count no longer.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub end: f64,
    /// Where the adapter's file was found; absent where it was found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the adapter's file in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

// serde hands the field over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(number: &f64) -> bool {
    number.to_bits() == one().to_bits()
}

fn one() -> f64 {
    1.0
}

impl PictureTakes {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::All, Self::Style, Self::Layout, Self::StyleAndLayout];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Style => "style",
            Self::Layout => "layout",
            Self::StyleAndLayout => "style-and-layout",
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref)]
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

impl FromStr for PictureTakes {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|own| own.name() == name);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            EngineError::request("takes", format!("\"{name}\" is not one of {names}"))
        })
    }
}

impl PicturePromptUse {
    /// `pictures` through the adapter `name` at `weight`, everywhere and over all steps.
    pub fn new(name: impl Into<String>, pictures: Vec<PictureRef>, weight: f64) -> Self {
        Self {
            name: name.into(),
            pictures,
            weight,
            takes: PictureTakes::All,
            blocks: BTreeMap::new(),
            mask: None,
            start: 0.0,
            end: one(),
            path: None,
            hash: String::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Whether it changes anything.
    pub fn is_idle(&self) -> bool {
        self.weight == 0.0
    }

    /// Every picture that it names, its mask's last.
    pub fn all_pictures(&self) -> impl Iterator<Item = &PictureRef> {
        let mask = self.mask.iter().map(|mask| &mask.picture);
        self.pictures.iter().chain(mask)
    }

    /// The same, to be filled in.
    pub(super) fn all_pictures_mut(&mut self) -> impl Iterator<Item = &mut PictureRef> {
        let mask = self.mask.iter_mut().map(|mask| &mut mask.picture);
        self.pictures.iter_mut().chain(mask)
    }

    /// Checks what can be checked without its files.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the picture prompt and what is wrong with it.
    pub fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(EngineError::request("picture prompt", "has no name"));
        }
        let field = format!("picture prompt {}", self.name);
        let refuse = |problem: String| Err(EngineError::request(field.as_str(), problem));
        if self.pictures.is_empty() {
            return refuse("has no picture; give one".to_owned());
        }
        for picture in &self.pictures {
            picture.validate(&field)?;
        }
        let weights = std::iter::once(&self.weight).chain(self.blocks.values());
        for weight in weights {
            if !weight.is_finite() {
                return refuse(format!("the weight {weight} is not a finite number"));
            }
        }
        if !(0.0 <= self.start && self.start < self.end && self.end <= 1.0) {
            return refuse(format!(
                "it cannot work from {} to {} of the steps; give two numbers from 0 to 1, the \
                 smaller first",
                self.start, self.end
            ));
        }
        self.mask.iter().try_for_each(|mask| mask.validate(&field))
    }
}

/// As the command line takes it: `ip-adapter_sd15=cat.png,weight=0.5`.
impl fmt::Display for PicturePromptUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pictures = self.pictures.iter().map(|picture| {
            let short = super::short_hash(&picture.hash);
            picture.path.as_deref().unwrap_or(short)
        });
        let pictures: Vec<&str> = pictures.collect();
        write!(
            f,
            "{}={},weight={}",
            self.name,
            pictures.join(","),
            self.weight
        )?;
        if self.takes != PictureTakes::All {
            write!(f, ",takes={}", self.takes.name())?;
        }
        Ok(())
    }
}

impl FromStr for PicturePromptUse {
    type Err = EngineError;

    /// Reads `ADAPTER=PICTURE[,PICTURE…][,weight=W][,takes=NAME][,mask=FILE][,start=S][,end=E]`
    /// and any number of `,block:LAYERS=W`, where `ADAPTER` is a path or a name.
    fn from_str(text: &str) -> Result<Self> {
        let field = format!("picture prompt \"{text}\"");
        let Some((name, rest)) = text.split_once('=').filter(|(_, rest)| !rest.is_empty()) else {
            let problem = "write it as ADAPTER=PICTURE, such as ip-adapter_sd15=cat.png,weight=0.6";
            return Err(EngineError::request(field, problem));
        };
        let mut own = Self::new(name.trim(), Vec::new(), one());
        for part in rest.split(',') {
            let (key, value) = part.split_once('=').unwrap_or(("", part));
            let number = || number(&field, value);
            match key.trim() {
                "weight" => own.weight = number()?,
                "start" => own.start = number()?,
                "end" => own.end = number()?,
                "takes" => own.takes = value.trim().parse()?,
                "mask" => own.mask = Some(MaskUse::new(PictureRef::at(Path::new(value)))),
                key => match key.strip_prefix("block:") {
                    Some(block) => {
                        own.blocks.insert(block.to_owned(), number()?);
                    }
                    // A path may hold an equals sign of its own.
                    None if !part.trim().is_empty() => {
                        own.pictures.push(PictureRef::at(Path::new(part.trim())));
                    }
                    None => {}
                },
            }
        }
        own.validate()?;
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::sample;
    use super::super::{from_json, to_json};
    use super::*;

    #[test]
    fn the_command_line_says_all_of_it() {
        let read = |text: &str| text.parse::<PicturePromptUse>();
        let own = read("ip-adapter_sd15=/a/b=c.png,/d.jpg,weight=0.6,takes=style,mask=/m.png,start=0.2,end=0.8").unwrap();
        assert_eq!((own.name.as_str(), own.weight), ("ip-adapter_sd15", 0.6));
        let paths: Vec<_> = own
            .pictures
            .iter()
            .map(|p| p.path.as_deref().unwrap())
            .collect();
        assert_eq!(paths, ["/a/b=c.png", "/d.jpg"]);
        assert_eq!(
            (own.start, own.end, own.takes),
            (0.2, 0.8, PictureTakes::Style)
        );
        assert_eq!(own.mask.unwrap().picture.path.as_deref(), Some("/m.png"));
        let own = read("x=a.png,block:up_blocks.0.attentions.1=0.5").unwrap();
        assert_eq!(
            own.blocks,
            [("up_blocks.0.attentions.1".to_owned(), 0.5)].into()
        );
        for (text, expected) in [
            ("x", "ADAPTER=PICTURE"),
            ("x=", "ADAPTER=PICTURE"),
            ("=a.png", "no name"),
            ("x=weight=1", "no picture"),
            ("x=a.png,weight=much", "\"much\" is not a number"),
            ("x=a.png,weight=inf", "finite"),
            ("x=a.png,takes=colour", "style-and-layout"),
            ("x=a.png,start=0.5,end=0.5", "0.5 to 0.5"),
        ] {
            let error = read(text).unwrap_err();
            let said = error.to_string();
            assert!(
                error.is_usage() && said.contains(expected),
                "{text}: {said}"
            );
        }
    }

    #[test]
    fn what_is_not_used_is_not_written_and_what_is_comes_back() {
        let text = to_json(&[sample()]).unwrap();
        assert!(!text.contains("picture_prompts"));
        let mut recipe = sample();
        let mut own: PicturePromptUse = "x=/a.png,/b.png,mask=/m.png,weight=0.5".parse().unwrap();
        let json = serde_json::to_string(&own).unwrap();
        let absent = ["takes", "blocks", "start", "end"];
        assert!(absent.iter().all(|field| !json.contains(field)), "{json}");
        own.unknown.insert("mood".to_owned(), 3.into());
        recipe.picture_prompts = vec![own];
        assert_eq!(recipe.pictures().len(), 3);
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        let back = from_json(&text, Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe.clone()]);
        let mut made = recipe.clone();
        made.picture_prompts[0].hash = "abc".to_owned();
        made.picture_prompts[0].path = Some("/elsewhere".to_owned());
        made.picture_prompts[0].pictures[0].hash = "def".to_owned();
        assert!(recipe.asks_for(&made) && !made.asks_for(&recipe));
        made.picture_prompts[0].weight = 0.4;
        assert!(!recipe.asks_for(&made));
    }
}
