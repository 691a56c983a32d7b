//! Folders of IP-Adapters and of image towers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::encoder::{EncoderNeed, VisionEncoder};
use super::file::{PicturePromptFile, file_of, is_picture_prompt};
use crate::adapters::{files_by_name, missing};
use crate::recipe::PicturePromptUse;
use crate::weights::TensorFile;
use crate::{EngineError, Result};

/// How deep folders of towers are looked through.
const DEPTH: usize = 3;

/// Folders of a tower beside an adapter's file, as Python diffusers and the published repository
/// have them.
const BESIDE: [&str; 4] = [
    "image_encoder",
    "../image_encoder",
    "../models/image_encoder",
    "../sdxl_models/image_encoder",
];

/// Where IP-Adapters and image towers are looked for, in this order.
#[derive(Debug, Clone, Default)]
pub struct PicturePromptLibrary {
    adapters: Vec<PathBuf>,
    encoders: Vec<PathBuf>,
    by_hash: Vec<PathBuf>,
}

impl PicturePromptLibrary {
    /// Looks in these folders and the folders within; those that are not there are passed over.
    /// `by_hash` holds files under their hashes, as they came in projects.
    pub fn new(adapters: Vec<PathBuf>, encoders: Vec<PathBuf>, by_hash: Vec<PathBuf>) -> Self {
        Self {
            adapters,
            encoders,
            by_hash,
        }
    }

    /// The file that `wanted` means: its own path, the file of its hash, a path given as its name,
    /// else the file of that name.
    ///
    /// # Errors
    /// There is no such file; the sentence lists what there is.
    pub fn find(&self, wanted: &PicturePromptUse) -> Result<PathBuf> {
        let as_file = |path: &str| Some(file_of(Path::new(path))).filter(|path| path.is_file());
        let own = wanted.path.as_deref().and_then(as_file);
        let own = own.or_else(|| {
            let hash = Some(wanted.hash.as_str()).filter(|hash| !hash.is_empty())?;
            files_by_name(&self.by_hash).remove(hash)
        });
        let own = own.or_else(|| as_file(&wanted.name));
        if let Some(found) = own {
            return Ok(found);
        }
        let same = |(own, _): &(String, PathBuf)| own.eq_ignore_ascii_case(&wanted.name);
        if let Some((_, found)) = self.files().find(same) {
            return Ok(found);
        }
        let known: Vec<String> = self.adapters().into_keys().collect();
        let field = format!("picture prompt \"{}\"", wanted.name);
        let path = wanted.path.as_deref();
        Err(missing(field, path, &known, "picture-prompts"))
    }

    /// All IP-Adapters by name, in alphabetical order; of several with one name the first. Other
    /// files that lie there are passed over.
    pub fn adapters(&self) -> BTreeMap<String, PathBuf> {
        let is_one = |path: &Path| {
            let file = TensorFile::open(path);
            file.is_ok_and(|file| is_picture_prompt(&file.headers()))
        };
        self.files().filter(|(_, path)| is_one(path)).collect()
    }

    /// All files that may be one, by name.
    fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        let named = |(name, path): (String, PathBuf)| {
            // InvokeAI names the folder, not the file.
            let folder = path.parent().and_then(Path::file_name);
            let own = (name == "ip_adapter").then_some(folder).flatten();
            let own = own.map(|folder| folder.to_string_lossy().into_owned());
            (own.unwrap_or(name), path)
        };
        files_by_name(&self.adapters).into_iter().map(named)
    }

    /// All image towers in the folders of towers. What is none is passed over.
    pub fn encoders(&self) -> Vec<VisionEncoder> {
        let mut paths = Vec::new();
        for folder in &self.encoders {
            gather(folder, DEPTH, &mut paths);
        }
        paths.sort();
        paths.dedup();
        let looked = paths.iter().map(|path| VisionEncoder::look(path));
        looked.filter_map(|found| found.ok().flatten()).collect()
    }

    /// The tower that gives `need` to the adapter in the file `adapter`: one beside it, else one in
    /// the folders of towers.
    ///
    /// # Errors
    /// There is none; the sentence says which is needed and where to put it.
    pub fn encoder(&self, adapter: &Path, need: EncoderNeed) -> Result<VisionEncoder> {
        let folder = adapter.parent().unwrap_or(Path::new(""));
        let mut others = Vec::new();
        let beside = BESIDE.iter().map(|name| folder.join(name));
        let beside = beside.filter(|path| path.is_dir());
        let beside = beside.map(|path| VisionEncoder::look(&path));
        for found in beside.chain(self.encoders().into_iter().map(|found| Ok(Some(found)))) {
            match found {
                Ok(Some(found)) if found.gives(need) => return Ok(found),
                Ok(Some(found)) => others.push(format!("{} is {found}", found.path.display())),
                Ok(None) => {}
                Err(error) => others.push(error.to_string()),
            }
        }
        let there = if others.is_empty() {
            String::new()
        } else {
            format!(" ({})", others.join("; "))
        };
        let place = folder.join("image_encoder");
        let problem = format!(
            "sees through {need}, which is not there{there}; put its folder beside the file as {}, \
             or into the image-encoders folder of Vernier's data folder",
            place.display()
        );
        Err(EngineError::bad_file(adapter, problem))
    }

    /// What the file at `path` is, where it is an IP-Adapter or an image tower.
    ///
    /// # Errors
    /// It is one that cannot be used.
    pub fn describe(path: &Path) -> Result<Option<String>> {
        let is_adapter = file_of(path).is_file() && {
            let file = TensorFile::open(&file_of(path))?;
            is_picture_prompt(&file.headers())
        };
        if is_adapter {
            return Ok(Some(PicturePromptFile::look(path)?.kind.to_string()));
        }
        Ok(VisionEncoder::look(path)?.map(|found| found.to_string()))
    }
}

/// Puts folders that hold weights, and files that may, into `paths`.
fn gather(folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) {
    if folder.join("config.json").is_file() {
        paths.push(folder.to_owned());
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth > 1 {
            gather(&path, depth - 1, paths);
        } else if crate::adapters::is_called_like_one(&path) && path.is_file() {
            paths.push(path);
        }
    }
}
