//! A training's work folder.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::atomic::{self, Existing};
use crate::weights::SafetensorsFile;
use crate::{EngineError, Result};

/// The file that says what the folder's training state is of.
const SETTINGS: &str = "training.json";

/// The folder of one training's state and strips.
#[derive(Debug)]
pub(crate) struct Work {
    folder: PathBuf,
}

impl Work {
    /// Opens `folder`, made where it is not there, for a training with `settings`.
    ///
    /// # Errors
    /// It cannot be made, or holds the state of a training with other settings.
    pub(crate) fn open(folder: &Path, settings: &Map<String, Value>) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
        let work = Self {
            folder: folder.to_owned(),
        };
        let path = folder.join(SETTINGS);
        if work.state().exists() && path.exists() {
            let text = fs::read(&path).map_err(|e| EngineError::io(&path, e))?;
            let known: Map<String, Value> = serde_json::from_slice(&text)
                .map_err(|e| EngineError::bad_file(&path, format!("cannot be understood: {e}")))?;
            let mut fields: Vec<&String> = known.keys().chain(settings.keys()).collect();
            fields.sort();
            fields.dedup();
            fields.retain(|field| known.get(*field) != settings.get(*field));
            if !fields.is_empty() {
                let fields: Vec<&str> = fields.into_iter().map(String::as_str).collect();
                return Err(EngineError::request(
                    "work",
                    format!(
                        "{} holds a training with another {}; go on with its settings, begin anew \
                         with --fresh, or name another folder with --work",
                        folder.display(),
                        fields.join(", ")
                    ),
                ));
            }
            return Ok(work);
        }
        let text = format!("{:#}\n", Value::Object(settings.clone()));
        atomic::write(&path, Existing::Replace, |file| {
            file.write_all(text.as_bytes())
                .map_err(|e| EngineError::io(&path, e))
        })?;
        Ok(work)
    }

    /// The training state.
    pub(crate) fn state(&self) -> PathBuf {
        Self::state_in(&self.folder)
    }

    /// The training state in the work folder `folder`.
    pub(crate) fn state_in(folder: &Path) -> PathBuf {
        folder.join("state.safetensors")
    }

    /// The encoded pictures in the work folder `folder`, which hold for trainings with other
    /// settings too.
    pub(crate) fn pictures(folder: &Path) -> PathBuf {
        folder.join("pictures.safetensors")
    }

    /// The control as it was at the last strip.
    pub(crate) fn latest(&self) -> PathBuf {
        self.folder.join("latest.safetensors")
    }

    /// The strip after `step` steps.
    pub(crate) fn strip(&self, step: u64) -> PathBuf {
        self.folder.join(format!("strip-{step:06}.png"))
    }
}

/// Steps that the training state in the work folder `folder` has taken; `None` where there is none
/// that can be read.
pub fn saved_step(folder: &Path) -> Option<u64> {
    let file = SafetensorsFile::open(&Work::state_in(folder)).ok()?;
    file.metadata().get("step")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Work;

    #[test]
    fn another_trainings_state_is_not_gone_on_from() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("a").join("smile");
        let settings = |loss: &str, seed: u64| match json!({"loss": loss, "seed": seed}) {
            serde_json::Value::Object(map) => map,
            _ => unreachable!(),
        };
        // Nothing is trained yet: any settings will do.
        Work::open(&place, &settings("x0", 1)).unwrap();
        let work = Work::open(&place, &settings("epsilon", 1)).unwrap();
        std::fs::write(work.state(), "").unwrap();
        Work::open(&place, &settings("epsilon", 1)).unwrap();
        let error = Work::open(&place, &settings("x0", 2)).unwrap_err();
        assert!(error.is_usage());
        let said = error.to_string();
        assert!(said.contains("another loss, seed; go on"), "{said}");
    }
}
