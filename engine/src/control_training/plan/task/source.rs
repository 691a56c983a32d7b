//! The pictures that a plan means.

use std::path::PathBuf;

use super::super::PicturePlan;
use crate::train::folder::{ImageFolder, TableColumns};
use crate::{EngineError, Result};

/// Pictures of a folder, with a table or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureSource {
    /// The folder.
    pub data: PathBuf,
    /// The table.
    pub table: Option<PathBuf>,
    /// Which of its columns are meant.
    pub columns: TableColumns,
}

impl PictureSource {
    /// Reads names, captions and values.
    ///
    /// # Errors
    /// See [`ImageFolder::list`] and [`ImageFolder::table`]; or columns are named and there is no
    /// table.
    pub fn open(&self) -> Result<ImageFolder> {
        if let Some(table) = &self.table {
            return ImageFolder::table(&self.data, table, &self.columns);
        }
        for (option, is_given) in [
            ("--file-column", self.columns.file.is_some()),
            ("--caption-column", self.columns.caption.is_some()),
            ("--columns", !self.columns.attributes.is_empty()),
        ] {
            if is_given {
                let problem = "names a column, but there is no table; name one with --csv";
                return Err(EngineError::request(option, problem));
            }
        }
        ImageFolder::list(&self.data)
    }
}

impl PicturePlan {
    pub(super) fn source(&self, attributes: &[String]) -> PictureSource {
        PictureSource {
            data: self.data.clone(),
            table: self.table.clone(),
            columns: TableColumns {
                file: self.file_column.clone(),
                caption: self.caption_column.clone(),
                attributes: attributes.to_vec(),
            },
        }
    }
}
