//! Where ControlNets are found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ControlNetFile;
use crate::adapters::{Family, is_called_like_one};
use crate::recipe::ControlNetUse;
use crate::{EngineError, Result};

/// How deep folders within folders are looked through.
const DEPTH: usize = 4;

/// Folders of ControlNets, looked through in this order.
#[derive(Debug, Clone, Default)]
pub struct ControlNetLibrary {
    folders: Vec<PathBuf>,
}

/// A ControlNet that lies on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundControlNet {
    /// The stem of its file, or its folder's name.
    pub name: String,
    /// Its file or folder.
    pub path: PathBuf,
    /// What it is in a line and the family that it is for, or the sentence that says why it cannot
    /// be used.
    pub kind: std::result::Result<(String, Family), String>,
}

impl ControlNetLibrary {
    /// Looks in these folders and the folders within; those that are not there are passed over.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// All files and folders of ControlNets by name, in alphabetical order; of several with one
    /// name the first.
    pub fn all(&self) -> BTreeMap<String, PathBuf> {
        let mut found = BTreeMap::new();
        for folder in &self.folders {
            gather(folder, DEPTH, &mut found);
        }
        found
    }

    /// All of them, looked at.
    pub fn list(&self) -> Vec<FoundControlNet> {
        let all = self.all().into_values();
        all.map(|path| FoundControlNet::look(&path)).collect()
    }

    /// The file or folder that `wanted` means: its own path, a path given as its name, else what is
    /// called so, in whatever case it is written.
    ///
    /// # Errors
    /// There is none; the sentence lists what there is.
    pub fn find(&self, wanted: &ControlNetUse) -> Result<PathBuf> {
        let own = wanted.path.as_deref().map(PathBuf::from);
        let named = Some(PathBuf::from(&wanted.name));
        if let Some(path) = own.into_iter().chain(named).find(|path| is_one(path)) {
            return Ok(path);
        }
        let all = self.all();
        let mut known = all.iter();
        if let Some((_, path)) = known.find(|(own, _)| own.eq_ignore_ascii_case(&wanted.name)) {
            return Ok(path.clone());
        }
        let known: Vec<String> = all.into_keys().collect();
        let problem = if known.is_empty() {
            "there is no such file or folder, and Vernier comes with no ControlNet; give its path, \
             or put it into the controlnets folder of Vernier's data folder"
                .to_owned()
        } else {
            format!(
                "there is no such file or folder; there are {}",
                known.join(", ")
            )
        };
        let field = format!("controlnet \"{}\"", wanted.name);
        Err(EngineError::request(field, problem))
    }
}

impl FoundControlNet {
    /// Looks at `path` without reading its tensors.
    pub fn look(path: &Path) -> Self {
        let kind = ControlNetFile::open(path);
        Self {
            name: Self::name_of(path),
            path: path.to_owned(),
            kind: match kind {
                Ok(file) => Ok((file.in_a_line(), file.family().clone())),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// What a ControlNet at `path` is called: the stem of a file's name, or a folder's name.
    pub fn name_of(path: &Path) -> String {
        let name = if path.is_dir() {
            path.file_name()
        } else {
            path.file_stem()
        };
        let name = name.unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// What it is, or why it cannot be used.
    pub fn in_a_line(&self) -> &str {
        match &self.kind {
            Ok((line, _)) => line,
            Err(sentence) => sentence,
        }
    }

    /// Why a model of `family` refuses it, where it does: half a sentence after its name.
    pub fn misfit(&self, family: &Family) -> Option<String> {
        let (_, own) = self.kind.as_ref().ok()?;
        (own != family).then(|| format!("is made for {own}, not for {family}"))
    }
}

/// A file, or a folder that is one ControlNet.
fn is_one(path: &Path) -> bool {
    path.is_file() || path.join("config.json").is_file()
}

fn gather(folder: &Path, depth: usize, found: &mut BTreeMap<String, PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !is_one(&path) {
            if depth > 1 {
                gather(&path, depth - 1, found);
            }
        } else if path.is_dir() || is_called_like_one(&path) {
            found.entry(FoundControlNet::name_of(&path)).or_insert(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::PictureRef;

    #[test]
    fn files_and_folders_are_found_by_name_and_path() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        write("sd15/Canny.pth");
        write("sd15/notes.txt");
        write("depth/config.json");
        write("depth/diffusion_pytorch_model.safetensors");
        let library = ControlNetLibrary::new(vec![place.path().to_owned()]);
        let names: Vec<String> = library.all().into_keys().collect();
        assert_eq!(names, ["Canny", "depth"]);
        let used = |name: &str| ControlNetUse::new(name, PictureRef::default());
        let found = library.find(&used("canny")).unwrap();
        assert_eq!(found, place.path().join("sd15/Canny.pth"));
        let folder = place.path().join("depth");
        assert_eq!(library.find(&used("Depth")).unwrap(), folder);
        let by_path = used(&folder.to_string_lossy());
        assert_eq!(ControlNetLibrary::default().find(&by_path).unwrap(), folder);
        let said = library.find(&used("pose")).unwrap_err();
        assert!(said.is_usage() && said.to_string().contains("there are Canny, depth"));
        let none = ControlNetLibrary::default().find(&used("pose"));
        assert!(
            none.unwrap_err()
                .to_string()
                .contains("comes with no ControlNet")
        );
        // What cannot be read is listed with the reason.
        let listed = library.list();
        assert!(listed.iter().all(|found| found.kind.is_err()));
    }
}
