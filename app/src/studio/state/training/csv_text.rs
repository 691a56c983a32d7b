//! A table as its file has it, so that what nobody changes keeps its very bytes.

use std::ops::Range;

/// The byte-order mark that spreadsheets write.
const BOM: char = '\u{feff}';

/// A CSV file's text and where its cells are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CsvText {
    text: String,
    separator: char,
    records: Vec<Record>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    /// Of its first byte, from 1.
    line: u64,
    /// Bytes of the cells, quotes included.
    cells: Vec<Range<usize>>,
}

/// What is to become of a table.
pub(super) struct Rewrite<'a> {
    /// Columns that stay, rising.
    pub(super) kept: &'a [usize],
    /// Names of columns that come after them.
    pub(super) added: &'a [String],
    /// What a cell shall hold, by record (from 0, the header aside) and by its place among kept and
    /// added columns; `None` leaves a kept cell as it is and an added one empty.
    pub(super) cell: &'a dyn Fn(usize, usize) -> Option<String>,
    /// Records that come after the others, a text for each kept and added column.
    pub(super) appended: &'a [Vec<String>],
}

impl CsvText {
    /// Finds the cells of `text`: separated by commas, semicolons or tabs, whichever its first line
    /// has most of.
    ///
    /// # Errors
    /// There is no header, or a record has another number of cells; half a sentence that says where.
    pub(super) fn parse(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let start = if text.starts_with(BOM) {
            BOM.len_utf8()
        } else {
            0
        };
        let separator = separator_of(text[start..].lines().next().unwrap_or_default());
        let records = records(&text, start, separator);
        let Some(header) = records.first() else {
            return Err("is empty; its first line must name the columns".to_owned());
        };
        let width = header.cells.len();
        if let Some(odd) = records.iter().find(|r| r.cells.len() != width) {
            return Err(format!(
                "has {} cells in line {}, but its header names {width} columns",
                odd.cells.len(),
                odd.line
            ));
        }
        Ok(Self {
            text,
            separator,
            records,
        })
    }

    /// A table with this header and nothing else.
    pub(super) fn new(header: &[String]) -> Self {
        let separator = ',';
        let mut text = String::new();
        push_record(
            &mut text,
            header.iter().map(|h| encoded(h, separator)),
            separator,
        );
        text.push('\n');
        let records = records(&text, 0, separator);
        Self {
            text,
            separator,
            records,
        }
    }

    /// Names of the columns.
    pub(super) fn header(&self) -> Vec<String> {
        let cells = self.records.first().map_or(0, |header| header.cells.len());
        (0..cells).map(|at| self.decoded(0, at)).collect()
    }

    /// Records below the header.
    pub(super) fn rows(&self) -> usize {
        self.records.len().saturating_sub(1)
    }

    /// What a cell holds, without quotes and blanks around it.
    pub(super) fn cell(&self, row: usize, column: usize) -> String {
        self.decoded(row + 1, column)
    }

    /// The line of a record's first byte, from 1.
    pub(super) fn line(&self, row: usize) -> u64 {
        self.records.get(row + 1).map_or(0, |record| record.line)
    }

    fn decoded(&self, record: usize, column: usize) -> String {
        let range = self.records.get(record).and_then(|r| r.cells.get(column));
        range.map_or_else(String::new, |range| decoded(&self.text[range.clone()]))
    }

