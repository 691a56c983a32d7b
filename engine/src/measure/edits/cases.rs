//! A list of pictures to edit, with the truth about each edit.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::atomic::{self, Existing};
use crate::measure::Place;
use crate::{EngineError, Result};

/// The newest version of case lists that this program writes and reads.
pub const EDIT_CASES_VERSION: u32 = 1;

/// A list of cases, as it lies on the disk. Paths in it are relative to its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditCases {
    /// [`EDIT_CASES_VERSION`].
    pub version: u32,
    /// The cases, in the order in which they are measured.
    pub cases: Vec<EditCase>,
}

/// One picture and what shall change in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditCase {
    /// The picture.
    pub image: PathBuf,
    /// What it shows.
    pub prompt: String,
    /// The type of the edit, by which figures are told apart, such as `color`.
    pub kind: String,
    /// What changes, one to three things in ALE-Bench's manner.
    pub edits: Vec<CaseEdit>,
    /// How the picture should look afterwards, where somebody knows: a ceiling for the meter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<PathBuf>,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseEdit {
    /// Its words in the prompt.
    pub from: String,
    /// What is to be shown instead.
    pub to: String,
    /// A picture that is white where the thing is.
    pub mask: PathBuf,
    /// Where the model's meter finds it; absent where only CLIP can judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What the meter should read there: class by attribute, such as `paint_color` and `green`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<String, String>,
}

impl EditCases {
    /// Reads a list; its paths become usable from the current folder.
    ///
    /// # Errors
    /// The file is missing, damaged or of a newer version, holds no case, or a case changes nothing.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| EngineError::io(path, e))?;
        let no_list =
            |e| EngineError::bad_file(path, format!("is no list of edits to measure ({e})"));
        let value: serde_json::Value = serde_json::from_str(&text).map_err(no_list)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        if version.is_some_and(|v| v > u64::from(EDIT_CASES_VERSION)) {
            let problem = "is newer than this program reads; update Vernier";
            return Err(EngineError::bad_config(path, "version", problem));
        }
        let mut list: Self = serde_json::from_value(value).map_err(no_list)?;
        if list.cases.is_empty() {
            return Err(EngineError::bad_file(path, "holds no case"));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for case in &mut list.cases {
            if case.edits.is_empty() {
                let problem = format!("the case of {} changes nothing", case.image.display());
                return Err(EngineError::bad_file(path, problem));
            }
            let masks = case.edits.iter_mut().map(|edit| &mut edit.mask);
            for file in masks.chain([&mut case.image]).chain(&mut case.truth) {
                *file = folder.join(&file);
            }
        }
        Ok(list)
    }

    /// Writes the list, whose paths are taken as they are.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| EngineError::bad_file(path, format!("cannot be written: {e}")))?;
        atomic::write(path, Existing::Replace, |file| {
            writeln!(file, "{text}").map_err(|e| EngineError::io(path, e))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> EditCases {
        EditCases {
            version: EDIT_CASES_VERSION,
            cases: vec![EditCase {
                image: "a.png".into(),
                prompt: "a red cup".to_owned(),
                kind: "color".to_owned(),
                edits: vec![CaseEdit {
                    from: "red cup".to_owned(),
                    to: "green cup".to_owned(),
                    mask: "m.png".into(),
                    place: Some(Place { index: 0, count: 1 }),
                    expect: [("paint_color".to_owned(), "green".to_owned())].into(),
                }],
                truth: None,
            }],
        }
    }

    #[test]
    fn paths_are_relative_to_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.json");
        list().save(&path).unwrap();
        let read = EditCases::open(&path).unwrap();
        assert_eq!(read.cases[0].image, folder.path().join("a.png"));
        assert_eq!(read.cases[0].edits[0].mask, folder.path().join("m.png"));
        assert_eq!(
            read.cases[0].edits[0].expect,
            list().cases[0].edits[0].expect
        );
        // A second save is as good as the first.
        list().save(&path).unwrap();
        assert_eq!(EditCases::open(&path).unwrap(), read);
    }

    #[test]
    fn lists_that_cannot_be_measured_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.json");
        let mut idle = list();
        idle.cases[0].edits.clear();
        let text = |list: &EditCases| serde_json::to_string(list).unwrap();
        for (text, expected) in [
            ("{".to_owned(), "is no list of edits"),
            (
                r#"{"version": 9, "cases": []}"#.to_owned(),
                "update Vernier",
            ),
            (r#"{"version": 1, "cases": []}"#.to_owned(), "holds no case"),
            (text(&idle), "changes nothing"),
        ] {
            std::fs::write(&path, text).unwrap();
            let said = EditCases::open(&path).unwrap_err().to_string();
            assert!(said.contains(expected), "{said}");
        }
    }
}
