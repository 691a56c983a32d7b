//! Controls that travel inside project files, so that a project can be rendered where the artist's
//! own controls are not.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use super::ControlLibrary;
use crate::atomic::{self, Existing};
use crate::project::{Project, ProjectFile};
use crate::recipe::{ControlUse, is_sha256_hex, sha256_hex};
use crate::{EngineError, Result};

/// A control's file is kept inside a project up to this size, in bytes.
const MOST_BYTES: u64 = 16 << 20;

/// Every control that the project's recipes name by its hash, under the name of its entry.
fn named_in(project: &Project) -> BTreeMap<String, &ControlUse> {
    let recipes = project.all_recipes().flat_map(|recipe| &recipe.controls);
    recipes
        .chain(&project.bench.muted)
        .filter(|control| is_sha256_hex(&control.hash))
        .map(|control| (format!("adapters/{}", file_name(&control.hash)), control))
        .collect()
}

fn file_name(hash: &str) -> String {
    format!("{hash}.safetensors")
}

/// The controls of `library` that `project` names and `file` does not hold yet, as attachments for
/// its next save. Those that are larger than 16 MiB, or are other ones by now, are left
/// out.
pub fn adapters_to_keep(
    project: &Project,
    file: &ProjectFile,
    library: &ControlLibrary,
) -> Vec<(String, Vec<u8>)> {
    let lacking = named_in(project).into_iter();
    let lacking = lacking.filter(|(name, _)| !file.has(name));
    lacking
        .filter_map(|(name, control)| {
            let path = library.find(control).ok()?;
            let size = std::fs::metadata(&path).ok()?.len();
            let bytes = (size <= MOST_BYTES).then(|| std::fs::read(&path).ok())??;
            (sha256_hex(&bytes) == control.hash).then_some((name, bytes))
        })
        .collect()
}

/// Puts the controls that `file` holds for `project` into `folder`, under their hashes; gives a
/// sentence for each that is damaged or cannot be written.
pub fn unpack_adapters(project: &Project, file: &ProjectFile, folder: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, control) in named_in(project) {
        let path = folder.join(file_name(&control.hash));
        if path.is_file() || !file.has(&name) {
            continue;
        }
        if let Err(error) = unpack(file, &name, &control.hash, &path) {
            notes.push(error.to_string());
        }
    }
    notes
}

fn unpack(file: &ProjectFile, name: &str, hash: &str, path: &Path) -> Result<()> {
    let bytes = file.attachment(name)?;
    if sha256_hex(&bytes) != hash {
        let problem = format!("the control {name} is damaged; use its file where it was made");
        return Err(EngineError::bad_file(file.path(), problem));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    }
    let fill = |writer: &mut std::io::BufWriter<&std::fs::File>| {
        writer
            .write_all(&bytes)
            .map_err(|e| EngineError::io(path, e))
    };
    atomic::write(path, Existing::Keep, fill).map(drop)
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::super::{ControlFile, ControlInfo, ControlKind};
    use super::*;
    use crate::recipe::tests::sample;

    #[test]
    fn a_project_brings_its_controls_along() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("own");
        std::fs::create_dir(&own).unwrap();
        let path = own.join("grin.safetensors");
        let info = ControlInfo::new("grin", ControlKind::Direction, vec!["smile".to_owned()]);
        let tensors = [("x".to_owned(), Tensor::from_slice(&[1.0_f32]))];
        ControlFile::save(&path, &info, &tensors).unwrap();
        let library = ControlLibrary::new(vec![own]);
        let mut control = ControlUse::new("grin", Some("cat"), 0.5);
        control.hash = sha256_hex(&std::fs::read(&path).unwrap());
        let mut recipe = sample();
        recipe.controls = vec![control.clone()];
        let project = Project::new("p", recipe);
        let place = folder.path().join("p.vernier");
        let mut file = ProjectFile::create(&place, &project).unwrap();
        let kept = adapters_to_keep(&project, &file, &library);
        assert_eq!(kept.len(), 1);
        file.save(&project, &kept).unwrap();
        assert!(
            adapters_to_keep(&project, &file, &library).is_empty(),
            "once"
        );
        drop(file);

        // Elsewhere.
        let elsewhere = folder.path().join("elsewhere");
        let library = ControlLibrary::new(vec![elsewhere.clone()]);
        assert!(library.find(&control).is_err());
        let opened = ProjectFile::open(&place).unwrap();
        let notes = unpack_adapters(&opened.project, &opened.file, &elsewhere);
        assert!(notes.is_empty(), "{notes:?}");
        let found = library.find(&control).unwrap();
        assert_eq!(sha256_hex(&std::fs::read(found).unwrap()), control.hash);
        // By its name alone, too, as a slider asks for it.
        let by_name = ControlUse::new("grin", Some("cat"), 0.5);
        assert!(library.find(&by_name).is_ok());
        assert_eq!(library.list()[0].info.name, "grin");
    }
}
