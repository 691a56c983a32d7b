//! What can be done to a project without rendering: the window and the command line ask for the
//! same changes.

use std::path::{Path, PathBuf};

use super::Project;
use crate::recipe::ModelRef;
use crate::{EngineError, Result};

/// A change of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProjectChange {
    /// Gives it another name.
    Rename(String),
    /// Marks a result, or takes the mark off.
    Star {
        /// The result's id.
        result: String,
        /// Whether it is marked from now on.
        is_starred: bool,
    },
    /// Takes a result out of the project.
    RemoveResult(String),
    /// Takes a named recipe out of the project.
    RemoveRecipe(String),
    /// Puts a result's recipe onto the bench; locked controls keep their settings.
    Adopt(String),
    /// Says where a model lies now.
    Relink {
        /// The model's name in recipes.
        model: String,
        /// Its folder.
        path: PathBuf,
    },
}

impl Project {
    /// Carries out `change`.
    ///
    /// # Errors
    /// The project has no result, recipe or model of that name; it is as it was then.
    pub fn apply(&mut self, change: &ProjectChange) -> Result<()> {
        match change {
            ProjectChange::Rename(name) => self.name.clone_from(name),
            ProjectChange::Star { result, is_starred } => {
                let at = self.result_at(result)?;
                self.results[at].starred = *is_starred;
            }
            ProjectChange::RemoveResult(result) => {
                let at = self.result_at(result)?;
                self.results.remove(at);
            }
            ProjectChange::RemoveRecipe(name) => {
                let before = self.recipes.len();
                self.recipes.retain(|named| named.name != *name);
                if self.recipes.len() == before {
                    let all = self.recipes.iter().map(|named| named.name.as_str());
                    return Err(unknown("recipe", name, all));
                }
            }
            ProjectChange::Adopt(result) => {
                let recipe = self.results[self.result_at(result)?].recipe.clone();
                self.bench.adopt(&recipe);
            }
            ProjectChange::Relink { model, path } => {
                let mut found = false;
                for own in &mut self.models {
                    found |= relink(own, model, path);
                }
                for recipe in self.recipes_mut() {
                    found |= relink(&mut recipe.model, model, path);
                }
                if !found {
                    let all = self.models.iter().map(|own| own.name.as_str());
                    return Err(unknown("model", model, all));
                }
            }
        }
        Ok(())
    }

    /// The models that recipes name and that are no longer where they were.
    pub fn missing_models(&self) -> Vec<&ModelRef> {
        let is_gone = |model: &&ModelRef| {
            let path = model.path.as_ref();
            path.is_some_and(|path| !Path::new(path).is_dir())
        };
        let mut missing: Vec<&ModelRef> = Vec::new();
        for model in self.models.iter().filter(is_gone) {
            if !missing.iter().any(|known| known.name == model.name) {
                missing.push(model);
            }
        }
        missing
    }

    fn result_at(&self, id: &str) -> Result<usize> {
        let found = self.results.iter().position(|result| result.id == id);
        found.ok_or_else(|| unknown("result", id, self.results.iter().map(|r| r.id.as_str())))
    }
}

/// Says where the model lies now, where it is the one called `name`; whether it is. Its hash stays:
/// it tells whether this is the model that pictures were made with.
pub fn relink(model: &mut ModelRef, name: &str, path: &Path) -> bool {
    let is_it = model.name == name && model.path.is_some();
    if is_it {
        let hash = std::mem::take(&mut model.hash);
        let unknown = std::mem::take(&mut model.unknown);
        *model = ModelRef {
            name: name.to_owned(),
            hash,
            unknown,
            prediction_type: model.prediction_type.take(),
            ..ModelRef::at(path)
        };
    }
    is_it
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> EngineError {
    let all: Vec<&str> = all.collect();
    let problem = if all.is_empty() {
        format!("the project has no {what}")
    } else {
        format!(
            "the project has none of that name; it has {}",
            all.join(", ")
        )
    };
    EngineError::request(format!("{what} \"{name}\""), problem)
}

#[cfg(test)]
mod tests {
    use super::super::ResultEntry;
    use super::*;
    use crate::recipe::tests::sample;

    fn project() -> Project {
        let mut recipe = sample();
        recipe.model.name = "bright".to_owned();
        recipe.model.path = Some("/nowhere/bright".to_owned());
        recipe.model.hash = "12ab".to_owned();
        let mut project = Project::new("p", sample());
        project.add_recipe("first", recipe.clone());
        let result = ResultEntry::new(recipe, 1.0, &project);
        project.results.push(result);
        project
    }

    #[test]
    fn results_are_marked_adopted_and_removed() {
        let mut project = project();
        let id = project.results[0].id.clone();
        let star = ProjectChange::Star {
            result: id.clone(),
            is_starred: true,
        };
        project.apply(&star).unwrap();
        assert!(project.results[0].starred);
        project.apply(&ProjectChange::Adopt(id.clone())).unwrap();
        assert_eq!(project.bench.recipe.model.name, "bright");
        project.apply(&ProjectChange::RemoveResult(id)).unwrap();
        assert!(project.results.is_empty());
        let refused = project.apply(&star).unwrap_err().to_string();
        assert!(refused.contains("the project has no result"), "{refused}");
        let gone = ProjectChange::RemoveRecipe("second".to_owned());
        let refused = project.apply(&gone).unwrap_err().to_string();
        assert!(refused.contains("it has first"), "{refused}");
    }

    #[test]
    fn a_model_that_moved_is_found_by_all_recipes() {
        let mut project = project();
        let missing = project.missing_models();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].name, "bright");
        let folder = tempfile::tempdir().unwrap();
        let change = ProjectChange::Relink {
            model: "bright".to_owned(),
            path: folder.path().to_owned(),
        };
        project.apply(&change).unwrap();
        assert!(project.missing_models().is_empty());
        let path = folder.path().to_str();
        for recipe in [&project.recipes[0].recipe, &project.results[0].recipe] {
            assert_eq!(recipe.model.path.as_deref(), path);
            assert_eq!(
                (recipe.model.name.as_str(), recipe.model.hash.as_str()),
                ("bright", "12ab")
            );
        }
        assert_eq!(
            project.bench.recipe,
            sample(),
            "the embedded model does not move"
        );
    }
}
