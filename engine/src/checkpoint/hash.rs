//! What a model is, in one number.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::folder::ModelFolder;
use super::weights_files::{is_network, weights_files};
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

impl ModelFolder {
    /// SHA-256, in hex, over model_index.json and every component's configuration and weights,
    /// each file by its name in the folder, length and content.
    ///
    /// A copy of the model elsewhere has the same hash, with or without the safety checker. The result is kept for the life of the
    /// process, as long as no file's length or time of change differs.
    ///
    /// # Errors
    /// A component's weights are missing, or a file cannot be read.
    pub fn hash(&self) -> Result<String> {
        let files = self.hashed_files()?;
        let fingerprint = fingerprint(&files)?;
        let known = |known: &Option<HashMap<_, _>>| known.as_ref()?.get(&fingerprint).cloned();
        if let Some(hash) = known(&KNOWN.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(hash);
        }
        let mut sha = Sha256::new();
        for path in &files {
            let name = path.strip_prefix(self.path()).unwrap_or(path);
            let parts: Vec<_> = name.iter().map(|p| p.to_string_lossy()).collect();
            feed(&mut sha, &parts.join("/"), path)?;
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

    /// Everything that decides a picture, by path.
    fn hashed_files(&self) -> Result<Vec<PathBuf>> {
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
        Ok(files)
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
