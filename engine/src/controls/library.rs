//! Folders of controls.

use std::path::{Path, PathBuf};

use super::{ControlFile, ControlInfo};
use crate::recipe::ControlUse;
use crate::{EngineError, Result};

/// The ending of control files.
const ENDING: &str = "safetensors";

/// Where controls are looked for, in this order.
#[derive(Debug, Clone, Default)]
pub struct ControlLibrary {
    folders: Vec<PathBuf>,
}

/// A control that was found.
#[derive(Debug, Clone)]
pub struct FoundControl {
    /// Its file.
    pub path: PathBuf,
    /// What it says about itself.
    pub info: ControlInfo,
}

impl ControlLibrary {
    /// Looks in `folders`; those that are not there are passed over.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// The file that `control` means: its own path where it names one, a path given as its name,
    /// else `NAME.safetensors` in the first folder that has it. The part of a name after a slash
    /// chooses an attribute of an adapter.
    ///
    /// # Errors
    /// There is no such file; the sentence lists what there is.
    pub fn find(&self, control: &ControlUse) -> Result<PathBuf> {
        if let Some(path) = &control.path {
            let path = PathBuf::from(path);
            if path.is_file() {
                return Ok(path);
            }
        }
        if let Some(path) = self.called(&control.hash) {
            return Ok(path);
        }
        let (stem, _) = control.file_and_attribute();
        let as_path = Path::new(stem);
        if as_path.extension().is_some_and(|e| e == ENDING) && as_path.is_file() {
            return Ok(as_path.to_owned());
        }
        if let Some(path) = self.called(stem) {
            return Ok(path);
        }
        // Those that came in projects are called by their hashes.
        let mut all = self.list().into_iter();
        if let Some(found) = all.find(|found| found.info.name == stem) {
            return Ok(found.path);
        }
        let known = self.names().join(", ");
        let problem = match (&control.path, known.is_empty()) {
            (Some(path), _) => format!("{path} is no longer there; say where the control lies"),
            (None, true) => "there is no such control, nor any other; make one with \
                             `vernier train direction`"
                .to_owned(),
            (None, false) => format!("there is no such control; there are {known}"),
        };
        Err(EngineError::request(format!("control \"{stem}\""), problem))
    }

    /// The file `STEM.safetensors` in the first folder that has it.
    fn called(&self, stem: &str) -> Option<PathBuf> {
        let file = format!("{stem}.{ENDING}");
        let mut places = self.folders.iter().map(|folder| folder.join(&file));
        places.find(|path| !stem.is_empty() && path.is_file())
    }

    /// Names of all control files, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .files()
            .iter()
            .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        names.dedup();
        names
    }

    /// All controls that can be opened, in the order of their names; of several with one name the
    /// first. Files that cannot be opened are logged and passed over.
    pub fn list(&self) -> Vec<FoundControl> {
        let mut found: Vec<FoundControl> = self
            .files()
            .into_iter()
            .filter_map(|path| match ControlFile::open(&path) {
                Ok(file) => Some(FoundControl {
                    info: file.info,
                    path,
                }),
                Err(error) => {
                    log::warn!("{error}");
                    None
                }
            })
            .collect();
        // Stable: the first folder's come first.
        found.sort_by(|a, b| a.info.name.cmp(&b.info.name));
        found.dedup_by(|later, first| later.info.name == first.info.name);
        found
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = self
            .folders
            .iter()
            .filter_map(|f| std::fs::read_dir(f).ok());
        entries
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == ENDING) && path.is_file())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::super::{ControlFile, ControlInfo, ControlKind};
    use super::ControlLibrary;
    use crate::recipe::ControlUse;

    #[test]
    fn controls_are_found_by_name_and_what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("smile.safetensors");
        let info = ControlInfo::new("smile", ControlKind::Direction, vec!["smile".to_owned()]);
        let tensors = [("x".to_owned(), Tensor::from_slice(&[1.0_f32]))];
        ControlFile::save(&path, &info, &tensors).unwrap();
        std::fs::write(folder.path().join("broken.safetensors"), "no").unwrap();
        let missing = folder.path().join("missing");
        let library = ControlLibrary::new(vec![missing, folder.path().to_owned()]);
        let find = |name: &str| library.find(&ControlUse::new(name, None, 1.0));
        assert_eq!(find("smile").unwrap(), path);
        assert_eq!(find("smile/left").unwrap(), path);
        assert_eq!(find(&path.to_string_lossy()).unwrap(), path);
        let said = find("frown").unwrap_err().to_string();
        assert!(said.contains("there are broken, smile"), "{said}");
        let listed = library.list();
        assert_eq!((listed.len(), listed[0].info.name.as_str()), (1, "smile"));
    }
}
