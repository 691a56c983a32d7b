//! What a person or a program sees while a job runs.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use vernier_engine::service::Event;

use super::job::Made;
use super::say;
use crate::failure::Failure;

/// Seconds between two progress lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// One of three ways of telling how a job goes. Paths of pictures go to stdout, all else that a
/// person reads to stderr.
#[derive(Debug)]
pub(super) enum Reporter {
    /// A progress bar on a terminal.
    Bar(ProgressBar),
    /// Plain lines.
    Lines {
        /// When the last progress line was written.
        last: Option<Instant>,
    },
    /// One JSON object a line on stdout.
    Json,
    /// Nothing but failures.
    Quiet,
}

impl Reporter {
    /// JSON where it is asked for, a bar on a terminal, lines otherwise.
    pub(super) fn choose(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        if std::io::stderr().is_terminal() {
            return Self::Bar(ProgressBar::hidden());
        }
        Self::Lines { last: None }
    }

    /// Tells one event of the engine, except for pictures: those are told once they are saved.
    pub(super) fn tell(&mut self, event: &Event) {
        match self {
            Self::Json => {
                if let Some(object) = as_json(event) {
                    say(&object.to_string());
                }
            }
            Self::Bar(_) => self.tell_on_bar(event),
            Self::Lines { .. } => self.tell_as_line(event),
            Self::Quiet => {}
        }
    }

    /// Tells that a picture lies at `path`.
    pub(super) fn saved(&mut self, made: &Made, path: &Path) {
        let shown = path.display().to_string();
        match self {
            Self::Json => {
                let mut event = json!({
                    "event": "picture",
                    "index": made.index,
                    "path": shown,
                    "seed": made.recipe.seed,
                    "secs": rounded(made.secs),
                    "recipe": made.recipe,
                });
                if let Some(edit) = &made.edit {
                    event["leakage"] = json!(edit.leakage);
                }
                say(&event.to_string());
            }
            Self::Bar(bar) => bar.suspend(|| say(&shown)),
            Self::Lines { .. } => say(&shown),
            Self::Quiet => {}
        }
    }

    /// Tells that the picture of the recipe `name` lay at `path` already.
    pub(super) fn there(&mut self, path: &Path, name: &str) {
        let shown = path.display().to_string();
        match self {
            Self::Json => {
                say(&json!({"event": "there", "path": shown, "name": name}).to_string());
            }
            Self::Bar(_) | Self::Lines { .. } => eprintln!("{shown} is there already"),
            Self::Quiet => {}
        }
    }

    /// Tells that the list of `pictures` pictures lies at `path`.
    pub(super) fn listed(&mut self, path: &Path, pictures: usize) {
        let shown = path.display().to_string();
        match self {
            Self::Json => say(&json!({
                "event": "manifest",
                "path": shown,
                "pictures": pictures,
            })
            .to_string()),
            Self::Bar(_) | Self::Lines { .. } => say(&shown),
            Self::Quiet => {}
        }
    }

    /// Tells programs why the run ends; people read it on stderr.
    pub(super) fn failed(&mut self, failure: &Failure) {
        match self {
            Self::Json => say(&json!({
                "event": "failed",
                "message": failure.to_string(),
                "exit_code": failure.code(),
            })
            .to_string()),
            Self::Bar(bar) => bar.finish_and_clear(),
            _ => {}
        }
    }

    fn tell_on_bar(&mut self, event: &Event) {
        let Self::Bar(bar) = self else { return };
        match event {
            Event::ModelLoading { model, .. } => {
                bar.finish_and_clear();
                *bar = ProgressBar::new_spinner();
                bar.set_message(format!("loading {model}"));
                bar.enable_steady_tick(Duration::from_millis(120));
            }
            Event::ModelLoaded { .. } | Event::Note { .. } => {
                if let Some(line) = as_line(event) {
                    bar.suspend(|| eprintln!("{line}"));
                }
            }
            Event::Progress {
                picture,
                pictures,
                step,
                steps,
                its_per_sec,
                eta_secs,
                ..
            } => {
                let total = (steps * pictures) as u64;
                if bar.length() != Some(total) {
                    bar.finish_and_clear();
                    *bar = ProgressBar::new(total);
                    // The template is a constant; were it ever wrong, the plain style would show.
                    if let Ok(style) = ProgressStyle::with_template("{bar:20} {wide_msg}") {
                        bar.set_style(style);
                    }
                }
                bar.set_message(progress_text(
                    (*picture, *pictures),
                    (*step, *steps),
                    *its_per_sec,
                    *eta_secs,
                ));
                bar.set_position((picture * steps + step) as u64);
            }
            Event::Finished { .. } | Event::Failed { .. } | Event::Cancelled { .. } => {
                bar.finish_and_clear();
            }
            _ => {}
        }
    }

