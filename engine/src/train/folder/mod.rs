//! Folders of pictures to learn from, with a table of values and captions or without.

mod picture;
mod prepare;
mod table;

use std::path::{Path, PathBuf};

use crate::controls::AttributeRange;
use crate::{EngineError, Result};

pub use picture::{picture_size_px, read_picture};
pub use prepare::{Measured, Preparation, PreparedPictures};
pub use table::{TableColumns, caption_column, file_column, value_in_cell};

/// Endings of pictures, in lower case.
const ENDINGS: [&str; 3] = ["png", "jpg", "jpeg"];

/// One picture and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureRow {
    /// Its file.
    pub path: PathBuf,
    /// Its caption; empty where there is none.
    pub caption: String,
    /// A value for each attribute, `None` where it is not known.
    pub values: Vec<Option<f64>>,
}

/// What is known of the pictures of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFolder {
    /// Where values and captions come from: the table, or the folder itself.
    pub source: PathBuf,
    /// The attributes, in the order of the rows' values.
    pub attributes: Vec<String>,
    /// The pictures.
    pub rows: Vec<PictureRow>,
}

impl ImageFolder {
    /// Every PNG and JPEG that lies in `folder`, by name, each with the text beside it
    /// (`NAME.txt`) as its caption.
    ///
    /// # Errors
    /// The folder cannot be read or holds none.
    pub fn list(folder: &Path) -> Result<Self> {
        let rows = pictures_in(folder)?;
        let rows = rows.into_iter().map(PictureRow::bare).collect();
        Self::new(folder, Vec::new(), rows)
    }

    /// The pictures that `table` names, relative to `folder`, with the values and captions that it
    /// gives them. Where it gives no caption, the text beside the picture is its caption.
    ///
    /// # Errors
    /// The table cannot be read, lacks a column, names no file or holds something that is no
    /// number where a value belongs; the sentence says where.
    pub fn table(folder: &Path, table: &Path, columns: &TableColumns) -> Result<Self> {
        let mut seen: Vec<&String> = Vec::new();
        for name in &columns.attributes {
            if seen.contains(&name) {
                let problem = "is asked for twice";
                return Err(EngineError::request(format!("column \"{name}\""), problem));
            }
            seen.push(name);
        }
        let rows = table::read(table, folder, columns)?;
        Self::new(table, columns.attributes.clone(), rows)
    }

    fn new(source: &Path, attributes: Vec<String>, mut rows: Vec<PictureRow>) -> Result<Self> {
        if rows.is_empty() {
            let problem = "holds no pictures; PNG and JPEG files can be learnt from";
            return Err(EngineError::bad_file(source, problem));
        }
        for row in &mut rows {
            if row.caption.is_empty() {
                row.caption = caption_beside(&row.path.with_extension("txt"))?;
            }
        }
        Ok(Self {
            source: source.to_owned(),
            attributes,
            rows,
        })
    }

    /// The rows with these numbers, in this order.
    #[must_use]
    pub fn choose(&self, kept: &[usize]) -> Self {
        Self {
            rows: kept.iter().map(|&at| self.rows[at].clone()).collect(),
            ..self.clone()
        }
    }

    /// The range of each attribute's values.
    ///
    /// # Errors
    /// An attribute has no values, or always the same: nothing can be learnt of it.
    pub fn ranges(&self) -> Result<Vec<AttributeRange>> {
        let attributes = self.attributes.iter().enumerate();
        attributes
            .map(|(at, name)| {
                let set = || self.rows.iter().filter_map(|row| row.values[at]);
                let (low, high) = (
                    set().fold(f64::INFINITY, f64::min),
                    set().fold(f64::NEG_INFINITY, f64::max),
                );
                if low < high {
                    return Ok(AttributeRange {
                        name: name.clone(),
                        low,
                        high,
                    });
                }
                let problem = if low.is_finite() {
                    format!("has the value {low} in every row")
                } else {
                    "has no value in any row".to_owned()
                };
                Err(EngineError::bad_file(
                    &self.source,
                    format!(
                        "column \"{name}\" {problem}, so nothing can be learnt of it; leave it out"
                    ),
                ))
            })
            .collect()
    }

