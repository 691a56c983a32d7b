//! Files that the window opens, read beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::controls::FoundControl;
use vernier_engine::picture::{self, Parameters, Picture};
use vernier_engine::project::{PROJECT_ENDING, Project};
use vernier_engine::recipe::{self, Recipe};

use super::state::NewPicture;

/// What came of work with files.
#[derive(Debug)]
pub(crate) enum FileEvent {
    /// The controls at hand, and the nouns that the model's meter knows.
    Controls {
        /// The controls.
        controls: Vec<FoundControl>,
        /// Nouns in lower case.
        nouns: Vec<String>,
        /// Attributes that it reads as numbers.
        attributes: Vec<String>,
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
    Parameters(Box<Parameters>),
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

/// Reads what an artist may open besides projects: a picture that carries a recipe or another
/// program's parameters, or a recipe.
pub(crate) fn open(path: &Path) -> FileEvent {
    let ending = path.extension();
    let read = if ending.is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        picture::read_notes(path).and_then(|notes| match (&notes.recipe_json, &notes.parameters) {
            (None, Some(parameters)) => Ok(FileEvent::Parameters(Box::new(parameters.clone()))),
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

/// Understands a recipe as JSON, or another program's parameters.
pub(crate) fn understand(text: &str) -> FileEvent {
    if !text.trim_start().starts_with(['{', '[']) {
        return FileEvent::Parameters(Box::new(Parameters::parse(text)));
    }
    let place = Path::new("the pasted text");
    match recipe::from_json(text, place).and_then(|recipes| first(place, recipes)) {
        Ok(recipe) => FileEvent::Recipe(Box::new(recipe)),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}
