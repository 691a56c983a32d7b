//! The figures of a bench, as tables.

use std::io::Write as _;
use std::path::Path;

use super::{EditBench, EditFigures, EditResult, EditTrial};
use crate::atomic::{self, Existing};
use crate::measure::statistics::mean;
use crate::{EngineError, Result};

/// A column: its heading, digits, and the figure.
type Column = (&'static str, usize, fn(&EditFigures) -> Option<f64>);

/// PSNR that counts where nothing differs, for means: that of a picture of one wrong level in a
/// hundred thousand.
const NOTHING_DIFFERS_DB: f64 = 98.0;

const COLUMNS: [Column; 12] = [
    ("TELS ↓", 2, |f| Some(f.tels)),
    ("TILS ↓", 2, |f| f.tils),
    ("structure ↓", 4, |f| Some(f.structure)),
    ("CLIP edited ↑", 2, |f| Some(f.clip_edited)),
    ("success ↑", 3, |f| Some(f.success)),
    ("wrong object ↓", 3, |f| {
        f.wrong_object.map(|w| f64::from(u8::from(w)))
    }),
    ("PSNR ↑", 2, |f| {
        Some(f.background.psnr_db.unwrap_or(NOTHING_DIFFERS_DB))
    }),
    ("SSIM ↑", 4, |f| Some(f.background.ssim)),
    ("MSE ↓", 5, |f| Some(f.background_mse)),
    ("distance ↓", 4, |f| f.background_distance),
    ("largest ↓", 0, |f| Some(f64::from(f.background.max))),
    ("whole PSNR", 2, |f| {
        Some(f.whole_psnr_db.unwrap_or(NOTHING_DIFFERS_DB))
    }),
];

impl EditBench {
    /// The mean of a figure over the results of `trial` that have it and that `keep` takes.
    fn mean_of(
        &self,
        trial: EditTrial,
        keep: impl Fn(&EditResult) -> bool,
        figure: fn(&EditFigures) -> Option<f64>,
    ) -> Option<f64> {
        let results = self.results.iter().filter(|r| r.trial == trial && keep(r));
        let values: Vec<f64> = results.filter_map(|r| figure(&r.figures)).collect();
        (!values.is_empty()).then(|| mean(&values))
    }

    fn trials(&self) -> Vec<EditTrial> {
        let all = EditTrial::ALL.into_iter();
        all.filter(|trial| self.results.iter().any(|r| r.trial == *trial))
            .collect()
    }

    /// Tables in Markdown: the means of all trials, and ours by type and number of things.
    pub fn to_markdown(&self) -> String {
        let cases: std::collections::BTreeSet<usize> =
            self.results.iter().map(|r| r.case).collect();
        let mut text = format!(
            "{} cases, {} steps, guidance {}\n\n",
            cases.len(),
            self.steps,
            self.guidance_scale
        );
        let row = |name: &str, trial, keep: &dyn Fn(&EditResult) -> bool| {
            let cells = COLUMNS.map(|(_, digits, figure)| {
                let value = self.mean_of(trial, keep, figure);
                value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
            });
            format!("| {name} | {} |\n", cells.join(" | "))
        };
        let names = COLUMNS.map(|(name, ..)| name).join(" | ");
        let under = "|---:".repeat(COLUMNS.len());
        let head = format!("| | {names} |\n|---{under}|\n");
        text.push_str(&head);
        for trial in self.trials() {
            text.push_str(&row(trial.label(), trial, &|_| true));
        }
        let mut groups: Vec<(String, usize)> = Vec::new();
        for result in &self.results {
            let group = (result.kind.clone(), result.things);
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups.sort();
        text.push_str("\nOurs, by type and number of things:\n\n");
        text.push_str(&head);
        for (kind, things) in groups {
            let name = format!("{kind}, {things}");
            let line = row(&name, EditTrial::Ours, &|r| {
                (r.kind.as_str(), r.things) == (kind.as_str(), things)
            });
            text.push_str(&line);
        }
        if let Some([edit, render]) = self.secs {
            let time = format!(
                "\nAn edit of two things takes {edit:.2} s, a plain render {render:.2} s: {:.2} times \
                 as long.\n",
                edit / render
            );
            text.push_str(&time);
        }
        text
    }

    /// One line a case and trial.
    fn to_csv(&self) -> std::result::Result<Vec<u8>, csv::Error> {
        let mut table = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        let names = COLUMNS.map(|(name, ..)| name.trim_end_matches([' ', '↑', '↓']));
        table.write_record(["case", "kind", "things", "trial"].into_iter().chain(names))?;
        for result in &self.results {
            let cells = COLUMNS.map(|(_, _, figure)| {
                figure(&result.figures).map_or_else(String::new, |v| v.to_string())
            });
            let about = [
                result.case.to_string(),
                result.kind.clone(),
                result.things.to_string(),
                result.trial.name().to_owned(),
            ];
            table.write_record(about.into_iter().chain(cells))?;
        }
        table.into_inner().map_err(|e| e.into_error().into())
    }

    /// Writes `edits.md`, `edits.csv` and `edits.json` into `folder`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let bad =
            |path: &Path, e: String| EngineError::bad_file(path, format!("cannot be written: {e}"));
        let csv = folder.join("edits.csv");
        let json = folder.join("edits.json");
        let text = serde_json::to_string_pretty(self).map_err(|e| bad(&json, e.to_string()))?;
        let table = self.to_csv().map_err(|e| bad(&csv, e.to_string()))?;
        for (path, bytes) in [
            (folder.join("edits.md"), self.to_markdown().into_bytes()),
            (csv, table),
            (json, (text + "\n").into_bytes()),
        ] {
            atomic::write(&path, Existing::Replace, |file| {
                file.write_all(&bytes)
                    .map_err(|e| EngineError::io(&path, e))
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::OutsideChange;

    fn result(case: usize, trial: EditTrial, tels: f64, tils: Option<f64>) -> EditResult {
        EditResult {
            case,
            kind: "color".to_owned(),
            things: 1 + usize::from(tils.is_some()),
            trial,
            figures: EditFigures {
                tels,
                tils,
                clip_edited: 20.0,
                structure: 0.01,
                background: OutsideChange {
                    max: 3,
                    mean: 0.5,
                    psnr_db: Some(30.0),
                    ssim: 0.9,
                },
                background_mse: 0.001,
                background_distance: None,
                success: 1.0,
                wrong_object: tils.map(|_| false),
                whole_psnr_db: None,
            },
        }
    }

    fn bench() -> EditBench {
        EditBench {
            version: 1,
            model_hash: "a".to_owned(),
            steps: 12,
            guidance_scale: 2.0,
            results: vec![
                result(0, EditTrial::Ours, 10.0, None),
                result(1, EditTrial::Ours, 20.0, Some(4.0)),
                result(0, EditTrial::VirtualInversion, 30.0, None),
            ],
            secs: Some([3.0, 2.0]),
        }
    }

    #[test]
    fn means_are_of_those_that_have_the_figure() {
        let text = bench().to_markdown();
        assert!(
            text.starts_with("2 cases, 12 steps, guidance 2\n"),
            "{text}"
        );
        assert!(text.contains("| ours | 15.00 | 4.00 | 0.0100 |"), "{text}");
        assert!(text.contains("| virtual inversion | 30.00 | – |"), "{text}");
        assert!(text.contains("| color, 1 | 10.00 | – |"), "{text}");
        assert!(text.contains("1.50 times"), "{text}");
    }

    #[test]
    fn files_hold_every_result() {
        let folder = tempfile::tempdir().unwrap();
        bench().write(folder.path()).unwrap();
        let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("edits.csv").lines().count(), 4);
        let back: EditBench = serde_json::from_str(&read("edits.json")).unwrap();
        assert_eq!(back, bench());
    }
}
