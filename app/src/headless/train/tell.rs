//! What a person or a program hears of a training.

use std::path::Path;

use serde_json::{Map, Value, json};
use vernier_engine::control_training::TrainingNews;
use vernier_engine::train::StepReport;

use super::super::say;
use crate::failure::Failure;

/// Lines on stderr and the control's path on stdout, or with `--json` an object a line on stdout.
#[derive(Debug)]
pub(super) struct Teller {
    json: bool,
}

impl Teller {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn tell(&mut self, news: &TrainingNews) {
        if self.json {
            say(&as_json(news).to_string());
        } else {
            eprintln!("{}", as_line(news));
        }
    }

    /// Tells that the control lies at `path`.
    pub(super) fn saved(&mut self, path: &Path) {
        let path = path.display().to_string();
        if self.json {
            say(&json!({"event": "control", "path": path}).to_string());
        } else {
            say(&path);
        }
    }

    /// Tells that the control was made before.
    pub(super) fn done_already(&mut self, path: &Path) {
        if !self.json {
            eprintln!("made already:");
        }
        self.saved(path);
    }

    /// Tells programs why the run ends; people read it on stderr.
    pub(super) fn failed(&mut self, failure: &Failure) {
        if self.json {
            say(&json!({
                "event": "failed",
                "message": failure.to_string(),
                "exit_code": failure.code(),
            })
            .to_string());
        }
    }
}

fn secs_left(report: &StepReport) -> f64 {
    let steps = report.total_steps.saturating_sub(report.step) as f64;
    steps / report.steps_per_sec.max(1e-9)
}

fn as_line(news: &TrainingNews) -> String {
    match news {
        TrainingNews::Note(text) => text.clone(),
        TrainingNews::Encoded { done, total } => format!("prompts {done} of {total}"),
        TrainingNews::Pictures { done, total } => format!("pictures {done} of {total}"),
        TrainingNews::Progress(report) => {
            let figures = report.figures.iter();
            let figures: Vec<String> = figures
                .map(|(name, value)| format!("{name} {value:.4}"))
                .collect();
            format!(
                "step {} of {}, {:.2} it/s, {:.1} min left: {}",
                report.step,
                report.total_steps,
                report.steps_per_sec,
                secs_left(report) / 60.0,
                figures.join(", ")
            )
        }
        TrainingNews::Strip { path, .. } => format!("strip: {}", path.display()),
    }
}

fn as_json(news: &TrainingNews) -> Value {
    match news {
        TrainingNews::Note(message) => json!({"event": "note", "message": message}),
        TrainingNews::Encoded { done, total } => {
            json!({"event": "encoded", "done": done, "total": total})
        }
        TrainingNews::Pictures { done, total } => {
            json!({"event": "pictures", "done": done, "total": total})
        }
        TrainingNews::Progress(report) => {
            let figures: Map<String, Value> = report
                .figures
                .iter()
                .map(|&(name, value)| (name.to_owned(), json!(value)))
                .collect();
            json!({
                "event": "progress",
                "step": report.step,
                "steps": report.total_steps,
                "its_per_sec": report.steps_per_sec,
                "eta_secs": secs_left(report),
                "figures": figures,
            })
        }
        TrainingNews::Strip { path, .. } => json!({"event": "strip", "path": path}),
    }
}

#[cfg(test)]
mod tests {
    use super::{TrainingNews, as_json, as_line};
    use vernier_engine::train::StepReport;

    #[test]
    fn progress_reads_well() {
        let news = TrainingNews::Progress(StepReport {
            step: 40,
            total_steps: 100,
            figures: vec![("loss", 0.123_45), ("unexplained", 0.5)],
            latest: Vec::new(),
            steps_per_sec: 2.0,
        });
        assert_eq!(
            as_line(&news),
            "step 40 of 100, 2.00 it/s, 0.5 min left: loss 0.1235, unexplained 0.5000"
        );
        assert_eq!(as_json(&news)["figures"]["unexplained"], 0.5);
        assert_eq!(as_json(&news)["eta_secs"], 30.0);
    }
}
