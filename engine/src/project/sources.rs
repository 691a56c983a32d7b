//! The pictures that a project's recipes start from, and their masks.

use std::collections::{BTreeMap, BTreeSet};

use super::Project;
use crate::picture::{PictureShelf, to_plain_png};
use crate::recipe::{PicturePromptUse, PictureRef, is_sha256_hex};

/// Folder of the pictures that recipes name inside a project file.
const FOLDER: &str = "pictures/";

/// Name of the entry that holds the picture which recipes call `hash`.
pub fn source_png_name(hash: &str) -> String {
    format!("{FOLDER}{hash}.png")
}

/// Every picture that the project's recipes name by its hash, under the name of its entry.
pub(super) fn named_in(project: &Project) -> BTreeMap<String, &PictureRef> {
    let muted = project.bench.muted_picture_prompts.iter();
    project
        .all_recipes()
        .flat_map(|recipe| recipe.pictures())
        .chain(muted.flat_map(PicturePromptUse::all_pictures))
        .filter(|picture| is_sha256_hex(&picture.hash))
        .map(|picture| (source_png_name(&picture.hash), picture))
        .collect()
}

/// The pictures of `project` that are not among the entries `present`, as new entries. One that is
/// not at hand is left out: the recipe still says where it lies.
pub(super) fn additions(
    project: &Project,
    present: &BTreeSet<String>,
    shelf: &PictureShelf,
) -> Vec<(String, Vec<u8>)> {
    let lacking = named_in(project).into_iter();
    let lacking = lacking.filter(|(name, _)| !present.contains(name));
    lacking
        .filter_map(|(name, wanted)| {
            let png = shelf.get(wanted).and_then(|picture| to_plain_png(&picture));
            match png {
                Ok(png) => Some((name, png)),
                Err(error) => {
                    log::warn!("a picture was not put into the project: {error}");
                    None
                }
            }
        })
        .collect()
}
