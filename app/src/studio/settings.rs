//! What the studio remembers from one day to the next, whatever the project.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vernier_engine::atomic::{self, Existing};
use vernier_engine::user_folders;

/// The artist's settings, in `vernier/studio.json` in the user's configuration folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `dark` or `light`.
    pub theme: String,
    /// Whether the picture follows the sliders.
    pub live: bool,
    /// Where panes are.
    pub layout: serde_json::Value,
    /// Keys that differ from the usual ones, by command.
    pub keys: BTreeMap<String, String>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    pub unknown: serde_json::Map<String, serde_json::Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: "dark".to_owned(),
            live: true,
            layout: serde_json::Value::Null,
            keys: BTreeMap::new(),
            unknown: serde_json::Map::new(),
        }
    }
}

impl Settings {
    /// Reads the settings in `path`. Where they cannot be understood, the usual ones and a
    /// sentence that says why.
    pub fn read(path: &Path) -> (Self, Option<String>) {
        let Ok(text) = std::fs::read_to_string(path) else {
            return (Self::default(), None);
        };
        match serde_json::from_str(&text) {
            Ok(settings) => (settings, None),
            Err(e) => {
                let sentence = format!(
                    "{} cannot be understood ({e}), so everything is as usual",
                    path.display()
                );
                (Self::default(), Some(sentence))
            }
        }
    }

    /// Writes them to `path`, its folder included.
    ///
    /// # Errors
    /// The folder or file cannot be written.
    pub fn write(&self, path: &Path) -> vernier_engine::Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|e| vernier_engine::EngineError::io(folder, e))?;
        }
        let fill = |writer: &mut std::io::BufWriter<&std::fs::File>| {
            let written = writer.write_all(text.as_bytes());
            written.map_err(|e| vernier_engine::EngineError::io(path, e))
        };
        atomic::write(path, Existing::Replace, fill).map(|_| ())
    }

    /// Where they lie for the user who runs the program.
    pub fn usual_path() -> Option<PathBuf> {
        Some(user_folders::config()?.join("studio.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_back_and_fields_of_newer_programs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/studio.json");
        assert_eq!(Settings::read(&path), (Settings::default(), None));
        let mut settings = Settings::default();
        settings.unknown.insert("from_2031".to_owned(), 1.into());
        settings.live = false;
        settings.write(&path).unwrap();
        assert_eq!(Settings::read(&path), (settings, None));
        std::fs::write(&path, "{").unwrap();
        let (usual, problem) = Settings::read(&path);
        assert_eq!(usual, Settings::default());
        assert!(problem.unwrap().contains("studio.json"));
    }
}
