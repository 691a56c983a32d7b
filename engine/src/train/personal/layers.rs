//! Which layers a LoRA is trained on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// Layers that get a branch, each choice with those of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoraLayers {
    /// The attention to the text.
    Cross,
    /// Both attentions.
    Attention,
    /// The transformers with their feed-forward layers and the projections around them.
    #[serde(rename = "attention+feedforward")]
    AttentionFeedForward,
    /// The residual blocks, downsamplers and upsamplers too, convolutions among them.
    All,
}

impl LoraLayers {
    /// All choices.
    pub const EVERY: [Self; 4] = [
        Self::Cross,
        Self::Attention,
        Self::AttentionFeedForward,
        Self::All,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cross => "cross",
            Self::Attention => "attention",
            Self::AttentionFeedForward => "attention+feedforward",
            Self::All => "all",
        }
    }

    /// Whether the U-Net's layer at `path`, in diffusers naming, gets a branch.
    pub fn include_unet(self, path: &str) -> bool {
        let within = |part: &str| path.split('.').any(|p| p == part);
        let cross = within("attn2");
        let attention = cross || within("attn1");
        let transformer = within("attentions");
        let convolutional = within("resnets") || within("downsamplers") || within("upsamplers");
        match self {
            Self::Cross => cross,
            Self::Attention => attention,
            Self::AttentionFeedForward => transformer,
            Self::All => transformer || convolutional,
        }
    }

    /// Whether the text encoder's layer at `path`, in transformers naming, gets a branch.
    pub fn include_text(self, path: &str) -> bool {
        let within = |part: &str| path.split('.').any(|p| p == part);
        let with_mlp = matches!(self, Self::AttentionFeedForward | Self::All);
        within("self_attn") || (with_mlp && within("mlp"))
    }
}

impl fmt::Display for LoraLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LoraLayers {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::EVERY.into_iter().find(|layers| layers.name() == name);
        found.ok_or_else(|| {
            let known = Self::EVERY.map(Self::name).join(", ");
            EngineError::request("layers", format!("\"{name}\" is not one of {known}"))
        })
    }
}
