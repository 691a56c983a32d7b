//! What a column is good for, in the trainer's words.

use std::path::PathBuf;

use vernier_engine::train::folder::{ImageFolder, PictureRow, value_in_cell};

use super::Sheet;

/// What a column is good for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ColumnCheck {
    /// Why nothing can be learnt of it, in the trainer's words.
    pub problem: Option<String>,
    /// What the trainer would tell of its gaps.
    pub gap: Option<String>,
}

impl Sheet {
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
}

#[cfg(test)]
mod tests {
    use super::super::testing::folder;
    use super::*;

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
}
