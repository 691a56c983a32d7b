//! What a model is, in one number.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::weights_files::{is_network, weights_files};
use super::{Checkpoint, ModelFolder, SingleFile};
use crate::{EngineError, Result};

/// Configuration and tokenizer files that change what a component does.
const CONFIGS: [&str; 7] = [
    "config.json",
    "scheduler_config.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
];

/// Bytes read at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Length and time of change of every file: a model that was replaced is hashed again.
type Fingerprint = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// Hashes of this process, since a large model takes seconds to read.
static KNOWN: Mutex<Option<HashMap<Fingerprint, String>>> = Mutex::new(None);

impl Checkpoint {
    /// SHA-256, in hex, over everything that decides a picture: of a folder model_index.json and
    /// every component's configuration and weights, of a single file the file and what lies beside
    /// it for it; each by its name, length and content.
    ///
    /// A copy of the model elsewhere has the same hash, with or without the safety checker. The
    /// result is kept for the life of the process, as long as no file's length or time of change
    /// differs.
    ///
    /// # Errors
    /// A component's weights are missing, or a file cannot be read.
    pub fn hash(&self) -> Result<String> {
        let files = match self {
            Self::Folder(folder) => folder.hashed_files()?,
            Self::File(file) => file.hashed_files(),
        };
        let paths: Vec<PathBuf> = files.iter().map(|(_, path)| path.clone()).collect();
        let fingerprint = fingerprint(&paths)?;
        let known = |known: &Option<HashMap<_, _>>| known.as_ref()?.get(&fingerprint).cloned();
        if let Some(hash) = known(&KNOWN.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(hash);
        }
        let mut sha = Sha256::new();
        for (name, path) in &files {
            feed(&mut sha, name, path)?;
        }
        let mut hash = String::with_capacity(64);
        for byte in sha.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        KNOWN
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_default()
            .insert(fingerprint, hash.clone());
        Ok(hash)
    }
}

impl ModelFolder {
    /// Everything that decides a picture, by path, each with its name in the folder.
    fn hashed_files(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut files = vec![self.path().join("model_index.json")];
        for component in self.components().iter().filter(|c| c.decides_picture()) {
            let folder = self.path().join(&component.name);
            let configs = CONFIGS.iter().map(|name| folder.join(name));
            files.extend(configs.filter(|path| path.is_file()));
            if is_network(&folder) {
                files.extend(weights_files(&folder)?);
            }
        }
        files.sort();
        let named = |path: PathBuf| {
            let name = path.strip_prefix(self.path()).unwrap_or(&path);
            let parts: Vec<_> = name.iter().map(|p| p.to_string_lossy()).collect();
            (parts.join("/"), path)
        };
        Ok(files.into_iter().map(named).collect())
    }
}

impl SingleFile {
    /// The file and what lies beside it for it, by names that a renamed copy has too.
    fn hashed_files(&self) -> Vec<(String, PathBuf)> {
        let mut files = vec![("model".to_owned(), self.path().to_owned())];
        for part in self.texts() {
            let folder = self.tokenizer_dir(part.component);
            for name in CONFIGS.iter().filter(|_| folder.is_some()) {
                let path = folder.iter().map(|folder| folder.join(name)).next();
                let path = path.filter(|path| path.is_file());
                files.extend(path.map(|path| (format!("{}/{name}", part.component), path)));
            }
        }
        let yaml = self.path().with_extension("yaml");
        if yaml.is_file() {
            files.push(("model.yaml".to_owned(), yaml));
        }
        files
    }
}

fn fingerprint(files: &[PathBuf]) -> Result<Fingerprint> {
    files
        .iter()
        .map(|path| {
            let about = fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
            let path = fs::canonicalize(path).map_err(|e| EngineError::io(path, e))?;
            Ok((path, about.len(), about.modified().ok()))
        })
        .collect()
}

fn feed(sha: &mut Sha256, name: &str, path: &Path) -> Result<()> {
    let mut file = File::open(path).map_err(|e| EngineError::io(path, e))?;
    let length = file.metadata().map_err(|e| EngineError::io(path, e))?.len();
    // Lengths keep names and contents apart.
    sha.update((name.len() as u64).to_le_bytes());
    sha.update(name.as_bytes());
    sha.update(length.to_le_bytes());
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(n) => sha.update(&block[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(EngineError::io(path, e)),
        }
    }
}
