//! Files that the window opens, read beside it.

use std::path::{Path, PathBuf};

use vernier_engine::controls::FoundControl;
use vernier_engine::picture;
use vernier_engine::recipe::{self, Recipe};

/// What came of work with files.
#[derive(Debug)]
pub(crate) enum FileEvent {
    /// The controls at hand, and the nouns that the model's meter knows.
    Controls {
        /// The controls.
        controls: Vec<FoundControl>,
        /// Nouns in lower case.
        nouns: Vec<String>,
    },
    /// A recipe for the bench.
    Recipe(Box<Recipe>),
    /// A file was written.
    Written(PathBuf),
    /// It did not work; one sentence.
    Failed(String),
}

/// Reads what an artist may open: a picture that carries a recipe, or a recipe.
pub(crate) fn open(path: &Path) -> FileEvent {
    let is_picture = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let read = if is_picture {
        picture::read_recipe(path)
    } else {
        recipe::read(path).and_then(|recipes| first(path, recipes))
    };
    match read {
        Ok(recipe) => FileEvent::Recipe(Box::new(recipe)),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}

fn first(path: &Path, recipes: Vec<Recipe>) -> vernier_engine::Result<Recipe> {
    let none = || vernier_engine::EngineError::bad_file(path, "holds no recipe");
    recipes.into_iter().next().ok_or_else(none)
}

/// Understands a recipe as text.
pub(crate) fn understand(text: &str) -> FileEvent {
    let place = Path::new("the pasted text");
    match recipe::from_json(text, place).and_then(|recipes| first(place, recipes)) {
        Ok(recipe) => FileEvent::Recipe(Box::new(recipe)),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}
