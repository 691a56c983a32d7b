//! Finished pictures of a project.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Project;
use crate::recipe::{Recipe, sha256_hex};

/// Folder of the finished pictures inside a project file.
const FOLDER: &str = "results/";
/// How their names end.
const ENDING: &str = ".png";
/// Characters of an id.
const ID_LENGTH: usize = 12;

/// A finished picture; its pixels lie in the entry [`result_png_name`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultEntry {
    /// Names it within the project: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    pub id: String,
    /// What it was made from, hashes and raw settings included.
    pub recipe: Recipe,
    /// How long it took, in seconds; 0 where nobody knows.
    #[serde(default)]
    pub secs: f64,
    /// When it was made, in seconds since 1970; 0 where nobody knows.
    #[serde(default)]
    pub made_at_unix_secs: u64,
    /// Whether the artist marked it.
    #[serde(default)]
    pub starred: bool,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl ResultEntry {
    /// A picture that was just made from `recipe` in `secs` seconds, with an id that is not in
    /// `project` yet. It still has to be put into [`Project::results`].
    pub fn new(recipe: Recipe, secs: f64, project: &Project) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default();
        let of_recipe = recipe.fingerprint();
        let id_of = |attempt: u32| {
            let text = format!("{of_recipe} {} {attempt}", now.as_nanos());
            sha256_hex(text.as_bytes())[..ID_LENGTH].to_owned()
        };
        let is_taken = |id: &str| project.results.iter().any(|result| result.id == id);
        let mut attempt = 0;
        let mut id = id_of(attempt);
        while is_taken(&id) {
            attempt += 1;
            id = id_of(attempt);
        }
        Self {
            id,
            recipe,
            secs,
            made_at_unix_secs: now.as_secs(),
            starred: false,
            unknown: Map::new(),
        }
    }
}

/// Name of the entry that holds the picture of the result `id`.
pub fn result_png_name(id: &str) -> String {
    format!("{FOLDER}{id}{ENDING}")
}

/// The id in the name of an entry, where it is that of a finished picture.
pub(super) fn id_in(name: &str) -> Option<&str> {
    let id = name.strip_prefix(FOLDER)?.strip_suffix(ENDING)?;
    is_id(id).then_some(id)
}

/// Whether `id` can name a result.
pub(super) fn is_id(id: &str) -> bool {
    let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_';
    (1..=64).contains(&id.len()) && id.bytes().all(fits)
}
