//! Folders of models.

use std::path::{Path, PathBuf};

use super::{Checkpoint, ModelDescription, SingleFile};
use crate::recipe::ModelRef;

/// How deep model folders may lie in a folder of models: by family, say, and by name.
const MAX_DEPTH: usize = 3;

/// Where models are looked for.
#[derive(Debug, Clone, Default)]
pub struct ModelLibrary {
    folders: Vec<PathBuf>,
}

/// A model that was found.
#[derive(Debug)]
pub struct FoundModel {
    /// How recipes name it.
    pub model: ModelRef,
    /// Its folder or file.
    pub path: PathBuf,
    /// What it holds, or why that cannot be told.
    pub description: crate::Result<ModelDescription>,
}

impl FoundModel {
    /// The model in the folder or file `path`, which recipes name `model`.
    pub fn new(model: ModelRef, path: PathBuf) -> Self {
        let description = Checkpoint::open(&path).and_then(|model| model.describe());
        Self {
            model,
            path,
            description,
        }
    }
}

impl ModelLibrary {
    /// Looks in `folders`, each a model or a folder of models; those that are not there are passed
    /// over.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// All models in the order of their names. No weights are read.
    pub fn list(&self) -> Vec<FoundModel> {
        let mut paths = Vec::new();
        for folder in &self.folders {
            gather(folder, MAX_DEPTH, &mut paths);
        }
        paths.sort();
        paths.dedup();
        let found = |path: PathBuf| FoundModel::new(ModelRef::at(&path), path);
        let mut models: Vec<FoundModel> = paths.into_iter().map(found).collect();
        models.sort_by_key(|found| found.model.name.to_lowercase());
        models
    }
}

/// Puts `folder` into `paths` where it is a model, else the models that lie in it.
fn gather(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    if folder.join("model_index.json").is_file() {
        paths.push(folder.to_owned());
        return;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Links to folders are followed to models alone: others may lead in circles.
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if entry.path().is_dir() {
            gather(&entry.path(), if is_link { 0 } else { depth }, paths);
        } else if SingleFile::may_be(&entry.path()) {
            paths.push(entry.path());
        }
    }
}

#[cfg(all(test, feature = "test-models"))]
mod tests {
    use super::super::tiny;
    use super::*;

    #[test]
    fn models_are_found_beside_one_another_and_below() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        tiny::write_model(&place("sd15/Bright"), 1).unwrap();
        tiny::write_model(&place("ashen"), 2).unwrap();
        tiny::write_model(&place("a/b/c/d/too-deep"), 3).unwrap();
        std::fs::create_dir_all(place("broken")).unwrap();
        std::fs::write(place("broken/model_index.json"), "{").unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(place("a/b/c/d/too-deep"), place("linked")).unwrap();
            std::os::unix::fs::symlink(place("a"), place("a/circle")).unwrap();
        }
        let library =
            ModelLibrary::new(vec![folder.path().to_owned(), place("ashen"), place("no")]);
        let found = library.list();
        let names: Vec<&str> = found.iter().map(|f| f.model.name.as_str()).collect();
        let expected = ["ashen", "Bright", "broken", "linked"];
        assert_eq!(names, expected[..if cfg!(unix) { 4 } else { 3 }]);
        let description = found[1].description.as_ref().unwrap();
        assert!(!description.components.is_empty());
        let problem = found[2].description.as_ref().unwrap_err().to_string();
        assert!(problem.contains("model_index.json"), "{problem}");
    }
}
