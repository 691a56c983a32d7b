//! The table beside the pictures: where it lies and which of its columns is what.

use std::path::{Path, PathBuf};

use vernier_engine::train::folder::{caption_column, file_column};
use vernier_engine::{EngineError, Result};

use crate::studio::state::training::csv_text::CsvText;

/// The table's name where a folder has none yet, as other trainers call it.
pub(super) const TABLE: &str = "metadata.csv";

/// Which columns of a table are what.
pub(super) struct Layout {
    pub(super) file: usize,
    pub(super) caption: Option<usize>,
    pub(super) others: Vec<usize>,
}

impl Layout {
    pub(super) fn of(csv: &CsvText, path: &Path) -> Result<Self> {
        let header = csv.header();
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        let file = file_column(&names).ok_or_else(|| {
            EngineError::bad_file(
                path,
                format!(
                    "has no column of file names; call it file_name. It has {}",
                    header.join(", ")
                ),
            )
        })?;
        let caption = caption_column(&names);
        let mut seen = Vec::new();
        for name in &names {
            if seen.contains(name) {
                let problem = format!("has two columns \"{name}\"; rename one of them");
                return Err(EngineError::bad_file(path, problem));
            }
            seen.push(name);
        }
        let others = (0..names.len())
            .filter(|&at| at != file && Some(at) != caption)
            .collect();
        Ok(Self {
            file,
            caption,
            others,
        })
    }

    pub(super) fn names(&self, csv: &CsvText) -> Vec<String> {
        let header = csv.header();
        self.others.iter().map(|&at| header[at].clone()).collect()
    }
}

/// `metadata.csv`, else the only CSV of the folder.
pub(super) fn table_in(folder: &Path) -> Result<Option<PathBuf>> {
    let usual = folder.join(TABLE);
    if usual.is_file() {
        return Ok(Some(usual));
    }
    let io = |e| EngineError::io(folder, e);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("csv"))
        {
            found.push(path);
        }
    }
    Ok(found.pop().filter(|_| found.is_empty()))
}

pub(super) fn read(path: &Path) -> Result<CsvText> {
    let bytes = std::fs::read(path).map_err(|e| EngineError::io(path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let problem = "is not a table in UTF-8; export it again as CSV UTF-8";
        EngineError::bad_file(path, problem)
    })?;
    CsvText::parse(text).map_err(|problem| EngineError::bad_file(path, problem))
}

#[cfg(test)]
mod tests {
    use super::super::Sheet;
    use super::super::testing::folder;

    #[test]
    fn a_table_that_cannot_be_edited_is_named() {
        let said = |csv: &str| {
            Sheet::open(folder(Some(csv)).path(), None)
                .unwrap_err()
                .to_string()
        };
        assert!(said("name,age\na.png,1\n").contains("no column of file names"));
        assert!(said("file,age\na.png\n").contains("1 cells in line 2"));
        assert!(said("file,age,age\na.png,1,1\n").contains("two columns \"age\""));
    }
}