    /// The table as `rewrite` wants it; all other bytes stay.
    pub(super) fn rewritten(&self, rewrite: &Rewrite<'_>) -> String {
        let separator = self.separator;
        let newline = if self.text.contains("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        let mut out = String::with_capacity(self.text.len() + 1024);
        let mut copied = 0;
        for (at, record) in self.records.iter().enumerate() {
            let (Some(first), Some(last)) = (record.cells.first(), record.cells.last()) else {
                continue;
            };
            out.push_str(&self.text[copied..first.start]);
            copied = last.end;
            let kept = rewrite.kept.iter().enumerate().map(|(place, &column)| {
                let own = &self.text[record.cells[column].clone()];
                let wanted = at.checked_sub(1).and_then(|row| (rewrite.cell)(row, place));
                match wanted {
                    Some(wanted) if wanted != decoded(own) => encoded(&wanted, separator),
                    _ => own.to_owned(),
                }
            });
            let added = rewrite.added.iter().enumerate().map(|(place, name)| {
                let Some(row) = at.checked_sub(1) else {
                    return encoded(name, separator);
                };
                let wanted = (rewrite.cell)(row, rewrite.kept.len() + place);
                encoded(&wanted.unwrap_or_default(), separator)
            });
            push_record(&mut out, kept.chain(added), separator);
        }
        out.push_str(&self.text[copied..]);
        for cells in rewrite.appended {
            if !out.is_empty() && !out.ends_with(['\n', '\r']) {
                out.push_str(newline);
            }
            let cells = cells.iter().map(|cell| encoded(cell, separator));
            push_record(&mut out, cells, separator);
            out.push_str(newline);
        }
        out
    }
}

fn push_record(out: &mut String, cells: impl Iterator<Item = String>, separator: char) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(separator);
        }
        out.push_str(&cell);
    }
}

/// As the trainer's reader chooses it.
fn separator_of(header: &str) -> char {
    let count = |separator: char| header.matches(separator).count();
    let others = [';', '\t'].into_iter();
    others
        .clone()
        .find(|&s| count(s) > count(','))
        .unwrap_or(',')
}

fn records(text: &str, start: usize, separator: char) -> Vec<Record> {
    let bytes = text.as_bytes();
    let separator = separator as u8;
    let (mut at, mut line) = (start, 1);
    let mut all = Vec::new();
    while at < bytes.len() {
        if matches!(bytes[at], b'\n' | b'\r') {
            // Blank lines are no records.
            line += u64::from(ends_line(bytes, at));
            at += 1;
            continue;
        }
        let mut record = Record {
            line,
            cells: Vec::new(),
        };
        loop {
            let from = at;
            if bytes.get(at) == Some(&b'"') {
                at += 1;
                while at < bytes.len() {
                    match (bytes[at], bytes.get(at + 1)) {
                        (b'"', Some(b'"')) => at += 1,
                        (b'"', _) => break,
                        _ => line += u64::from(ends_line(bytes, at)),
                    }
                    at += 1;
                }
            }
            while at < bytes.len() && !matches!(bytes[at], b'\n' | b'\r') && bytes[at] != separator
            {
                at += 1;
            }
            record.cells.push(from..at.min(bytes.len()));
            if bytes.get(at) != Some(&separator) {
                break;
            }
            at += 1;
        }
        all.push(record);
    }
    all
}

/// Whether the byte ends a line; of `\r\n` only the second does.
fn ends_line(bytes: &[u8], at: usize) -> bool {
    bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n')
}

fn decoded(raw: &str) -> String {
    let Some(quoted) = raw.strip_prefix('"') else {
        return raw.trim().to_owned();
    };
    let mut out = String::with_capacity(quoted.len());
    let mut chars = quoted.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '"' {
            out.push(c);
        } else if chars.next_if_eq(&'"').is_some() {
            out.push('"');
        } else {
            // What stands behind the closing quote counts as it is.
            out.extend(chars);
            break;
        }
    }
    out.trim().to_owned()
}

