//! What is known of a folder's pictures, as it is edited: captions and attribute columns.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use vernier_engine::atomic::{self, Existing};
use vernier_engine::train::folder::{
    ImageFolder, PictureRow, caption_column, file_column, pictures_in, value_in_cell,
};
use vernier_engine::{EngineError, Result};

use super::csv_text::{CsvText, Rewrite};

/// The table's name where a folder has none yet, as other trainers call it.
const TABLE: &str = "metadata.csv";
/// The column of file names in a table that is made here.
const FILE: &str = "file_name";

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

/// What a column is good for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnCheck {
    /// Why nothing can be learnt of it, in the trainer's words.
    pub problem: Option<String>,
    /// What the trainer would tell of its gaps.
    pub gap: Option<String>,
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

    /// What the trainer would say of a column.
    pub fn check(&self, at: usize) -> ColumnCheck {
        let name = &self.columns[at];
        let mut rows = Vec::with_capacity(self.rows.len());
        let listed = (0..self.rows.len()).filter(|&row| self.is_listed(row));
        for (place, row) in listed.enumerate() {
            let line = match self.rows[row].line {
                0 => place as u64 + 2,
                line => line,
            };
            match value_in_cell(&self.table, name, &self.rows[row].cells[at], line) {
                Ok(value) => rows.push(PictureRow {
                    path: PathBuf::new(),
                    caption: "-".to_owned(),
                    values: vec![value],
                }),
                Err(e) => {
                    return ColumnCheck {
                        problem: Some(e.to_string()),
                        gap: None,
                    };
                }
            }
        }
        let folder = ImageFolder {
            source: self.table.clone(),
            attributes: vec![name.clone()],
            rows,
        };
        ColumnCheck {
            problem: folder.ranges().err().map(|e| e.to_string()),
            gap: folder.gaps().into_iter().next(),
        }
    }

    /// Writes what differs from `saved`, which is how things were last read or written, into the
    /// files as they are now: every other byte of them stays.
    ///
    /// # Errors
    /// A file cannot be read or written, or the table is none any more.
    pub fn save(&self, saved: &Self) -> Result<()> {
        for (row, old) in self.rows.iter().zip(&saved.rows) {
            if row.beside != old.beside {
                let path = text_beside(&self.folder.join(&row.file));
                let ending = match std::fs::read_to_string(&path) {
                    Ok(text) if !text.ends_with('\n') && !text.is_empty() => "",
                    _ => "\n",
                };
                let text = row.beside.as_deref().unwrap_or_default();
                write(&path, &format!("{text}{ending}"))?;
            }
        }
        let table = |sheet: &Self| {
            let cells = sheet
                .rows
                .iter()
                .map(|row| (row.cell.clone(), row.cells.clone()));
            (sheet.columns.clone(), cells.collect::<Vec<_>>())
        };
        if table(self) == table(saved) {
            return Ok(());
        }
        let csv = if self.table.exists() {
            read(&self.table)?
        } else {
            CsvText::new(&[FILE.to_owned()])
        };
        let layout = Layout::of(&csv, &self.table)?;
        write(&self.table, &self.rewritten(saved, &csv, &layout))
    }

    fn rewritten(&self, saved: &Self, csv: &CsvText, layout: &Layout) -> String {
        let names = layout.names(csv);
        // Places of our columns in the file, and those that are new to it.
        let of_file: Vec<Option<usize>> = self
            .columns
            .iter()
            .map(|name| names.iter().position(|known| known == name))
            .collect();
        let removed: Vec<usize> = saved
            .columns
            .iter()
            .filter(|name| !self.columns.contains(name))
            .filter_map(|name| names.iter().position(|known| known == name))
            .map(|at| layout.others[at])
            .collect();
        let width = csv.header().len();
        let kept: Vec<usize> = (0..width).filter(|at| !removed.contains(at)).collect();
        let added: Vec<usize> = (0..self.columns.len())
            .filter(|&at| of_file[at].is_none())
            .collect();
        let mut records: HashMap<String, VecDeque<usize>> = HashMap::new();
        for record in 0..csv.rows() {
            let file = csv.cell(record, layout.file);
            records.entry(file).or_default().push_back(record);
        }
        let mut rows = BTreeMap::new();
        let mut appended = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            match records.get_mut(&row.file).and_then(VecDeque::pop_front) {
                Some(record) => {
                    rows.insert(record, at);
                }
                None if row.cells.iter().any(|cell| !cell.is_empty()) => appended.push(at),
                None => {}
            }
        }
        let cell_of = |row: usize, place: usize, only_changed: bool| -> Option<String> {
            let (new, old) = (&self.rows[row], saved.rows.get(row));
            let changed = |new: &String, old: Option<&String>| {
                (!only_changed || old != Some(new)).then(|| new.clone())
            };
            if let Some(&column) = kept.get(place) {
                if column == layout.file {
                    return (!only_changed).then(|| new.file.clone());
                }
                if Some(column) == layout.caption {
                    return changed(&new.cell, old.map(|old| &old.cell));
                }
                let among = layout.others.iter().position(|&c| c == column)?;
                let own = of_file.iter().position(|&at| at == Some(among))?;
                let before = saved.columns.iter().position(|c| *c == self.columns[own]);
                let before = before.and_then(|at| old?.cells.get(at));
                return changed(&new.cells[own], before);
            }
            let own = *added.get(place - kept.len())?;
            Some(new.cells[own].clone())
        };
        let cell = |record: usize, place: usize| cell_of(*rows.get(&record)?, place, true);
        let places = kept.len() + added.len();
        let appended: Vec<Vec<String>> = appended
            .into_iter()
            .map(|row| {
                let cells = (0..places).map(|place| cell_of(row, place, false));
                cells.map(Option::unwrap_or_default).collect()
            })
            .collect();
        let added: Vec<String> = added.iter().map(|&at| self.columns[at].clone()).collect();
        csv.rewritten(&Rewrite {
            kept: &kept,
            added: &added,
            cell: &cell,
            appended: &appended,
        })
    }
}

