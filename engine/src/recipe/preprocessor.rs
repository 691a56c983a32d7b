//! Ways from a picture to the map that a ControlNet follows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// What is made of a picture before a ControlNet sees it. None needs a model of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preprocessor {
    /// Nothing: the picture is a map already.
    #[default]
    None,
    /// White edges on black (Canny 1986), for ControlNets for canny edges.
    Canny,
    /// Black to white and white to black: a drawing on paper becomes white lines on black.
    Invert,
    /// A picture whose small forms are gone, for ControlNets for blur and tile.
    Blur,
    /// A picture of an eighth of the size, enlarged again, for ControlNets for tile.
    Tile,
    /// The picture with a hole where the source's mask is white, for ControlNets for inpainting.
    Inpaint,
}

impl Preprocessor {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Canny,
        Self::Invert,
        Self::Blur,
        Self::Tile,
        Self::Inpaint,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Canny => "canny",
            Self::Invert => "invert",
            Self::Blur => "blur",
            Self::Tile => "tile",
            Self::Inpaint => "inpaint",
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl fmt::Display for Preprocessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Preprocessor {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|own| own.name() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            EngineError::request("preprocessor", format!("\"{text}\" is not one of {all}"))
        })
    }
}
