//! Files that the window opens, read beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use vernier_engine::adapters::{FoundAdapter, is_called_like_one};
use vernier_engine::checkpoint::FoundControlNet;
use vernier_engine::controls::FoundControl;
use vernier_engine::picture::{self, ComfyGraph, ForeignRecipe, Picture, PictureShelf};
use vernier_engine::project::{PROJECT_ENDING, Project};
use vernier_engine::recipe::{self, PictureRef, Recipe};

use super::state::{AdapterQuestion, ModelItem, NewPicture};

/// What came of work with files.
#[derive(Debug)]
pub(crate) enum FileEvent {
    /// What there is to work with.
    Library {
        /// The models.
        models: Vec<ModelItem>,
        /// Adapters and embeddings of other programs.
        adapters: Vec<FoundAdapter>,
        /// ControlNets.
        controlnets: Vec<FoundControlNet>,
        /// The controls.
        controls: Vec<FoundControl>,
        /// Nouns that the model's meter knows, in lower case.
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
        /// Models that are no longer where they were: names and places.
        missing: Vec<(String, String)>,
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
    /// A question about an adapter's file is answered.
    Adapter(AdapterQuestion, Result<FoundAdapter, String>),
    /// A picture to start from; it is in the shelf.
    Source(PictureRef),
    /// A picture for the picture prompt at this place of the bench; it is in the shelf.
    PromptPicture(usize, PictureRef),
    /// A picture for a ControlNet to follow; it is in the shelf.
    Map(PictureRef),
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

/// Whether `path` is called as LoRAs and embeddings are, alone or in a folder of their own.
pub(crate) fn is_adapter(path: &Path) -> bool {
    let names = ["adapter_config.json", "pytorch_lora_weights.safetensors"];
    is_called_like_one(path) || names.iter().any(|name| path.join(name).is_file())
}

/// Reads what an artist may open besides projects and adapters: a picture that carries a recipe, ours or
/// another program's, or a recipe. A picture that carries neither is one to start from, and goes
/// into `shelf`.
pub(crate) fn open(path: &Path, shelf: &PictureShelf) -> FileEvent {
    let is_called = |ending: &str| {
        let own = path.extension();
        own.is_some_and(|e| e.eq_ignore_ascii_case(ending))
    };
    if is_called("jpg") || is_called("jpeg") {
        return open_source(path, shelf);
    }
    let read = if is_called("png") {
        picture::read_notes(path).and_then(|notes| match (&notes.recipe_json, notes.foreign()) {
            (None, None) => Ok(open_source(path, shelf)),
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

/// Reads a picture of any program into `shelf`, to start from.
pub(crate) fn open_source(path: &Path, shelf: &PictureShelf) -> FileEvent {
    match shelf.read(path) {
        Ok(picture) => FileEvent::Source(picture),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}

/// Reads a picture of any program into `shelf`, for the picture prompt at `at`.
pub(crate) fn open_prompt_picture(at: usize, path: &Path, shelf: &PictureShelf) -> FileEvent {
    match shelf.read(path) {
        Ok(picture) => FileEvent::PromptPicture(at, picture),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}

/// Whether `path` is called as pictures are.
pub(crate) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    matches!(ending.as_deref(), Some("png" | "jpg" | "jpeg"))
}

/// Reads a picture of any program into `shelf`, for a ControlNet to follow.
pub(crate) fn open_map(path: &Path, shelf: &PictureShelf) -> FileEvent {
    match shelf.read(path) {
        Ok(picture) => FileEvent::Map(picture),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
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