    /// What the artist should know of gaps: a sentence for each attribute that has some, and one
    /// for captions.
    pub fn gaps(&self) -> Vec<String> {
        let count = self.rows.len();
        let mut told = Vec::new();
        for (at, name) in self.attributes.iter().enumerate() {
            let missing = self.rows.iter().filter(|r| r.values[at].is_none()).count();
            if missing > 0 {
                told.push(format!(
                    "{name} is not known of {missing} of {count} pictures; there it counts as not \
                     set"
                ));
            }
        }
        let silent = self.rows.iter().filter(|r| r.caption.is_empty()).count();
        if silent > 0 {
            told.push(format!("{silent} of {count} pictures have no caption"));
        }
        told
    }
}

impl PictureRow {
    /// A picture of which nothing is known.
    fn bare(path: PathBuf) -> Self {
        Self {
            path,
            caption: String::new(),
            values: Vec::new(),
        }
    }
}

/// Every PNG and JPEG that lies in `folder`, by name.
///
/// # Errors
/// The folder cannot be read.
pub fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |e| EngineError::io(folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if is_picture(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The text in `path`; empty where there is no such file.
fn caption_beside(path: &Path) -> Result<String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(EngineError::io(path, e)),
    };
    let text = String::from_utf8(bytes).map_err(|_| {
        EngineError::bad_file(path, "is a caption that is not UTF-8; save it as UTF-8")
    })?;
    Ok(text.trim_start_matches('\u{feff}').trim().to_owned())
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    ending.is_some_and(|e| ENDINGS.contains(&e.as_str())) && path.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_listed_by_name_with_the_texts_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        for name in ["b.PNG", "a.jpeg", "notes.md", "a.txt"] {
            write(name, " a cat \n");
        }
        let listed = ImageFolder::list(folder.path()).unwrap();
        let names: Vec<_> = listed
            .rows
            .iter()
            .map(|r| {
                (
                    r.path.file_name().unwrap().to_str().unwrap(),
                    r.caption.as_str(),
                )
            })
            .collect();
        assert_eq!(names, [("a.jpeg", "a cat"), ("b.PNG", "")]);
        assert_eq!(listed.gaps(), ["1 of 2 pictures have no caption"]);
        assert!(listed.ranges().unwrap().is_empty());

        let empty = tempfile::tempdir().unwrap();
        let said = ImageFolder::list(empty.path()).unwrap_err().to_string();
        assert!(said.contains("holds no pictures"), "{said}");
    }

    fn table(text: &str, attributes: &[&str]) -> Result<ImageFolder> {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        std::fs::write(&table, text).unwrap();
        let columns = TableColumns {
            attributes: attributes.iter().map(|&a| a.to_owned()).collect(),
            ..TableColumns::default()
        };
        ImageFolder::table(folder.path(), &table, &columns)
    }

    #[test]
    fn ranges_and_gaps_are_those_of_the_rows() {
        let text = "file,age,text\na.png,3,x\nb.png,,x\nc.png,-1,x\n";
        let read = table(text, &["age"]).unwrap();
        let range = &read.ranges().unwrap()[0];
        assert_eq!((range.low, range.high), (-1.0, 3.0));
        assert!(read.gaps()[0].starts_with("age is not known of 1 of 3"));
        let kept = read.choose(&[2, 0]);
        assert_eq!(kept.rows[0].values, [Some(-1.0)]);
        assert!(kept.gaps().is_empty());
    }

    #[test]
    fn constant_and_empty_columns_are_refused_by_name() {
        let text = "file,same,none\na.png,3,\nb.png,3,\n";
        let said = |name: &str| {
            let read = table(text, &[name]).unwrap();
            read.ranges().unwrap_err().to_string()
        };
        assert!(said("same").contains("\"same\" has the value 3 in every row"));
        assert!(said("none").contains("\"none\" has no value in any row"));
        assert!(table(text, &["same", "same"]).is_err());
        assert!(table("file,age\n", &["age"]).is_err());
    }
}
