//! Options of `vernier render` for how prompts are read.

use clap::Args;
use vernier_engine::prompt::PromptSyntax;
use vernier_engine::recipe::Recipe;

use crate::failure::Failure;

/// What is asked of the prompts' reader.
#[derive(Debug, Args)]
#[command(next_help_heading = "Prompts")]
pub(super) struct TextArgs {
    #[arg(long, value_name = "NAME", help = syntax_help())]
    prompt_syntax: Option<String>,
    /// The text encoder's layer to take, counted from the last one, which is 1 [default: the
    /// model's own]
    #[arg(long, value_name = "N")]
    clip_skip: Option<u32>,
}

impl TextArgs {
    /// Changes `recipe` to what the options say.
    pub(super) fn change(&self, recipe: &mut Recipe) -> Result<(), Failure> {
        if let Some(syntax) = &self.prompt_syntax {
            recipe.text.prompt_syntax = syntax.parse()?;
        }
        if self.clip_skip.is_some() {
            recipe.text.clip_skip = self.clip_skip;
        }
        Ok(())
    }
}

fn syntax_help() -> String {
    let names = PromptSyntax::ALL.map(PromptSyntax::name).join(", ");
    format!(
        "Whose signs the prompts have, such as (a cat:1.3): one of {names} [default: a1111, or \
         what the recipe says]"
    )
}