/// Which columns of a table are what.
struct Layout {
    file: usize,
    caption: Option<usize>,
    others: Vec<usize>,
}

impl Layout {
    fn of(csv: &CsvText, path: &Path) -> Result<Self> {
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

    fn names(&self, csv: &CsvText) -> Vec<String> {
        let header = csv.header();
        self.others.iter().map(|&at| header[at].clone()).collect()
    }
}

fn text_beside(picture: &Path) -> PathBuf {
    picture.with_extension("txt")
}

/// `metadata.csv`, else the only CSV of the folder.
fn table_in(folder: &Path) -> Result<Option<PathBuf>> {
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

fn read(path: &Path) -> Result<CsvText> {
    let bytes = std::fs::read(path).map_err(|e| EngineError::io(path, e))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let problem = "is not a table in UTF-8; export it again as CSV UTF-8";
        EngineError::bad_file(path, problem)
    })?;
    CsvText::parse(text).map_err(|problem| EngineError::bad_file(path, problem))
}

fn write(path: &Path, text: &str) -> Result<()> {
    atomic::write(path, Existing::Replace, |file| {
        let written = file.write_all(text.as_bytes());
        written.map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CSV: &str = "file_name,age,caption,notes\nb.png,0.50 ,\"a man, old\",x\nc.png,,,y\n";

    fn folder(csv: Option<&str>) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.png", "b.png", "c.png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(folder.path().join("c.txt"), " a cat\n").unwrap();
        if let Some(csv) = csv {
            std::fs::write(folder.path().join(TABLE), csv).unwrap();
        }
        folder
    }

    fn text(folder: &tempfile::TempDir, name: &str) -> String {
        std::fs::read_to_string(folder.path().join(name)).unwrap()
    }

    #[test]
    fn a_caption_and_a_value_change_alone() {
        let folder = folder(Some(CSV));
        let read = Sheet::open(folder.path(), None).unwrap();
        let captions: Vec<&str> = read.rows.iter().map(SheetRow::caption).collect();
        assert_eq!(captions, ["a man, old", "a cat", ""]);
        let mut sheet = read.clone();
        sheet.set_caption(0, "a man");
        sheet.set_caption(1, "a dog");
        sheet.rows[1].cells[0] = "0.25".to_owned();
        // Somebody else has been at the file meanwhile.
        std::fs::write(folder.path().join(TABLE), CSV.replace(",x\n", ",xyz\n")).unwrap();
        sheet.save(&read).unwrap();
        assert_eq!(
            text(&folder, TABLE),
            "file_name,age,caption,notes\nb.png,0.50 ,a man,xyz\nc.png,0.25,,y\n"
        );
        assert_eq!(text(&folder, "c.txt"), "a dog\n");
    }

    #[test]
    fn a_folder_without_a_table_gets_one_with_its_first_column() {
        let folder = folder(None);
        let read = Sheet::open(folder.path(), None).unwrap();
        let mut sheet = read.clone();
        sheet.add_column("age").unwrap();
        assert!(sheet.add_column("age").is_err() && sheet.add_column("file").is_err());
        sheet.rows[2].cells[0] = "1".to_owned();
        sheet.save(&read).unwrap();
        assert_eq!(text(&folder, TABLE), "file_name,age\nc.png,1\n");
        // Back again by undo: the row and the column that are there now are found again.
        let mut other = sheet.clone();
        other.rows[2].cells[0] = "2".to_owned();
        other.save(&sheet).unwrap();
        assert_eq!(text(&folder, TABLE), "file_name,age\nc.png,2\n");
        other.remove_column(0);
        other.save(&sheet).unwrap();
        assert_eq!(text(&folder, TABLE), "file_name\nc.png\n");
    }

    #[test]
    fn columns_are_judged_in_the_trainers_words() {
        let csv = "file_name,same,word,gap\na.png,3,old,1\nb.png,3,1,\nc.png,3,2,0\n";
        let sheet = Sheet::open(folder(Some(csv)).path(), None).unwrap();
        let problem = |at| sheet.check(at).problem.unwrap_or_default();
        assert!(problem(0).contains("has the value 3 in every row"));
        assert!(problem(1).contains("\"word\" holds \"old\" in line 2"));
        let gap = sheet.check(2);
        assert_eq!(gap.problem, None);
        assert!(gap.gap.unwrap().contains("not known of 1 of 3"));
    }

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

    proptest! {
        #[test]
        fn what_is_saved_is_loaded(
            cells in proptest::collection::vec("[a-z0-9 ,\"\n.é]{0,8}", 6),
            captions in proptest::collection::vec("[a-z ,\"é]{0,12}", 3),
        ) {
            let folder = folder(Some(CSV));
            let read = Sheet::open(folder.path(), None).unwrap();
            let mut sheet = read.clone();
            for (row, caption) in captions.iter().enumerate() {
                sheet.set_caption(row, caption.trim());
            }
            for (at, cell) in cells.iter().enumerate() {
                cell.trim().clone_into(&mut sheet.rows[at / 2].cells[at % 2]);
            }
            sheet.save(&read).unwrap();
            let loaded = Sheet::open(folder.path(), None).unwrap();
            let known = |sheet: &Sheet| {
                let rows = sheet.rows.iter();
                rows.map(|r| (r.file.clone(), r.caption().to_owned(), r.cells.clone())).collect::<Vec<_>>()
            };
            prop_assert_eq!(known(&loaded), known(&sheet));
            prop_assert_eq!(loaded.columns, sheet.columns);
        }
    }
}
