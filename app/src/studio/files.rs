//! Files that the window opens, read beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::controls::FoundControl;
use vernier_engine::picture::{self, ComfyGraph, ForeignRecipe, Picture};
use vernier_engine::project::{PROJECT_ENDING, Project};
use vernier_engine::recipe::{self, Recipe};

use super::state::{ModelItem, NewPicture};

/// What came of work with files.
#[derive(Debug)]
pub(crate) enum FileEvent {
    /// What there is to work with.
    Library {
        /// The models.
        models: Vec<ModelItem>,
        /// The controls.
        controls: Vec<FoundControl>,
        /// Nouns that the model's meter knows, in lower case.
        nouns: Vec<String>,
    },
    /// A project was opened.
    Project {
        /// Its file.
        path: PathBuf,
        /// Whether nobody has given it a place yet.
        is_untitled: bool,
        /// What it holds.
        project: Box<Project>,
        /// What the artist should know.
        notes: Vec<String>,
    },
    /// The project is on the disk.
    Saved {
        /// Its file.
        path: PathBuf,
        /// Whether the artist had asked for it.
        is_asked: bool,
    },
    /// The project could not be saved.
    NotSaved {
        /// Why, and what to do.
        sentence: String,
        /// The pictures that are still to be saved.
        pictures: Vec<NewPicture>,
    },
    /// A result's pixels.
    Pixels {
        /// Which result.
        id: String,
        /// The pixels.
        picture: Arc<Picture>,
    },
    /// A recipe for the bench.
    Recipe(Box<Recipe>),
    /// What another program says of a picture, for the bench.
    Foreign(Box<ForeignRecipe>),
    /// A file was written.
    Written(PathBuf),
    /// It did not work; one sentence.
    Failed(String),
}

/// Whether `path` is called as project files are.
pub(crate) fn is_project(path: &Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|e| e.eq_ignore_ascii_case(PROJECT_ENDING))
}

/// Reads what an artist may open besides projects: a picture that carries a recipe, ours or
/// another program's, or a recipe.
pub(crate) fn open(path: &Path) -> FileEvent {
    let ending = path.extension();
    let read = if ending.is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        picture::read_notes(path).and_then(|notes| match (&notes.recipe_json, notes.foreign()) {
            (None, Some(foreign)) => Ok(FileEvent::Foreign(Box::new(foreign))),
            _ => notes
                .recipe(path)
                .map(|recipe| FileEvent::Recipe(Box::new(recipe))),
        })
    } else {
        let recipes = recipe::read(path);
        let first = recipes.and_then(|recipes| first(path, recipes));
        first.map(|recipe| FileEvent::Recipe(Box::new(recipe)))
    };
    read.unwrap_or_else(|e| FileEvent::Failed(e.to_string()))
}

fn first(path: &Path, recipes: Vec<Recipe>) -> vernier_engine::Result<Recipe> {
    let none = || vernier_engine::EngineError::bad_file(path, "holds no recipe");
    recipes.into_iter().next().ok_or_else(none)
}

/// Understands a recipe as JSON, or what another program writes.
pub(crate) fn understand(text: &str) -> FileEvent {
    let is_foreign =
        !text.trim_start().starts_with(['{', '[']) || ComfyGraph::parse(text).is_some();
    if is_foreign {
        return FileEvent::Foreign(Box::new(ForeignRecipe::parse(text)));
    }
    let place = Path::new("the pasted text");
    match recipe::from_json(text, place).and_then(|recipes| first(place, recipes)) {
        Ok(recipe) => FileEvent::Recipe(Box::new(recipe)),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}
