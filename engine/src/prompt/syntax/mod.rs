//! Signs in prompts that are not words: weights, breaks and tags of LoRAs.

mod a1111;
mod comfyui;
mod lora_tag;
mod pieces;

use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use lora_tag::{LoraTag, lora_tags, tag_places, without_tags};
pub(super) use pieces::Piece;

use crate::{EngineError, Result};

/// Which signs in a prompt mean something, and whose rules hold for long ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PromptSyntax {
    /// None: every sign is a word like any other, as in Python diffusers.
    #[default]
    Plain,
    /// Those of AUTOMATIC1111's web UI.
    A1111,
    /// Those of ComfyUI.
    ComfyUi,
}

impl PromptSyntax {
    /// All of them, in the order in which lists show them.
    pub const ALL: [Self; 3] = [Self::A1111, Self::ComfyUi, Self::Plain];

    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::A1111 => "a1111",
            Self::ComfyUi => "comfyui",
        }
    }

    /// `prompt` in runs of words that are read together.
    pub(super) fn pieces(self, prompt: &str) -> Vec<Piece> {
        match self {
            Self::Plain => vec![Piece::plain(prompt)],
            Self::A1111 => a1111::pieces(prompt),
            Self::ComfyUi => comfyui::pieces(prompt),
        }
    }
}

impl FromStr for PromptSyntax {
    type Err = EngineError;

    fn from_str(name: &str) -> Result<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|syntax| syntax.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            let problem = format!("\"{name}\" is unknown; use one of {names}");
            EngineError::request("prompt_syntax", problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, PromptSyntax};

    #[test]
    fn names_lead_back() {
        for syntax in PromptSyntax::ALL {
            assert_eq!(syntax.name().parse::<PromptSyntax>().unwrap(), syntax);
            let json = serde_json::to_string(&syntax).unwrap();
            assert_eq!(json, format!("\"{}\"", syntax.name()));
        }
        let error = "compel".parse::<PromptSyntax>().unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("a1111, comfyui, plain"));
    }

    proptest! {
        #[test]
        fn every_letter_knows_where_it_came_from(
            prompt in "([a-z():\\[\\]\\\\.0-9 é]|BREAK){0,40}",
        ) {
            for syntax in PromptSyntax::ALL {
                for piece in syntax.pieces(&prompt) {
                    let Piece::Words(words) = piece else { continue };
                    for (at, c) in words.text().char_indices() {
                        let range = words.in_prompt(&(at..at + c.len_utf8()));
                        prop_assert_eq!(&prompt[range], &c.to_string());
                    }
                }
            }
        }

        #[test]
        fn a_prompt_without_signs_is_one_piece(prompt in "[a-z0-9 ,.!é]{1,60}") {
            for syntax in PromptSyntax::ALL {
                let pieces = syntax.pieces(&prompt);
                prop_assert_eq!(pieces, vec![Piece::plain(&prompt)]);
            }
        }
    }
}
