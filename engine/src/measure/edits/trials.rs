//! The ways of editing that are held against one another.

use serde::{Deserialize, Serialize};

use crate::recipe::{Change, Edit, EditMethod, EditPart};

/// How far DDIM inversion walks up, as image to image does it: all the way up a schedule with no signal at its end, DDIM loses the source.
const DDIM_STRENGTH: f64 = 0.8;

/// One way of editing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditTrial {
    /// Attribute-leakage-free editing as it is by default.
    Ours,
    /// The same without words that are encoded alone.
    WithoutWords,
    /// The same without values that hold in their regions only.
    WithoutRegions,
    /// The same without the source put back outside of the masks after each step.
    WithoutBackground,
    /// The same without the source's queries and keys.
    WithoutStructure,
    /// The same without the detail that the autoencoder loses.
    WithoutDetail,
    /// Attribute-leakage-free editing as it was published.
    AlePublished,
    /// Virtual inversion and nothing else.
    VirtualInversion,
    /// Prompt-to-prompt on a virtual inversion, without masks.
    PromptToPrompt,
    /// DDIM inversion, and the source put back outside of the masks after each step.
    DdimInversion,
    /// Ours with every thing becoming what it is.
    NoEdit,
    /// No model: the picture as it should look.
    Truth,
}

impl EditTrial {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 12] = [
        Self::Ours,
        Self::WithoutWords,
        Self::WithoutRegions,
        Self::WithoutBackground,
        Self::WithoutStructure,
        Self::WithoutDetail,
        Self::AlePublished,
        Self::VirtualInversion,
        Self::PromptToPrompt,
        Self::DdimInversion,
        Self::NoEdit,
        Self::Truth,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::WithoutWords => "without_words",
            Self::WithoutRegions => "without_regions",
            Self::WithoutBackground => "without_background",
            Self::WithoutStructure => "without_structure",
            Self::WithoutDetail => "without_detail",
            Self::AlePublished => "ale_published",
            Self::VirtualInversion => "virtual_inversion",
            Self::PromptToPrompt => "prompt_to_prompt",
            Self::DdimInversion => "ddim_inversion",
            Self::NoEdit => "no_edit",
            Self::Truth => "truth",
        }
    }

    /// What it is, for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::WithoutWords => "without words",
            Self::WithoutRegions => "without regions",
            Self::WithoutBackground => "without background",
            Self::WithoutStructure => "without structure",
            Self::WithoutDetail => "without detail",
            Self::AlePublished => "ALE as published",
            Self::VirtualInversion => "virtual inversion",
            Self::PromptToPrompt => "prompt-to-prompt",
            Self::DdimInversion => "DDIM inversion, masked",
            Self::NoEdit => "no edit",
            Self::Truth => "the truth",
        }
    }

    /// The edit of `changes`, and the strength of its source; `None` where no model is at work.
    pub fn edit(self, mut changes: Vec<Change>) -> Option<(Edit, f64)> {
        use EditPart::{Background, Detail, Regions, Structure, Words};
        let (method, without, strength) = match self {
            Self::Truth => return None,
            Self::Ours | Self::NoEdit => (EditMethod::Ale, vec![], 1.0),
            Self::WithoutWords => (EditMethod::Ale, vec![Words], 1.0),
            Self::WithoutRegions => (EditMethod::Ale, vec![Regions], 1.0),
            Self::WithoutBackground => (EditMethod::Ale, vec![Background], 1.0),
            Self::WithoutStructure => (EditMethod::Ale, vec![Structure], 1.0),
            Self::WithoutDetail => (EditMethod::Ale, vec![Detail], 1.0),
            Self::AlePublished => (EditMethod::AlePublished, vec![], 1.0),
            Self::VirtualInversion => {
                let all = vec![Words, Regions, Background, Structure, Detail];
                (EditMethod::Ale, all, 1.0)
            }
            Self::PromptToPrompt => (EditMethod::PromptToPrompt, vec![Background], 1.0),
            Self::DdimInversion => (EditMethod::DdimInversion, vec![], DDIM_STRENGTH),
        };
        if self == Self::NoEdit {
            for change in &mut changes {
                change.to.clone_from(&change.from);
            }
        }
        let edit = Edit {
            method,
            without,
            ..Edit::new(changes)
        };
        Some((edit, strength))
    }
}
