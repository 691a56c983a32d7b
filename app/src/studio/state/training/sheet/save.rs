//! Writing what was changed into the files, of which every other byte stays.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io::Write as _;
use std::path::Path;

use vernier_engine::atomic::{self, Existing};
use vernier_engine::{EngineError, Result};

use super::table::{Layout, read};
use super::{Sheet, text_beside};
use crate::studio::state::training::csv_text::{CsvText, Rewrite};

/// The column of file names in a table that is made here.
const FILE: &str = "file_name";

impl Sheet {
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

    use super::super::SheetRow;
    use super::super::table::TABLE;
    use super::super::testing::{CSV, folder, text};
    use super::*;

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
