//! What is known of a folder's pictures, as it is edited: captions and attribute columns.

mod check;
mod save;
mod table;
#[cfg(test)]
mod testing;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use vernier_engine::train::folder::{caption_column, file_column, pictures_in};
use vernier_engine::{EngineError, Result};

use self::table::{Layout, TABLE, read, table_in};

pub use check::ColumnCheck;

/// A folder's pictures and what is known of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// The folder.
    pub folder: PathBuf,
    /// Its table, whether it is there yet or not.
    pub table: PathBuf,
    /// Whether the table is there.
    pub has_table: bool,
    /// Whether the table has a column of captions.
    pub has_captions: bool,
    /// Names of the other columns.
    pub columns: Vec<String>,
    /// The pictures, those of the table first.
    pub rows: Vec<SheetRow>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// Its file, as the table calls it.
    pub file: String,
    /// Its caption in the table.
    pub cell: String,
    /// The text beside it, where there is one.
    pub beside: Option<String>,
    /// What each column says of it.
    pub cells: Vec<String>,
    /// Its line in the table; 0 where it is not in it.
    pub line: u64,
}

impl SheetRow {
    /// What a training takes as its caption.
    pub fn caption(&self) -> &str {
        if self.cell.is_empty() {
            self.beside.as_deref().unwrap_or_default()
        } else {
            &self.cell
        }
    }
}

impl Sheet {
    /// Reads the folder, and its table: `table`, or `metadata.csv` or the only CSV that lies in it.
    ///
    /// # Errors
    /// The folder cannot be read or holds no pictures, or the table is none; one sentence.
    pub fn open(folder: &Path, table: Option<&Path>) -> Result<Self> {
        let found = match table {
            Some(table) => Some(table.to_owned()),
            None => table_in(folder)?,
        };
        let (mut rows, mut columns, mut has_captions) = (Vec::new(), Vec::new(), false);
        if let Some(path) = &found {
            let csv = read(path)?;
            let layout = Layout::of(&csv, path)?;
            has_captions = layout.caption.is_some();
            columns = layout.names(&csv);
            rows = (0..csv.rows())
                .map(|row| SheetRow {
                    file: csv.cell(row, layout.file),
                    cell: layout
                        .caption
                        .map_or_else(String::new, |c| csv.cell(row, c)),
                    beside: None,
                    cells: layout.others.iter().map(|&c| csv.cell(row, c)).collect(),
                    line: csv.line(row),
                })
                .collect();
            if let Some(row) = rows.iter().find(|row| row.file.is_empty()) {
                let problem = format!("names no file in line {}", row.line);
                return Err(EngineError::bad_file(path, problem));
            }
        }
        let known: HashSet<PathBuf> = rows.iter().map(|row| folder.join(&row.file)).collect();
        for path in pictures_in(folder)? {
            if !known.contains(&path) {
                rows.push(SheetRow {
                    file: path
                        .file_name()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned(),
                    cell: String::new(),
                    beside: None,
                    cells: vec![String::new(); columns.len()],
                    line: 0,
                });
            }
        }
        if rows.is_empty() {
            let problem = "holds no pictures; PNG and JPEG files can be learnt from";
            return Err(EngineError::bad_file(folder, problem));
        }
        for row in &mut rows {
            let beside = std::fs::read_to_string(text_beside(&folder.join(&row.file)));
            row.beside = beside.ok().map(|text| text.trim().to_owned());
        }
        Ok(Self {
            folder: folder.to_owned(),
            has_table: found.is_some(),
            table: found.unwrap_or_else(|| folder.join(TABLE)),
            has_captions,
            columns,
            rows,
        })
    }

    /// Whether a training reads the table.
    pub fn uses_table(&self) -> bool {
        self.has_table || !self.columns.is_empty()
    }

    /// A picture's file.
    pub fn path(&self, row: usize) -> PathBuf {
        self.folder.join(&self.rows[row].file)
    }

    /// Whether a picture stands in the table, so that a training with it takes that picture.
    pub fn is_listed(&self, row: usize) -> bool {
        self.rows[row].line > 0 || self.rows[row].cells.iter().any(|cell| !cell.is_empty())
    }

    /// Sets a picture's caption where it has one now, else in the text beside it.
    pub fn set_caption(&mut self, row: usize, caption: &str) {
        let has_captions = self.has_captions;
        let row = &mut self.rows[row];
        if has_captions && (!row.cell.is_empty() || row.beside.is_none()) && row.line > 0 {
            caption.clone_into(&mut row.cell);
        } else {
            row.beside = Some(caption.to_owned());
        }
    }

    /// Adds a column.
    ///
    /// # Errors
    /// There is one of that name, or the name is none; one sentence.
    pub fn add_column(&mut self, name: &str) -> Result<(), String> {
        let name = name.trim();
        let is_taken = self.columns.iter().any(|known| known == name)
            || file_column(&[name]).is_some()
            || caption_column(&[name]).is_some();
        if name.is_empty() || is_taken || name.contains([',', '/', '@', '=', '~']) {
            return Err(format!(
                "column \"{name}\": give it a name of its own, without any of , / @ = ~"
            ));
        }
        self.columns.push(name.to_owned());
        for row in &mut self.rows {
            row.cells.push(String::new());
        }
        Ok(())
    }

    /// Takes a column out.
    pub fn remove_column(&mut self, at: usize) {
        self.columns.remove(at);
        for row in &mut self.rows {
            row.cells.remove(at);
        }
    }
}

fn text_beside(picture: &Path) -> PathBuf {
    picture.with_extension("txt")
}