    fn tell_as_line(&mut self, event: &Event) {
        let Self::Lines { last } = self else { return };
        if matches!(event, Event::Progress { .. }) {
            let now = Instant::now();
            if now.duration_since(*last.get_or_insert(now)) < LINE_EVERY {
                return;
            }
            *last = Some(now);
        }
        if let Some(line) = as_line(event) {
            eprintln!("{line}");
        }
    }
}

fn rounded(secs: f64) -> f64 {
    (secs * 1000.0).round() / 1000.0
}

fn progress_text(
    (picture, pictures): (usize, usize),
    (step, steps): (usize, usize),
    its_per_sec: f64,
    eta_secs: Option<f64>,
) -> String {
    let eta = eta_secs.map_or_else(String::new, |secs| format!(", {} left", duration(secs)));
    let speed = if its_per_sec < 1.0 && its_per_sec > 0.0 {
        format!("{:.2} s/it", 1.0 / its_per_sec)
    } else {
        format!("{its_per_sec:.2} it/s")
    };
    format!(
        "picture {} of {pictures}, step {step} of {steps}, {speed}{eta}",
        picture + 1
    )
}

fn duration(secs: f64) -> String {
    let secs = secs.round() as u64;
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s:02} s"),
        (h, m, _) => format!("{h} h {m:02} min"),
    }
}

fn as_line(event: &Event) -> Option<String> {
    Some(match event {
        Event::ModelLoading { model, .. } => format!("loading {model}"),
        Event::ModelLoaded {
            model,
            hash,
            device,
            device_reason,
            secs,
            ..
        } => format!(
            "{model} ({}) on {device} ({device_reason}), loaded in {secs:.1} s",
            hash.get(..10).unwrap_or(hash)
        ),
        Event::Note { message, .. } => message.clone(),
        Event::Progress {
            picture,
            pictures,
            step,
            steps,
            its_per_sec,
            eta_secs,
            ..
        } => progress_text(
            (*picture, *pictures),
            (*step, *steps),
            *its_per_sec,
            *eta_secs,
        ),
        _ => return None,
    })
}

fn as_json(event: &Event) -> Option<Value> {
    Some(match event {
        Event::Queued { .. } => json!({"event": "queued"}),
        Event::Started { pictures, .. } => json!({"event": "started", "pictures": pictures}),
        Event::ModelLoading { model, .. } => json!({"event": "model_loading", "model": model}),
        Event::ModelLoaded {
            model,
            hash,
            device,
            device_reason,
            secs,
            ..
        } => json!({
            "event": "model_loaded",
            "model": model,
            "hash": hash,
            "device": device,
            "device_reason": device_reason,
            "secs": rounded(*secs),
        }),
        Event::Note { message, .. } => json!({"event": "note", "message": message}),
        Event::Progress {
            picture,
            pictures,
            step,
            steps,
            its_per_sec,
            eta_secs,
            ..
        } => json!({
            "event": "progress",
            "picture": picture,
            "pictures": pictures,
            "step": step,
            "steps": steps,
            "its_per_sec": rounded(*its_per_sec),
            "eta_secs": eta_secs.map(rounded),
        }),
        Event::Finished { .. } => json!({"event": "finished"}),
        Event::Cancelled { .. } => json!({"event": "cancelled"}),
        // Told with its path by `saved`, with its exit code by `failed`, and with its files by
        // whoever writes them. Trainings from the command line go without the service.
        Event::Preview { .. }
        | Event::Picture { .. }
        | Event::Failed { .. }
        | Event::Latents { .. }
        | Event::Measured { .. }
        | Event::Training { .. }
        | Event::Strip { .. }
        | Event::Trained { .. }
        | Event::TrainingStopped { .. }
        | Event::Readings { .. }
        | Event::Scene { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_reads_well() {
        let text = progress_text((1, 3), (4, 20), 2.0, Some(75.2));
        assert_eq!(
            text,
            "picture 2 of 3, step 4 of 20, 2.00 it/s, 1 min 15 s left"
        );
        let text = progress_text((0, 1), (1, 20), 0.1, None);
        assert_eq!(text, "picture 1 of 1, step 1 of 20, 10.00 s/it");
        assert_eq!(duration(7260.0), "2 h 01 min");
        assert_eq!(duration(59.4), "59 s");
    }
}
