//! Pictures that were made: those that are kept, and the bench's latest.

use std::collections::VecDeque;
use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::project::ResultEntry;
use vernier_engine::recipe::Recipe;

/// So many of the bench's pictures are remembered, for undo.
const BENCH_CAPACITY: usize = 64;

/// A picture that is kept.
#[derive(Debug, Clone)]
pub struct ResultItem {
    /// Its name in the project.
    pub id: String,
    /// What made it, resolved.
    pub recipe: Arc<Recipe>,
    /// Its pixels, once they have been read from the project.
    pub picture: Option<Arc<Picture>>,
    /// How long it took in seconds.
    pub secs: f64,
    /// When it was made, in seconds since 1970.
    pub made_at_unix_secs: u64,
    unknown: serde_json::Map<String, serde_json::Value>,
}

impl ResultItem {
    /// What a project says of a picture; its pixels come later.
    pub fn of(entry: ResultEntry, picture: Option<Arc<Picture>>) -> Self {
        Self {
            id: entry.id,
            recipe: Arc::new(entry.recipe),
            picture,
            secs: entry.secs,
            made_at_unix_secs: entry.made_at_unix_secs,
            unknown: entry.unknown,
        }
    }

    /// The same for a project.
    pub fn entry(&self, starred: bool) -> ResultEntry {
        ResultEntry {
            id: self.id.clone(),
            recipe: (*self.recipe).clone(),
            secs: self.secs,
            made_at_unix_secs: self.made_at_unix_secs,
            starred,
            unknown: self.unknown.clone(),
        }
    }
}

/// A picture that the project file does not hold yet.
#[derive(Debug, Clone)]
pub struct NewPicture {
    /// Its name in the project.
    pub id: String,
    /// The pixels.
    pub picture: Arc<Picture>,
    /// What made it.
    pub recipe: Arc<Recipe>,
}

/// Pictures of the bench by the recipe that was on it, the newest first.
#[derive(Debug, Default)]
pub struct BenchPictures {
    newest_first: VecDeque<(Recipe, Made)>,
}

/// A picture and what is known about its making.
#[derive(Debug, Clone)]
pub struct Made {
    /// The pixels.
    pub picture: Arc<Picture>,
    /// The recipe with hashes and settings resolved.
    pub recipe: Arc<Recipe>,
    /// How long it took in seconds.
    pub secs: f64,
}

impl BenchPictures {
    /// Remembers the picture of the bench `recipe`.
    pub fn insert(&mut self, recipe: Recipe, made: Made) {
        self.newest_first.retain(|(known, _)| *known != recipe);
        self.newest_first.push_front((recipe, made));
        self.newest_first.truncate(BENCH_CAPACITY);
    }

    /// The benches whose pictures are remembered.
    pub fn recipes(&self) -> impl Iterator<Item = &Recipe> {
        self.newest_first.iter().map(|(recipe, _)| recipe)
    }

    /// The picture of the bench `recipe`.
    pub fn get(&self, recipe: &Recipe) -> Option<&Made> {
        let mut all = self.newest_first.iter();
        all.find(|(known, _)| known == recipe).map(|(_, made)| made)
    }
}
