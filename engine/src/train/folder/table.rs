//! Tables of pictures: which file, which attribute values, which caption.

use std::path::{Path, PathBuf};

use csv::{Reader, ReaderBuilder, StringRecord};

use super::PictureRow;
use crate::{EngineError, Result};

/// Names that a column of files usually has.
const FILE_COLUMNS: [&str; 6] = ["file_name", "filename", "file", "image", "picture", "path"];
/// Names that a column of captions usually has.
const CAPTION_COLUMNS: [&str; 3] = ["caption", "text", "prompt"];
/// What stands where a value is not known, in lower case.
const MISSING: [&str; 7] = ["", "nan", "na", "n/a", "null", "none", "-"];

/// Which columns of a table are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableColumns {
    /// Column of file names; where it is `None`, the first of the usual names.
    pub file: Option<String>,
    /// Column of captions; where it is `None`, the first of the usual names, if there is one.
    pub caption: Option<String>,
    /// Columns of attribute values.
    pub attributes: Vec<String>,
}

/// Reads the rows of `table`; files are named relative to `folder`. A row without a caption has an
/// empty one.
pub(super) fn read(table: &Path, folder: &Path, columns: &TableColumns) -> Result<Vec<PictureRow>> {
    let bad = |problem: String| EngineError::bad_file(table, problem);
    let text = std::fs::read(table).map_err(|e| EngineError::io(table, e))?;
    let text = String::from_utf8(text)
        .map_err(|_| bad("is not a table in UTF-8; export it again as CSV UTF-8".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = open(text);
    let unreadable = |e: csv::Error| bad(format!("cannot be read as a table ({e})"));
    let header = reader.headers().map_err(unreadable)?.clone();
    let find = |name: &str| header.iter().position(|column| column == name);
    let known = || header.iter().collect::<Vec<_>>().join(", ");
    let named = |name: &str| {
        find(name).ok_or_else(|| bad(format!("has no column \"{name}\"; it has {}", known())))
    };
    let file = match &columns.file {
        Some(name) => named(name)?,
        None => file_column(&columns_of(&header)).ok_or_else(|| {
            bad(format!(
                "has no column of file names ({}); name it with --file-column, it has {}",
                FILE_COLUMNS.join(", "),
                known()
            ))
        })?,
    };
    let caption = match &columns.caption {
        Some(name) => Some(named(name)?),
        None => caption_column(&columns_of(&header)),
    };
    let attributes = columns
        .attributes
        .iter()
        .map(|name| Ok((name.as_str(), named(name)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: usize| record.get(at).unwrap_or_default();
        if cell(file).is_empty() {
            return Err(bad(format!("names no file in line {line}")));
        }
        let values = attributes
            .iter()
            .map(|&(name, at)| value_in_cell(table, name, cell(at), line))
            .collect::<Result<_>>()?;
        rows.push(PictureRow {
            path: resolve(folder, &record, file),
            caption: caption.map(cell).unwrap_or_default().to_owned(),
            values,
        });
    }
    Ok(rows)
}

fn resolve(folder: &Path, record: &StringRecord, file: usize) -> PathBuf {
    folder.join(record.get(file).unwrap_or_default())
}

/// A reader for the separator that the header uses: spreadsheets write semicolons and tabs too.
fn open(text: &str) -> Reader<&[u8]> {
    let header = text.lines().next().unwrap_or_default();
    let count = |separator: u8| header.bytes().filter(|b| *b == separator).count();
    let separator = [b';', b'\t']
        .into_iter()
        .find(|&s| count(s) > count(b','))
        .unwrap_or(b',');
    ReaderBuilder::new()
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// The value that a cell in `line` of the column `name` of `table` holds, `None` where it says that
/// there is none.
///
/// # Errors
/// It holds something else than a finite number.
pub fn value_in_cell(table: &Path, name: &str, cell: &str, line: u64) -> Result<Option<f64>> {
    number(cell.trim()).map_err(|()| {
        EngineError::bad_file(
            table,
            format!(
                "column \"{name}\" holds \"{}\" in line {line}, which is no number; leave it empty \
                 where it is not known, and give classes one column each with 0 and 1",
                cell.trim()
            ),
        )
    })
}

/// Where the column of files stands among those of a `header`: the first of the usual names.
pub fn file_column(header: &[&str]) -> Option<usize> {
    usual(&FILE_COLUMNS, header)
}

/// Where the column of captions stands among those of a `header`: the first of the usual names.
pub fn caption_column(header: &[&str]) -> Option<usize> {
    usual(&CAPTION_COLUMNS, header)
}

fn columns_of(header: &StringRecord) -> Vec<&str> {
    header.iter().collect()
}

fn usual(names: &[&str], header: &[&str]) -> Option<usize> {
    let find = |name: &&str| header.iter().position(|column| column == name);
    names.iter().find_map(find)
}

/// A cell's number, `None` where it says that there is none.
fn number(cell: &str) -> Result<Option<f64>, ()> {
    if MISSING.contains(&cell.to_lowercase().as_str()) {
        return Ok(None);
    }
    match cell.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str, columns: &TableColumns) -> Result<Vec<PictureRow>> {
        let folder = tempfile::tempdir().unwrap();
        let table = folder.path().join("t.csv");
        std::fs::write(&table, text).unwrap();
        read(&table, Path::new("/data"), columns)
    }

    fn attributes(names: &[&str]) -> TableColumns {
        TableColumns {
            attributes: names.iter().map(|&n| n.to_owned()).collect(),
            ..TableColumns::default()
        }
    }

    fn said(text: &str, columns: &TableColumns) -> String {
        read_text(text, columns).unwrap_err().to_string()
    }

    #[test]
    fn rows_have_file_values_and_caption_and_gaps_are_gaps() {
        let text = "\u{feff}file_name,age,caption,smile\n\
                    a.png, 0.5 ,\"a man, old\",\n\
                    sub/b.jpg,NaN,,1e-1\n";
        let rows = read_text(text, &attributes(&["smile", "age"])).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].path, Path::new("/data/a.png"));
        assert_eq!(rows[0].values, [None, Some(0.5)]);
        assert_eq!(rows[0].caption, "a man, old");
        assert_eq!(rows[1].path, Path::new("/data/sub/b.jpg"));
        assert_eq!(rows[1].values, [Some(0.1), None]);
        assert_eq!(rows[1].caption, "");
    }

    #[test]
    fn separators_and_column_names_of_others_are_understood() {
        let columns = TableColumns {
            file: Some("bild".to_owned()),
            caption: Some("was".to_owned()),
            attributes: vec!["alter".to_owned()],
        };
        for separator in [";", "\t"] {
            let text = "bild,alter,was\nx.png,3,ein Mann\n".replace(',', separator);
            let rows = read_text(&text, &columns).unwrap();
            assert_eq!(rows[0].values, [Some(3.0)]);
            assert_eq!(rows[0].caption, "ein Mann");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_column_and_line() {
        let table = "file,age\na.png,old\n";
        let sentence = said(table, &attributes(&["age"]));
        assert!(
            sentence.contains("\"age\" holds \"old\" in line 2"),
            "{sentence}"
        );
        let sentence = said(table, &attributes(&["smile"]));
        assert!(
            sentence.contains("no column \"smile\"; it has file, age"),
            "{sentence}"
        );
        let sentence = said("name,age\na.png,1\n", &attributes(&["age"]));
        assert!(sentence.contains("--file-column"), "{sentence}");
        let sentence = said("file,age\na.png,1,2\n", &attributes(&["age"]));
        assert!(sentence.contains("cannot be read as a table"), "{sentence}");
        let sentence = said("file,age\n,1\n", &attributes(&["age"]));
        assert!(sentence.contains("names no file in line 2"), "{sentence}");
        let sentence = said("file,age\na.png,inf\n", &attributes(&["age"]));
        assert!(sentence.contains("no number"), "{sentence}");
    }
}
