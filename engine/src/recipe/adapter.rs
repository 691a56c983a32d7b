//! LoRAs and embeddings of other programs at work in one picture.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::number::number;
use crate::{EngineError, Result};

/// A LoRA or one of its relatives, and how far it counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdapterUse {
    /// Its name: the stem of its file, or the file's path.
    pub name: String,
    /// How far its part for the U-Net counts; 0 changes nothing, 1 is as it was trained.
    pub unet_weight: f64,
    /// How far its part for the text encoder counts.
    pub text_weight: f64,
    /// Where its file was found; absent where it was found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

/// A textual-inversion embedding that the prompts call by a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingUse {
    /// The word that stands for it in the prompts.
    pub name: String,
    /// Where its file was found; absent where it was found by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file in hex; empty until it is resolved.
    #[serde(default)]
    pub hash: String,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl AdapterUse {
    /// The adapter `name` at `weight` for U-Net and text encoder.
    pub fn new(name: impl Into<String>, weight: f64) -> Self {
        Self {
            name: name.into(),
            unet_weight: weight,
            text_weight: weight,
            path: None,
            hash: String::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// Whether it changes anything.
    pub fn is_idle(&self) -> bool {
        self.unet_weight == 0.0 && self.text_weight == 0.0
    }

    /// Checks what can be checked without its file.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the adapter and what is wrong with it.
    pub fn validate(&self) -> Result<()> {
        if self.name.trim().is_empty() {
            return Err(EngineError::request("adapter", "has no name"));
        }
        for weight in [self.unet_weight, self.text_weight] {
            if !weight.is_finite() {
                let problem = format!("the weight {weight} is not a finite number");
                return Err(EngineError::request(
                    format!("adapter {}", self.name),
                    problem,
                ));
            }
        }
        Ok(())
    }
}

impl EmbeddingUse {
    /// The embedding that the prompts call `name`, to be found by that name.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            path: None,
            hash: String::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// The embedding in the file `path`, called `name`.
    pub fn at(name: impl Into<String>, path: &Path) -> Self {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            path: Some(absolute.to_string_lossy().into_owned()),
            ..Self::new(name)
        }
    }

    /// Checks what can be checked without its file.
    ///
    /// # Errors
    /// [`EngineError::Request`] where the name cannot stand in a prompt.
    pub fn validate(&self) -> Result<()> {
        if self.name.is_empty() || self.name.contains(char::is_whitespace) {
            let problem = "the name must be one word, which the prompt can call it by";
            let field = format!("embedding \"{}\"", self.name);
            return Err(EngineError::request(field, problem));
        }
        Ok(())
    }
}

/// As the command line takes it: `detail=0.8`, `detail=0.8,text=0.5`.
impl fmt::Display for AdapterUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.unet_weight)?;
        if self.text_weight.to_bits() == self.unet_weight.to_bits() {
            return Ok(());
        }
        write!(f, ",text={}", self.text_weight)
    }
}

impl FromStr for AdapterUse {
    type Err = EngineError;

    /// Reads `FILE[=WEIGHT][,text=WEIGHT]`, where `FILE` is a path or a name.
    fn from_str(text: &str) -> Result<Self> {
        let field = format!("adapter \"{text}\"");
        let number = |word: &str| number(&field, word);
        let (main, of_text) = match text.rsplit_once(",text=") {
            Some((main, weight)) => (main, Some(number(weight)?)),
            None => (text, None),
        };
        // A path may hold an equals sign of its own.
        let (name, weight) = match main.rsplit_once('=') {
            Some((name, weight))
                if !weight.contains(['/', '.']) || weight.trim().parse::<f64>().is_ok() =>
            {
                (name, number(weight)?)
            }
            _ => (main, 1.0),
        };
        let mut adapter = Self::new(name.trim(), weight);
        adapter.text_weight = of_text.unwrap_or(weight);
        adapter.validate()?;
        Ok(adapter)
    }
}

impl FromStr for EmbeddingUse {
    type Err = EngineError;

    /// Reads `NAME=FILE`.
    fn from_str(text: &str) -> Result<Self> {
        let Some((name, file)) = text.split_once('=').filter(|(_, file)| !file.is_empty()) else {
            let problem = "write it as NAME=FILE, such as sketch=sketch.safetensors";
            return Err(EngineError::request(
                format!("embedding \"{text}\""),
                problem,
            ));
        };
        let embedding = Self::at(name.trim(), Path::new(file));
        embedding.validate()?;
        Ok(embedding)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_paths_and_weights_are_told_apart() {
        let read = |text: &str| {
            let a: AdapterUse = text.parse().unwrap();
            (a.name, a.unet_weight, a.text_weight)
        };
        assert_eq!(read("detail"), ("detail".to_owned(), 1.0, 1.0));
        assert_eq!(read("detail=-.5"), ("detail".to_owned(), -0.5, -0.5));
        assert_eq!(read("a/b=c.pt"), ("a/b=c.pt".to_owned(), 1.0, 1.0));
        assert_eq!(
            read("x.safetensors=0.8,text=0"),
            ("x.safetensors".to_owned(), 0.8, 0.0)
        );
        for (text, expected) in [
            ("detail=much", "\"much\" is not a number"),
            ("detail=1,text=x", "\"x\" is not a number"),
            ("=1", "no name"),
            ("detail=inf", "finite"),
        ] {
            let error = text.parse::<AdapterUse>().unwrap_err();
            assert!(
                error.is_usage() && error.to_string().contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn an_embedding_has_a_name_of_one_word() {
        let embedding: EmbeddingUse = "<cat>=x.pt".parse().unwrap();
        assert_eq!(embedding.name, "<cat>");
        assert!(embedding.path.unwrap().ends_with("x.pt"));
        for bad in ["cat", "cat=", "a cat=x.pt"] {
            assert!(bad.parse::<EmbeddingUse>().unwrap_err().is_usage(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(
            name in "[a-z_]{1,8}",
            unet_weight in -4.0_f64..4.0,
            text_weight in -4.0_f64..4.0,
        ) {
            let adapter = AdapterUse { text_weight, ..AdapterUse::new(name, unet_weight) };
            prop_assert_eq!(adapter.to_string().parse::<AdapterUse>().unwrap(), adapter);
        }
    }
}
