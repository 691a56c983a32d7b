//! The artist's list of such folders.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{self, Existing};
use crate::{EngineError, Result, user_folders};

/// A file that lists folders, `vernier/folders.json` in the user's configuration folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderList {
    path: PathBuf,
}

/// What stands in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Listed {
    folders: Vec<PathBuf>,
    /// Fields of newer programs, kept as they are.
    #[serde(flatten)]
    unknown: serde_json::Map<String, serde_json::Value>,
}

impl FolderList {
    /// The list in the file `path`, which need not be there.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The list of the user who runs the program; `None` where the system names no place for it.
    pub fn usual() -> Option<Self> {
        Some(Self::at(user_folders::config()?.join("folders.json")))
    }

    /// The folders, in the order in which they were added.
    ///
    /// # Errors
    /// The file is there, but cannot be read or understood.
    pub fn folders(&self) -> Result<Vec<PathBuf>> {
        Ok(self.read()?.folders)
    }

    /// Adds `folder`; whether it was not there before.
    ///
    /// # Errors
    /// `folder` is no folder, or the list cannot be read or written.
    pub fn add(&self, folder: &Path) -> Result<bool> {
        if !folder.is_dir() {
            let problem = format!("{} is no folder", folder.display());
            return Err(EngineError::request("folder", problem));
        }
        let folder = std::path::absolute(folder).map_err(|e| EngineError::io(folder, e))?;
        let mut listed = self.read()?;
        if listed.folders.contains(&folder) {
            return Ok(false);
        }
        listed.folders.push(folder);
        self.write(&listed)?;
        Ok(true)
    }

    /// Takes `folder` off the list, whether it still exists or not, and leaves its files alone.
    ///
    /// # Errors
    /// It is not on the list, or the list cannot be read or written.
    pub fn remove(&self, folder: &Path) -> Result<()> {
        let absolute = std::path::absolute(folder).map_err(|e| EngineError::io(folder, e))?;
        let mut listed = self.read()?;
        let before = listed.folders.len();
        listed.folders.retain(|own| *own != absolute);
        if listed.folders.len() == before {
            let known: Vec<String> = listed
                .folders
                .iter()
                .map(|f| f.display().to_string())
                .collect();
            let there = if known.is_empty() {
                "no folder is".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            let problem = format!("{} is not on the list; {there}", absolute.display());
            return Err(EngineError::request("folder", problem));
        }
        self.write(&listed)
    }

    fn read(&self) -> Result<Listed> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Listed::default()),
            Err(e) => return Err(EngineError::io(&self.path, e)),
        };
        serde_json::from_str(&text).map_err(|e| {
            let problem = format!("is no list of folders ({e}); mend it, or remove it");
            EngineError::bad_file(&self.path, problem)
        })
    }

    fn write(&self, listed: &Listed) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
        }
        let text = serde_json::to_string_pretty(listed).unwrap_or_default();
        atomic::write(&self.path, Existing::Replace, |file| {
            writeln!(file, "{text}").map_err(|e| EngineError::io(&self.path, e))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_added_once_and_removed_where_they_are() {
        let place = tempfile::tempdir().unwrap();
        let list = FolderList::at(place.path().join("deep/folders.json"));
        assert!(list.folders().unwrap().is_empty());
        assert!(list.add(place.path()).unwrap() && !list.add(place.path()).unwrap());
        assert_eq!(list.folders().unwrap(), [place.path()]);
        let error = list.add(&place.path().join("none")).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("is no folder"));
        let error = list.remove(&place.path().join("none")).unwrap_err();
        let known = place.path().display().to_string();
        assert!(
            error.is_usage() && error.to_string().contains(&known),
            "{error}"
        );
        list.remove(place.path()).unwrap();
        assert!(list.folders().unwrap().is_empty());
        std::fs::write(place.path().join("deep/folders.json"), "[1").unwrap();
        assert!(list.folders().unwrap_err().to_string().contains("mend it"));
    }
}