fn encoded(cell: &str, separator: char) -> String {
    let is_plain = !cell.contains([separator, '"', '\n', '\r']) && !cell.starts_with(BOM);
    if is_plain && cell.trim() == cell {
        cell.to_owned()
    } else {
        format!("\"{}\"", cell.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use vernier_engine::train::folder::{ImageFolder, TableColumns};

    use super::*;

    const TABLE: &str = "\u{feff}file_name; age ;caption\r\n\
                         a.png;0.50;\"a man; \"\"old\"\"\"\r\n\
                         \r\n\
                         b.png ; ;plain\r\n";

    fn unchanged(_: usize, _: usize) -> Option<String> {
        None
    }

    #[test]
    fn cells_are_found_and_nothing_changes_by_itself() {
        let table = CsvText::parse(TABLE).unwrap();
        assert_eq!(table.header(), ["file_name", "age", "caption"]);
        assert_eq!((table.rows(), table.line(1)), (2, 4));
        assert_eq!(table.cell(0, 2), "a man; \"old\"");
        assert_eq!(table.cell(1, 0), "b.png");
        let same = Rewrite {
            kept: &[0, 1, 2],
            added: &[],
            cell: &unchanged,
            appended: &[],
        };
        assert_eq!(table.rewritten(&same), TABLE);
    }

    #[test]
    fn one_cell_changes_alone_and_columns_come_and_go() {
        let table = CsvText::parse(TABLE).unwrap();
        let cell = |row, place| (row == 1 && place == 1).then(|| "0.7".to_owned());
        let edit = Rewrite {
            kept: &[0, 1, 2],
            added: &[],
            cell: &cell,
            appended: &[],
        };
        assert_eq!(
            table.rewritten(&edit),
            TABLE.replace("b.png ; ;", "b.png ;0.7;")
        );
        let cell = |row: usize, place| (place == 2).then(|| format!("{row};"));
        let swap = Rewrite {
            kept: &[0, 2],
            added: &["smile".to_owned()],
            cell: &cell,
            appended: &[vec!["c.png".to_owned(), String::new(), "1".to_owned()]],
        };
        assert_eq!(
            table.rewritten(&swap),
            "\u{feff}file_name;caption;smile\r\n\
             a.png;\"a man; \"\"old\"\"\";\"0;\"\r\n\
             \r\n\
             b.png ;plain;\"1;\"\r\n\
             c.png;;1\r\n"
        );
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        assert!(CsvText::parse("").unwrap_err().contains("is empty"));
        let said = CsvText::parse("a,b\n1,2\n3\n").unwrap_err();
        assert!(said.contains("1 cells in line 3"), "{said}");
    }

    fn cell() -> impl Strategy<Value = String> {
        "[a-z0-9 ,;\"'\t.é]{0,8}".prop_map(|text| text.trim().to_owned())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_by_us_and_by_the_trainer(
            rows in proptest::collection::vec((cell(), -9.0..9.0_f64), 1..6),
            (at, wanted) in (any::<prop::sample::Index>(), cell()),
            ending in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let mut text = format!("file,age,caption{ending}");
            for (at, (caption, age)) in rows.iter().enumerate() {
                let caption = encoded(caption, ',');
                write!(text, "{at}.png, {age} ,{caption}{ending}").unwrap();
            }
            let table = CsvText::parse(text.clone()).unwrap();
            let at = at.index(rows.len());
            let cell = |row, place| (row == at && place == 2).then(|| wanted.clone());
            let rewrite = Rewrite { kept: &[0, 1, 2], added: &[], cell: &cell, appended: &[] };
            let written = table.rewritten(&rewrite);
            let again = CsvText::parse(written.clone()).unwrap();
            prop_assert_eq!(again.rows(), rows.len());
            for (row, (own, _)) in rows.iter().enumerate() {
                let caption = if row == at { &wanted } else { own };
                prop_assert_eq!(&again.cell(row, 2), caption);
                // The bytes of the others are the same.
                prop_assert_eq!(again.raw(row, 1), table.raw(row, 1));
                if row != at {
                    prop_assert_eq!(again.raw(row, 2), table.raw(row, 2));
                }
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("t.csv");
            std::fs::write(&path, written).unwrap();
            let columns = TableColumns {
                attributes: vec!["age".to_owned()],
                ..TableColumns::default()
            };
            let read = ImageFolder::table(folder.path(), &path, &columns).unwrap();
            for (row, read) in read.rows.iter().enumerate() {
                prop_assert_eq!(read.values[0], Some(rows[row].1));
                let caption = if row == at { &wanted } else { &rows[row].0 };
                prop_assert_eq!(&read.caption, caption);
            }
        }
    }

    impl CsvText {
        fn raw(&self, row: usize, column: usize) -> &str {
            &self.text[self.records[row + 1].cells[column].clone()]
        }
    }
}
