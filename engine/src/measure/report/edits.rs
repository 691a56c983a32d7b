//! Edits on one page: a case a row, a way of editing a column.

use super::canvas::{Align, Canvas, Style};
use super::{INK, MUTED};
use crate::Result;
use crate::measure::{EditCase, EditTrial};
use crate::picture::Picture;

const GAP: u32 = 8;
const MARGIN: u32 = 24;
/// Width of the column with the words.
const WORDS: u32 = 230;
const HEAD: u32 = 60;

/// Collects pictures while edits are measured.
#[derive(Debug, Default)]
pub struct EditPage {
    rows: Vec<Row>,
    most: usize,
    /// Cases that came after the page was full.
    skipped: bool,
}

#[derive(Debug)]
struct Row {
    words: Vec<String>,
    source: Picture,
    pictures: Vec<(EditTrial, Picture)>,
}

impl EditPage {
    /// A page of the first `most` cases.
    pub fn of_first(most: usize) -> Self {
        Self {
            most,
            ..Self::default()
        }
    }

    /// The pictures that follow are of `case`.
    pub fn begin(&mut self, case: &EditCase, source: &Picture) {
        self.skipped = self.rows.len() >= self.most;
        if self.skipped {
            return;
        }
        let edits = case.edits.iter();
        self.rows.push(Row {
            words: edits.map(|e| format!("{} → {}", e.from, e.to)).collect(),
            source: source.clone(),
            pictures: Vec::new(),
        });
    }

    /// The case as `trial` draws it.
    pub fn take(&mut self, trial: EditTrial, picture: &Picture) {
        if let Some(row) = self.rows.last_mut().filter(|_| !self.skipped) {
            row.pictures.push((trial, picture.clone()));
        }
    }

    /// The page.
    ///
    /// # Errors
    /// It is too large for a picture.
    pub fn draw(&self) -> Result<Picture> {
        let all = || self.rows.iter().flat_map(|row| &row.pictures);
        let columns: Vec<EditTrial> = EditTrial::ALL
            .into_iter()
            .filter(|trial| all().any(|(shown, _)| shown == trial))
            .collect();
        let sources = || self.rows.iter().map(|row| &row.source);
        let tile = (
            sources().map(|p| p.width_px).max().unwrap_or(1),
            sources().map(|p| p.height_px).max().unwrap_or(1),
        );
        let x_of = |column: u32| MARGIN + WORDS + column * (tile.0 + GAP);
        let width = x_of(1 + columns.len() as u32) + MARGIN;
        let height = HEAD + self.rows.len() as u32 * (tile.1 + GAP) + MARGIN;
        let mut canvas = Canvas::new(width, height)?;
        let head = |canvas: &mut Canvas, column: u32, text: &str| {
            let style = Style::new(14.0, INK).bold();
            let lines = canvas.wrap(text, style, tile.0 as f32, 2);
            for (at, line) in lines.iter().enumerate() {
                let (x, y) = (x_of(column) as f32, 24.0 + 18.0 * at as f32);
                canvas.text(x, y, line, style, Align::Left);
            }
        };
        head(&mut canvas, 0, "source");
        for (column, trial) in (1..).zip(&columns) {
            head(&mut canvas, column, trial.label());
        }
        for (at, row) in (0_u32..).zip(&self.rows) {
            let top = HEAD + at * (tile.1 + GAP);
            let mut below = top as f32 + 18.0;
            for words in &row.words {
                let style = Style::new(15.0, MUTED);
                for line in canvas.wrap(words, style, WORDS as f32 - 12.0, 3) {
                    canvas.text(MARGIN as f32, below, &line, style, Align::Left);
                    below += 19.0;
                }
                below += 5.0;
            }
            canvas.picture(x_of(0), top, &row.source);
            for (trial, picture) in &row.pictures {
                let column = columns.iter().position(|shown| shown == trial);
                canvas.picture(x_of(1 + column.unwrap_or(0) as u32), top, picture);
            }
        }
        Ok(canvas.into_picture())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_the_first_cases_side_by_side() {
        let plain = |level: u8| Picture {
            width_px: 40,
            height_px: 30,
            rgb: vec![level; 40 * 30 * 3],
        };
        let case = EditCase {
            image: "i.png".into(),
            prompt: "a cup".to_owned(),
            kind: "color".to_owned(),
            edits: Vec::new(),
            truth: None,
        };
        let mut page = EditPage::of_first(1);
        for level in [10, 20] {
            page.begin(&case, &plain(level));
            page.take(EditTrial::Ours, &plain(level + 1));
        }
        let drawn = page.draw().unwrap();
        let at = |x: u32, y: u32| drawn.rgb[3 * (y * drawn.width_px + x) as usize];
        let x = MARGIN + WORDS + 2;
        assert_eq!((at(x, HEAD + 2), at(x + 40 + GAP, HEAD + 2)), (10, 11));
        assert_eq!(drawn.height_px, HEAD + 30 + GAP + MARGIN);
    }
}
