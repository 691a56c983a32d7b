//! Where upscalers are found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::adapters::files_by_name;
use crate::recipe::UpscalerUse;
use crate::{EngineError, Result};

/// Folders of upscalers, looked through in this order.
#[derive(Debug, Clone, Default)]
pub struct UpscalerLibrary {
    folders: Vec<PathBuf>,
}

impl UpscalerLibrary {
    /// Looks in these folders and the folders within; those that are not there are passed over.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// All upscalers by name, in alphabetical order; of several with one name the first.
    pub fn all(&self) -> BTreeMap<String, PathBuf> {
        files_by_name(&self.folders)
    }

    /// The file that `upscaler` means: its own path, a path given as its name, else the file of
    /// that name, in whatever case it is written.
    ///
    /// # Errors
    /// There is no such file; the sentence lists what there is.
    pub fn find(&self, upscaler: &UpscalerUse) -> Result<PathBuf> {
        let own = upscaler.path.as_deref().map(PathBuf::from);
        let named = Some(PathBuf::from(&upscaler.name));
        if let Some(path) = own.into_iter().chain(named).find(|path| path.is_file()) {
            return Ok(path);
        }
        let all = self.all();
        let mut known = all.iter();
        if let Some((_, path)) = known.find(|(own, _)| own.eq_ignore_ascii_case(&upscaler.name)) {
            return Ok(path.clone());
        }
        let known: Vec<String> = all.into_keys().collect();
        let problem = if known.is_empty() {
            "there is no such file; give its path, or put it into the upscalers folder of \
             Vernier's data folder"
                .to_owned()
        } else {
            format!("there is no such file; there are {}", known.join(", "))
        };
        let field = format!("upscaler \"{}\"", upscaler.name);
        Err(EngineError::request(field, problem))
    }
}
