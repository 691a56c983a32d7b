//! Ways of editing, and the parts of ours.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Result};

/// A way of editing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditMethod {
    /// Attribute-leakage-free editing (arXiv 2412.04715) on a virtual inversion, in our form: words
    /// are kept apart in their own prompts, and guidance leads away from the old ones.
    #[default]
    Ale,
    /// The same as it was published: words are encoded alone, and guidance leads away from the
    /// negative prompt.
    AlePublished,
    /// The source walked up to noise by DDIM (arXiv 2010.02502) and down again under the new words.
    /// Of the parts it has [`EditPart::Background`] alone.
    DdimInversion,
    /// Prompt-to-prompt (arXiv 2208.01626) on a virtual inversion: new words look where the old ones
    /// looked. Of the parts it has [`EditPart::Background`] and [`EditPart::Structure`].
    PromptToPrompt,
}

impl EditMethod {
    /// All methods.
    pub const ALL: [Self; 4] = [
        Self::Ale,
        Self::AlePublished,
        Self::DdimInversion,
        Self::PromptToPrompt,
    ];

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ale => "ale",
            Self::AlePublished => "ale_published",
            Self::DdimInversion => "ddim_inversion",
            Self::PromptToPrompt => "prompt_to_prompt",
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(super) fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl FromStr for EditMethod {
    type Err = EngineError;

    /// The name, with `-` or `_`.
    fn from_str(text: &str) -> Result<Self> {
        let asked = text.replace('-', "_");
        let found = Self::ALL.into_iter().find(|method| method.name() == asked);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            EngineError::request("method", format!("\"{text}\" is not one of {all}"))
        })
    }
}

/// A part of the method, which can be left out to see what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EditPart {
    /// Every thing's new words are encoded so that they know of no other new ones.
    Words,
    /// Every thing reads its own words only where its mask is.
    Regions,
    /// After each step everything outside of all masks is the source again.
    Background,
    /// The source's queries and keys in the self-attentions keep its shapes.
    Structure,
    /// What the autoencoder loses of the source is put back where nothing has changed.
    Detail,
}

#[cfg(test)]
mod tests {
    use super::super::{Edit, EditMethod};

    #[test]
    fn the_usual_method_is_not_written_and_others_are() {
        let mut edit = Edit::new(Vec::new());
        let text = |edit: &Edit| serde_json::to_string(edit).unwrap();
        assert!(!text(&edit).contains("method"));
        for method in EditMethod::ALL {
            edit.method = method;
            let back: Edit = serde_json::from_str(&text(&edit)).unwrap();
            assert_eq!(back.method, method);
            assert_eq!(
                method
                    .name()
                    .replace('_', "-")
                    .parse::<EditMethod>()
                    .unwrap(),
                method
            );
        }
        let said = "theirs".parse::<EditMethod>().unwrap_err().to_string();
        assert!(
            said.contains("ale, ale_published, ddim_inversion"),
            "{said}"
        );
    }
}
