//! Adapters and embeddings that travel inside project files.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::AdapterLibrary;
use super::library::ENDINGS;
use crate::atomic::{self, Existing};
use crate::project::{Project, ProjectFile};
use crate::recipe::{AdapterUse, EmbeddingUse, PicturePromptUse, is_sha256_hex, sha256_hex};
use crate::{EngineError, Result};

/// A file is kept inside a project up to this size, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// What a project's recipes name.
enum Named<'a> {
    Adapter(&'a AdapterUse),
    Embedding(&'a EmbeddingUse),
    PicturePrompt(&'a PicturePromptUse),
}

/// Every adapter and embedding that the project's recipes name by its hash.
fn named_in(project: &Project) -> BTreeMap<&str, Named<'_>> {
    let mut named = BTreeMap::new();
    for recipe in project.all_recipes() {
        for adapter in &recipe.adapters {
            named.insert(adapter.hash.as_str(), Named::Adapter(adapter));
        }
        for embedding in &recipe.embeddings {
            named.insert(embedding.hash.as_str(), Named::Embedding(embedding));
        }
        for own in &recipe.picture_prompts {
            named.insert(own.hash.as_str(), Named::PicturePrompt(own));
        }
    }
    for adapter in &project.bench.muted_adapters {
        named.insert(adapter.hash.as_str(), Named::Adapter(adapter));
    }
    for own in &project.bench.muted_picture_prompts {
        named.insert(own.hash.as_str(), Named::PicturePrompt(own));
    }
    named.retain(|hash, _| is_sha256_hex(hash));
    named
}

/// The name of a project's entry for the file of `hash` that ends in `ending`.
fn entry(hash: &str, ending: &str) -> String {
    format!("loras/{hash}.{ending}")
}

/// The entry that `file` has for `hash`, and its ending.
fn kept(file: &ProjectFile, hash: &str) -> Option<(String, &'static str)> {
    let mut entries = ENDINGS
        .into_iter()
        .map(|ending| (entry(hash, ending), ending));
    entries.find(|(name, _)| file.has(name))
}

/// The files that `project` names and `file` does not hold yet, as attachments for its next save.
/// Those that are larger than 16 MiB, or are other ones by now, are left out.
pub fn files_to_keep(
    project: &Project,
    file: &ProjectFile,
    library: &AdapterLibrary,
) -> Vec<(String, Vec<u8>)> {
    let named = named_in(project).into_iter();
    let lacking = named.filter(|(hash, _)| kept(file, hash).is_none());
    lacking
        .filter_map(|(hash, named)| {
            let path: PathBuf = match named {
                Named::Adapter(adapter) => library.find(adapter),
                Named::Embedding(embedding) => library.find_embedding(embedding),
                Named::PicturePrompt(own) => library.picture_prompts().find(own),
            }
            .ok()?;
            let ending = path.extension()?.to_string_lossy().to_lowercase();
            let size = std::fs::metadata(&path).ok()?.len();
            let bytes = (size <= MOST_BYTES).then(|| std::fs::read(&path).ok())??;
            (sha256_hex(&bytes) == hash).then(|| (entry(hash, &ending), bytes))
        })
        .collect()
}

/// Puts the files that `file` holds for `project` into `folder`, under their hashes; gives a
/// sentence for each that is damaged or cannot be written.
pub fn unpack_files(project: &Project, file: &ProjectFile, folder: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    for hash in named_in(project).into_keys() {
        let Some((name, ending)) = kept(file, hash) else {
            continue;
        };
        let path = folder.join(format!("{hash}.{ending}"));
        if path.is_file() {
            continue;
        }
        if let Err(error) = unpack(file, &name, hash, &path) {
            notes.push(error.to_string());
        }
    }
    notes
}

fn unpack(file: &ProjectFile, name: &str, hash: &str, path: &Path) -> Result<()> {
    let bytes = file.attachment(name)?;
    if sha256_hex(&bytes) != hash {
        let problem = format!("the adapter {name} is damaged; use its file where it was made");
        return Err(EngineError::bad_file(file.path(), problem));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    }
    let fill = |writer: &mut std::io::BufWriter<&std::fs::File>| {
        let written = writer.write_all(&bytes);
        written.map_err(|e| EngineError::io(path, e))
    };
    atomic::write(path, Existing::Keep, fill).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::tests::sample;

    #[test]
    fn a_project_brings_adapters_and_embeddings_along() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("ink.safetensors"), "ink").unwrap();
        std::fs::write(own.join("cat.pt"), "cat").unwrap();
        let library = AdapterLibrary::new(vec![own.clone()], vec![own], Vec::new());
        let mut recipe = sample();
        recipe.adapters = vec![AdapterUse::new("ink", 0.5)];
        recipe.adapters[0].hash = sha256_hex(b"ink");
        recipe.embeddings = vec![EmbeddingUse::new("cat")];
        recipe.embeddings[0].hash = sha256_hex(b"cat");
        let (adapter, embedding) = (recipe.adapters[0].clone(), recipe.embeddings[0].clone());
        let project = Project::new("p", recipe);
        let place = folder.path().join("p.vernier");
        let mut file = ProjectFile::create(&place, &project).unwrap();
        let kept = files_to_keep(&project, &file, &library);
        assert_eq!(kept.len(), 2);
        file.save(&project, &kept).unwrap();
        assert!(files_to_keep(&project, &file, &library).is_empty(), "once");
        drop(file);

        // Elsewhere.
        let elsewhere = folder.path().join("elsewhere");
        let library = AdapterLibrary::new(Vec::new(), Vec::new(), vec![elsewhere.clone()]);
        assert!(library.find(&adapter).is_err());
        let opened = ProjectFile::open(&place).unwrap();
        let notes = unpack_files(&opened.project, &opened.file, &elsewhere);
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(
            std::fs::read(library.find(&adapter).unwrap()).unwrap(),
            b"ink"
        );
        let found = library.find_embedding(&embedding).unwrap();
        assert_eq!(std::fs::read(found).unwrap(), b"cat");
    }
}
