//! Pictures of the world to edit, with the truth about each edit, for `vernier measure edit`.

use std::path::{Path, PathBuf};

use vernier_engine::measure::{CaseEdit, EDIT_CASES_VERSION, EditCase, EditCases, Place};
use vernier_engine::picture::Picture;
use vernier_engine::render::Flow;
use vernier_engine::{EngineError, Result};
use vernier_world::{EditCase as WorldCase, SIZE};

use crate::folder::write_png;
use crate::pool::draw;

/// The list's name.
pub const LIST: &str = "cases.json";

/// Writes cases `first` to `first + count` into `folder`, which is made where it is not there:
/// pictures, masks, how each picture should look afterwards, and at the end the list.
///
/// # Errors
/// The folder holds another list, cannot be written, or `progress`, which hears how many cases are
/// done, cancelled.
pub fn export(
    folder: &Path,
    first: u64,
    count: u64,
    mut progress: impl FnMut(u64) -> Flow,
) -> Result<()> {
    let list = folder.join(LIST);
    for taken in [folder.join("model_index.json"), list.clone()] {
        if taken.exists() {
            let problem = "is there already; name a new folder with --out";
            return Err(EngineError::bad_file(taken, problem));
        }
    }
    std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    let mut cases = Vec::new();
    for number in first..first + count {
        cases.push(write(folder, number)?);
        if progress(number + 1 - first) == Flow::Cancel {
            return Err(EngineError::Cancelled);
        }
    }
    let version = EDIT_CASES_VERSION;
    EditCases { version, cases }.save(&list)
}

fn write(folder: &Path, number: u64) -> Result<EditCase> {
    let case = WorldCase::numbered(number);
    let keep = |name: String, picture: &Picture| -> Result<PathBuf> {
        write_png(&folder.join(&name), picture)?;
        Ok(name.into())
    };
    let count = case.scene.subjects.len();
    let mut edits = Vec::with_capacity(case.things.len());
    for (at, thing) in case.things.iter().enumerate() {
        let mask = Picture {
            width_px: SIZE as u32,
            height_px: SIZE as u32,
            rgb: thing.mask.iter().flat_map(|&m| [m; 3]).collect(),
        };
        let expect = thing.expect.iter().map(|&(attribute, class)| {
            let class = attribute.classes()[class].to_owned();
            (attribute.name().to_owned(), class)
        });
        edits.push(CaseEdit {
            from: thing.from.clone(),
            to: thing.to.clone(),
            mask: keep(format!("{number:03}-mask{}.png", at + 1), &mask)?,
            place: Some(Place {
                index: thing.subject,
                count,
            }),
            expect: expect.collect(),
        });
    }
    Ok(EditCase {
        image: keep(format!("{number:03}.png"), &draw(&case.scene))?,
        prompt: case.prompt,
        kind: case.kind.name().to_owned(),
        edits,
        truth: Some(keep(format!("{number:03}-truth.png"), &draw(&case.edited))?),
    })
}

#[cfg(test)]
mod tests {
    use vernier_engine::picture::{Mask, read_image};

    use super::*;

    #[test]
    fn cases_lie_beside_their_list_and_are_the_same_each_time() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let mut lists = Vec::new();
        for folder in &folders {
            export(folder.path(), 10, 3, |_| Flow::Continue).unwrap();
            lists.push(std::fs::read(folder.path().join(LIST)).unwrap());
        }
        assert_eq!(lists[0], lists[1]);
        let list = EditCases::open(&folders[0].path().join(LIST)).unwrap();
        assert_eq!(list.cases.len(), 3);
        for case in &list.cases {
            assert_eq!(case.edits.len(), 3);
            let picture = read_image(&case.image).unwrap();
            assert_ne!(picture, read_image(case.truth.as_ref().unwrap()).unwrap());
            for edit in &case.edits {
                let mask = Mask::from_picture(&read_image(&edit.mask).unwrap());
                assert!(!mask.is_empty() && mask.share() < 0.7);
                assert_eq!(edit.place.unwrap().count, 2);
            }
        }
        assert!(export(folders[0].path(), 0, 1, |_| Flow::Continue).is_err());
    }
}
