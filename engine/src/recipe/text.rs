//! How a recipe's words are read.

use serde::{Deserialize, Serialize};

use super::{AdapterUse, Recipe};
use crate::prompt::{LoraTag, PromptSyntax, lora_tags, without_tags};
use crate::{EngineError, Result};

/// Highest clip skip that a recipe may ask for; no published text encoder has more layers.
const MOST_CLIP_SKIP: u32 = 32;

/// How a recipe's words are read. Fields at their defaults are not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TextOptions {
    /// Which signs in the prompts mean something; absent, none do.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub prompt_syntax: PromptSyntax,
    /// Which of the text encoders' layers conditions the picture, counted from the last one, which
    /// is 1, as A1111, ComfyUI and Civitai count (Python diffusers counts from 0); absent for the
    /// model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_skip: Option<u32>,
}

impl TextOptions {
    /// Words as A1111 reads them: what new recipes have.
    pub const A1111: Self = Self {
        prompt_syntax: PromptSyntax::A1111,
        clip_skip: None,
    };

    /// Checks what can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::Request`] naming the field that cannot be carried out.
    pub(super) fn validate(self) -> Result<()> {
        match self.clip_skip {
            Some(skip) if !(1..=MOST_CLIP_SKIP).contains(&skip) => Err(EngineError::request(
                "clip_skip",
                format!("{skip} is outside 1 to {MOST_CLIP_SKIP}; 1 is the last layer"),
            )),
            _ => Ok(()),
        }
    }
}

impl Recipe {
    /// The same with every LoRA that a prompt names by an A1111 tag among the adapters, and no tags
    /// in the prompts. A tag's weights take the place of those of a listed adapter of its name;
    /// the weights of tags with one name add up.
    ///
    /// # Errors
    /// A tag has no name, or something else than a number for a weight.
    pub fn with_tags_as_adapters(&self) -> Result<Self> {
        let mut recipe = self.clone();
        if self.text.prompt_syntax != PromptSyntax::A1111 {
            return Ok(recipe);
        }
        let regions = recipe.regions.iter_mut().map(|region| &mut region.prompt);
        let prompts = [&mut recipe.prompt, &mut recipe.negative_prompt]
            .into_iter()
            .chain(regions);
        let mut all: Vec<LoraTag> = Vec::new();
        for prompt in prompts {
            let tags = lora_tags(prompt)?;
            if tags.is_empty() {
                continue;
            }
            *prompt = without_tags(prompt);
            for tag in tags {
                match all.iter_mut().find(|own| same(&own.name, &tag.name)) {
                    Some(own) => {
                        own.unet_weight += tag.unet_weight;
                        own.text_weight += tag.text_weight;
                    }
                    None => all.push(tag),
                }
            }
        }
        for tag in all {
            let mut listed = recipe.adapters.iter_mut();
            let adapter = match listed.find(|adapter| same(&adapter.name, &tag.name)) {
                Some(adapter) => adapter,
                None => recipe.adapters.push_mut(AdapterUse::new(&tag.name, 1.0)),
            };
            adapter.unet_weight = tag.unet_weight;
            adapter.text_weight = tag.text_weight;
        }
        Ok(recipe)
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands fields over by reference"
)]
fn is_plain(syntax: &PromptSyntax) -> bool {
    *syntax == PromptSyntax::Plain
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::sample;
    use super::super::{from_json, to_json};
    use super::*;

    #[test]
    fn recipes_of_old_read_plainly_and_new_ones_say_how() {
        let mut recipe = sample();
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        assert!(!text.contains("syntax") && !text.contains("skip"), "{text}");
        recipe.text = TextOptions {
            clip_skip: Some(2),
            ..TextOptions::A1111
        };
        let text = to_json(std::slice::from_ref(&recipe)).unwrap();
        assert!(text.contains("\"prompt_syntax\": \"a1111\""), "{text}");
        let back = from_json(&text, Path::new("r.json")).unwrap();
        assert_eq!(back, [recipe.clone()]);
        recipe.text.clip_skip = Some(0);
        let error = recipe.validate().unwrap_err();
        assert!(error.is_usage() && error.to_string().starts_with("clip_skip: 0"));
        let unknown = text.replace("a1111", "compel");
        let error = from_json(&unknown, Path::new("r.json")).unwrap_err();
        assert!(error.to_string().contains("compel"), "{error}");
    }

    #[test]
    fn tags_become_adapters() {
        let mut recipe = sample();
        recipe.adapters = vec![AdapterUse::new("Ink", 0.3), AdapterUse::new("other", 0.2)];
        recipe.prompt = "a cat <lora:ink:0.8> <lora:new:0.5><lora:new:0.25:1>".to_owned();
        recipe.negative_prompt = "blurry<lora:bad:-1>".to_owned();
        assert_eq!(recipe.with_tags_as_adapters().unwrap(), recipe);
        recipe.text = TextOptions::A1111;
        let lifted = recipe.with_tags_as_adapters().unwrap();
        assert_eq!(
            (lifted.prompt.as_str(), lifted.negative_prompt.as_str()),
            ("a cat", "blurry")
        );
        let weights: Vec<_> = lifted
            .adapters
            .iter()
            .map(|a| (a.name.as_str(), a.unet_weight, a.text_weight))
            .collect();
        assert_eq!(
            weights,
            [
                ("Ink", 0.8, 0.8),
                ("other", 0.2, 0.2),
                ("new", 1.5, 0.75),
                ("bad", -1.0, -1.0)
            ]
        );
        assert_eq!(lifted.with_tags_as_adapters().unwrap(), lifted);
        recipe.prompt = "<lora:ink:much>".to_owned();
        assert!(recipe.with_tags_as_adapters().unwrap_err().is_usage());
    }
}
