//! Folders of adapters and of embeddings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::file_of;
use crate::picture_prompts::PicturePromptLibrary;
use crate::recipe::{AdapterUse, EmbeddingUse};
use crate::{EngineError, Result};

/// Endings of the files that may be adapters.
pub(super) const ENDINGS: [&str; 5] = ["safetensors", "pt", "bin", "ckpt", "pth"];

/// How deep folders within folders are looked through.
const DEPTH: usize = 4;

/// Where adapters and embeddings are looked for, in this order.
#[derive(Debug, Clone, Default)]
pub struct AdapterLibrary {
    adapters: Vec<PathBuf>,
    embeddings: Vec<PathBuf>,
    by_hash: Vec<PathBuf>,
    picture_prompts: PicturePromptLibrary,
}

impl AdapterLibrary {
    /// Looks in these folders and the folders within; those that are not there are passed over.
    /// `by_hash` holds files under their hashes, as they came in projects.
    pub fn new(adapters: Vec<PathBuf>, embeddings: Vec<PathBuf>, by_hash: Vec<PathBuf>) -> Self {
        Self {
            adapters,
            embeddings,
            by_hash,
            picture_prompts: PicturePromptLibrary::default(),
        }
    }

    /// The same with picture prompts and their image towers.
    #[must_use]
    pub fn with_picture_prompts(self, picture_prompts: PicturePromptLibrary) -> Self {
        Self {
            picture_prompts,
            ..self
        }
    }

    /// Where picture prompts and their image towers are looked for.
    pub fn picture_prompts(&self) -> &PicturePromptLibrary {
        &self.picture_prompts
    }

    /// The same, but for embeddings that no recipe names: a recipe that was rendered before names
    /// all that it uses, and a file that came later must not change its picture.
    #[must_use]
    pub fn without_finding(self) -> Self {
        Self {
            embeddings: Vec::new(),
            by_hash: self.by_hash.into_iter().chain(self.embeddings).collect(),
            ..self
        }
    }

    /// The adapter that a prompt or a person calls `name`: the file of that stem, in whatever case
    /// it is written, or a path.
    pub fn adapter_called(&self, name: &str) -> Option<PathBuf> {
        called(&self.adapters, name)
    }

    /// The file that `adapter` means: its own path, the file of its hash, a path given as its
    /// name, else the file of that name.
    ///
    /// # Errors
    /// There is no such file; the sentence lists what there is.
    pub fn find(&self, adapter: &AdapterUse) -> Result<PathBuf> {
        let found = self.kept(adapter.path.as_deref(), &adapter.hash);
        let found = found.or_else(|| self.adapter_called(&adapter.name));
        found.ok_or_else(|| {
            let field = format!("adapter \"{}\"", adapter.name);
            let known = names(&self.adapters);
            missing(field, adapter.path.as_deref(), &known, "adapters")
        })
    }

    /// The file that `embedding` means, as [`find`](Self::find).
    ///
    /// # Errors
    /// There is no such file; the sentence lists what there is.
    pub fn find_embedding(&self, embedding: &EmbeddingUse) -> Result<PathBuf> {
        let found = self.kept(embedding.path.as_deref(), &embedding.hash);
        let found = found.or_else(|| called(&self.embeddings, &embedding.name));
        let found = found.or_else(|| called(&self.by_hash, &embedding.name));
        found.ok_or_else(|| {
            let field = format!("embedding \"{}\"", embedding.name);
            let known = names(&self.embeddings);
            missing(field, embedding.path.as_deref(), &known, "embeddings")
        })
    }

    fn kept(&self, path: Option<&str>, hash: &str) -> Option<PathBuf> {
        let own = path.map(|path| file_of(Path::new(path)));
        let own = own.filter(|path| path.is_file());
        own.or_else(|| {
            let hash = Some(hash).filter(|hash| !hash.is_empty())?;
            called(&self.by_hash, hash)
        })
    }

    /// All adapters by name, in alphabetical order; of several with one name the first.
    pub fn adapters(&self) -> BTreeMap<String, PathBuf> {
        files_by_name(&self.adapters)
    }

    /// All embeddings by name, in alphabetical order; of several with one name the first.
    pub fn embeddings(&self) -> BTreeMap<String, PathBuf> {
        files_by_name(&self.embeddings)
    }
}

/// Whether `path` ends as files of adapters and embeddings do.
pub fn is_called_like_one(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Says that the file that `field` asks for is not at `path`, or under its name among the `known`
/// of the folder `what`.
pub(crate) fn missing(
    field: String,
    path: Option<&str>,
    known: &[String],
    what: &str,
) -> EngineError {
    let problem = match (path, known.is_empty()) {
        (Some(path), _) => format!("{path} is no longer there; say where the file lies"),
        (None, true) => format!(
            "there is no such file; give its path, or put it into the {what} folder of Vernier's \
             data folder"
        ),
        (None, false) => format!("there is no such file; there are {}", known.join(", ")),
    };
    EngineError::request(field, problem)
}

fn called(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let as_path = file_of(Path::new(name));
    if as_path.is_file() {
        return Some(as_path);
    }
    let files = files_by_name(folders);
    let same = |own: &&String| own.eq_ignore_ascii_case(name);
    let key = files.contains_key(name).then_some(name);
    let key = key.or_else(|| files.keys().find(same).map(String::as_str))?;
    files.get(key).cloned()
}

fn names(folders: &[PathBuf]) -> Vec<String> {
    files_by_name(folders).into_keys().collect()
}

/// Files that may hold tensors in `folders` and the folders within, by the stems of their names;
/// of several with one name the first.
pub(crate) fn files_by_name(folders: &[PathBuf]) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders {
        gather(folder, DEPTH, &mut found);
    }
    found
}

fn gather(folder: &Path, depth: usize, found: &mut BTreeMap<String, PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && depth > 1 {
            gather(&path, depth - 1, found);
            continue;
        }
        let fits = is_called_like_one(&path);
        if let Some(stem) = path.file_stem().filter(|_| fits && path.is_file()) {
            let name = stem.to_string_lossy().into_owned();
            found.entry(name).or_insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_by_name_path_and_hash() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        for file in [
            "own/style/Ink.safetensors",
            "own/notes.txt",
            "kept/abc.pt",
            "ti/cat.pt",
        ] {
            std::fs::create_dir_all(place(file).parent().unwrap()).unwrap();
            std::fs::write(place(file), "x").unwrap();
        }
        let library = AdapterLibrary::new(
            vec![place("none"), place("own")],
            vec![place("ti")],
            vec![place("kept")],
        );
        let ink = place("own/style/Ink.safetensors");
        assert_eq!(library.adapter_called("ink"), Some(ink.clone()));
        assert_eq!(library.find(&AdapterUse::new("Ink", 1.0)).unwrap(), ink);
        let by_path = AdapterUse::new(ink.to_string_lossy(), 1.0);
        assert_eq!(library.find(&by_path).unwrap(), ink);
        let mut gone = AdapterUse::new("gone", 1.0);
        let error = library.find(&gone).unwrap_err();
        assert!(
            error.is_usage() && error.to_string().contains("there are Ink"),
            "{error}"
        );
        gone.hash = "abc".to_owned();
        assert_eq!(library.find(&gone).unwrap(), place("kept/abc.pt"));
        let cat = EmbeddingUse::new("cat");
        assert_eq!(library.find_embedding(&cat).unwrap(), place("ti/cat.pt"));
        let named_only = library.without_finding();
        assert!(named_only.embeddings().is_empty());
        assert_eq!(named_only.find_embedding(&cat).unwrap(), place("ti/cat.pt"));
    }
}
