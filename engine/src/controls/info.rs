//! What a control's file says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Calibration;
use crate::recipe::ControlUse;

/// The newest version of control files that this program writes and reads.
pub const CONTROL_VERSION: u32 = 1;

/// The method that a control works by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlKind {
    /// A vector added to the subject's tokens (Continuous, Subject-Specific Attribute Control,
    /// arXiv 2403.17064).
    Direction,
    /// Value tokens beside the text (AttriCtrl, arXiv 2508.02151).
    Value,
    /// A second cross-attention fed by attribute values (Att-Adapter, arXiv 2503.11937).
    AttAdapter,
    /// Low-rank branches in the U-Net (Concept Sliders, arXiv 2311.12092).
    Slider,
    /// A meter's gradient on the predicted picture; nothing is trained.
    Guidance,
}

impl ControlKind {
    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Direction => "token direction",
            Self::Value => "value tokens (AttriCtrl)",
            Self::AttAdapter => "Att-Adapter",
            Self::Slider => "Concept Slider",
            Self::Guidance => "meter guidance",
        }
    }

    /// Whether the raw number is an attribute's value, which has no neutral point and is either
    /// set or not, rather than a strength that does nothing at 0.
    pub fn takes_values(self) -> bool {
        !matches!(self, Self::Direction | Self::Slider)
    }
}

/// The model that a control was made for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFor {
    /// The model's name.
    pub name: String,
    /// SHA-256 over the model's files in hex; empty where it is not known.
    #[serde(default)]
    pub hash: String,
}

/// Everything about a control but its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlInfo {
    /// Schema version, [`CONTROL_VERSION`] when written by this program.
    pub version: u32,
    /// Its name, by which recipes call it.
    pub name: String,
    /// How it works.
    pub kind: ControlKind,
    /// What it moves, in the meter's words; an adapter has several.
    pub attributes: Vec<String>,
    /// Nouns of the subjects that it was made for; empty for controls of the whole picture.
    #[serde(default)]
    pub subjects: Vec<String>,
    /// Fraction of the steps, 0..1, that pass before it begins.
    #[serde(default)]
    pub start: f64,
    /// One sentence for people.
    #[serde(default)]
    pub about: String,
    /// Which model it was made for.
    #[serde(default)]
    pub model: MadeFor,
    /// How it was made: `clip_difference`, `learned`, `imported`, …
    #[serde(default)]
    pub method: String,
    /// The command that made it.
    #[serde(default)]
    pub command: String,
    /// What its method needs to know beside the tensors.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub settings: serde_json::Map<String, serde_json::Value>,
    /// Per attribute, how it responds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calibrations: BTreeMap<String, Calibration>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl ControlInfo {
    /// A control of `kind` that moves `attributes`, with everything else empty.
    pub fn new(name: impl Into<String>, kind: ControlKind, attributes: Vec<String>) -> Self {
        Self {
            version: CONTROL_VERSION,
            name: name.into(),
            kind,
            attributes,
            subjects: Vec::new(),
            start: 0.0,
            about: String::new(),
            model: MadeFor::default(),
            method: String::new(),
            command: String::new(),
            settings: serde_json::Map::new(),
            calibrations: BTreeMap::new(),
            unknown: serde_json::Map::new(),
        }
    }

    /// The attribute that `control` means: the one that its name chooses, or the only one that
    /// there is.
    pub fn attribute_of<'a>(&'a self, control: &ControlUse) -> Option<&'a str> {
        let mut all = self.attributes.iter().map(String::as_str);
        match (control.file_and_attribute().1, self.attributes.as_slice()) {
            (Some(chosen), _) => all.find(|attribute| *attribute == chosen),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}
