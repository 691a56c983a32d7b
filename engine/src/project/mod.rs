//! Projects: what lies on the bench, named recipes and finished pictures, in one file.
//!
//! A project file is a ZIP archive that grows at its end: a save appends what is new and a new
//! table of contents, and touches nothing that is there. `docs/projects.md` tells the format.

mod archive;
mod bench;
mod bench_adapters;
mod bench_edit;
mod bench_picture_prompts;
mod change;
mod control_key;
mod document;
mod file;
mod lock;
mod records;
mod rescue;
mod result;
mod scan;
mod sources;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::recipe::{AdapterUse, ControlUse, ModelRef, PicturePromptUse, Recipe};

pub use change::{ProjectChange, relink};
pub use control_key::ControlKey;
pub use file::{Opened, ProjectFile};
pub use rescue::Recovered;
pub use result::{ResultEntry, result_png_name};
pub use sources::source_png_name;

/// The newest project version that this program writes and reads.
pub const PROJECT_VERSION: u32 = 1;

/// How the names of project files end, without the dot.
pub const PROJECT_ENDING: &str = "vernier";

/// Everything of a project but its pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// Schema version, [`PROJECT_VERSION`] when written by this program.
    pub version: u32,
    /// Name shown to people.
    #[serde(default)]
    pub name: String,
    /// What is being worked on.
    pub bench: Bench,
    /// Recipes that were put aside under a name.
    #[serde(default)]
    pub recipes: Vec<NamedRecipe>,
    /// Finished pictures, oldest first.
    #[serde(default)]
    pub results: Vec<ResultEntry>,
    /// Models that recipes and results name, so that they can be found again.
    #[serde(default)]
    pub models: Vec<ModelRef>,
    /// How the window is laid out; null where it never was.
    #[serde(default)]
    pub layout: Value,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// What lies on the bench: the recipe being worked on and its controls' switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// The recipe being worked on; it need not be one that can be rendered.
    pub recipe: Recipe,
    /// Controls that are kept aside, with their values.
    #[serde(default)]
    pub muted: Vec<ControlUse>,
    /// Adapters that are kept aside, with their weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted_adapters: Vec<AdapterUse>,
    /// Picture prompts that are kept aside, with their weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub muted_picture_prompts: Vec<PicturePromptUse>,
    /// The bench's recipe as it was edited in the other way, by paint or by words: its source's
    /// mask, its regions and its edit are kept aside here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<Box<Recipe>>,
    /// Controls that no tool may move, as they are shown without their value: `smile@woman`.
    #[serde(default)]
    pub locked: Vec<String>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

/// A recipe with a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NamedRecipe {
    /// Its name, for people and for `vernier batch --only`.
    pub name: String,
    /// The recipe.
    pub recipe: Recipe,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Project {
    /// A project called `name` with `recipe` on its bench and nothing else.
    pub fn new(name: impl Into<String>, recipe: Recipe) -> Self {
        let mut project = Self {
            version: PROJECT_VERSION,
            name: name.into(),
            bench: Bench::new(recipe),
            recipes: Vec::new(),
            results: Vec::new(),
            models: Vec::new(),
            layout: Value::Null,
            unknown: Map::new(),
        };
        project.list_models();
        project
    }

    /// Puts `recipe` aside under `name`, behind those that are there.
    pub fn add_recipe(&mut self, name: impl Into<String>, recipe: Recipe) {
        self.recipes.push(NamedRecipe {
            name: name.into(),
            recipe,
            unknown: Map::new(),
        });
        self.list_models();
    }

    /// Every recipe: the bench's, the named ones, those of the results.
    pub fn all_recipes(&self) -> impl Iterator<Item = &Recipe> {
        std::iter::once(&self.bench.recipe)
            .chain(self.bench.aside.as_deref())
            .chain(self.recipes.iter().map(|named| &named.recipe))
            .chain(self.results.iter().map(|result| &result.recipe))
    }

    /// The same, to be changed.
    fn recipes_mut(&mut self) -> impl Iterator<Item = &mut Recipe> {
        std::iter::once(&mut self.bench.recipe)
            .chain(self.bench.aside.as_deref_mut())
            .chain(self.recipes.iter_mut().map(|named| &mut named.recipe))
            .chain(self.results.iter_mut().map(|result| &mut result.recipe))
    }

    /// Adds to [`Project::models`] what recipes name and is not listed yet. A model whose hash
    /// became known takes the place of the same one without.
    pub fn list_models(&mut self) {
        let mut models = std::mem::take(&mut self.models);
        for model in self.all_recipes().map(|recipe| &recipe.model) {
            let place = |own: &&mut ModelRef| own.name == model.name && own.path == model.path;
            if models
                .iter_mut()
                .filter(place)
                .any(|own| own.hash == model.hash || model.hash.is_empty())
            {
                continue;
            }
            let unresolved = |own: &&mut ModelRef| place(own) && own.hash.is_empty();
            match models.iter_mut().find(unresolved) {
                Some(own) => own.hash.clone_from(&model.hash),
                None => models.push(model.clone()),
            }
        }
        self.models = models;
    }
}
