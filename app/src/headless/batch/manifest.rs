//! The list of a batch's pictures, with which two runs can be compared.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use vernier_engine::atomic::{self, Existing};
use vernier_engine::picture;
use vernier_engine::recipe::{Recipe, sha256_hex};
use vernier_engine::{EngineError, Result};

use super::plan::{Plan, Shard, Wanted};

/// Schema of the list.
const VERSION: u32 = 1;

/// What the list says about one picture.
#[derive(Debug)]
pub(super) struct Row {
    file: String,
    name: String,
    sha256: String,
    pixels_sha256: String,
    made: Recipe,
}

impl Row {
    /// Reads the picture of `wanted` in `folder`.
    pub(super) fn of(folder: &Path, wanted: &Wanted) -> Result<Self> {
        let path = folder.join(&wanted.file);
        let bytes = std::fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
        Ok(Self {
            file: wanted.file.clone(),
            name: wanted.name.clone(),
            sha256: sha256_hex(&bytes),
            pixels_sha256: sha256_hex(&picture::pixels_in(&bytes, &path)?.rgb),
            made: picture::recipe_in(&bytes, &path)?,
        })
    }

    fn to_json(&self) -> Value {
        let model = &self.made.model;
        json!({
            "file": self.file,
            "recipe": self.name,
            "sha256": self.sha256,
            "pixels_sha256": self.pixels_sha256,
            "model": {"name": model.name, "hash": model.hash},
            "seed": self.made.seed,
        })
    }
}

/// File name of the list; no two parts of a batch share one.
pub(super) fn name(shard: Option<Shard>) -> String {
    match shard {
        None => "manifest.json".to_owned(),
        Some(shard) => format!("manifest-{}-of-{}.json", shard.index, shard.count),
    }
}

/// Writes the list to `path`, in the place of an older one.
pub(super) fn write(path: &Path, plan: &Plan, shard: Option<Shard>, rows: &[Row]) -> Result<()> {
    let list = json!({
        "version": VERSION,
        "source": plan.source,
        "shard": shard.map(|shard| format!("{}/{}", shard.index, shard.count)),
        "pictures": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
    });
    atomic::write(path, Existing::Replace, |file| {
        writeln!(file, "{list:#}").map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}
