//! What runs and what waits.

use egui::{ProgressBar, RichText, ScrollArea, Ui};

use crate::studio::command::UiCommand;
use crate::studio::state::{JobKind, QueuedJob, RunningJob, Studio};
use crate::studio::theme::Tokens;
use crate::studio::widgets::icon_button;

/// Draws the queue; waiting jobs can be moved and taken out.
pub(crate) fn queue_pane(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        match studio.queue().running() {
            Some(running) => asked = running_ui(ui, running),
            None => {
                ui.label(RichText::new("Nothing is being rendered").color(tokens.text_weak));
            }
        }
        let pending: Vec<QueuedJob> = studio.queue().pending().cloned().collect();
        for (at, job) in pending.iter().enumerate() {
            let queue = studio.queue_mut();
            ui.horizontal(|ui| {
                let (name, number) = (title(job), at + 1);
                let help = "Takes it out of the queue";
                if icon_button(ui, "✖", &format!("remove waiting job {number}"), help).clicked() {
                    queue.remove(job.id);
                }
                let help = "Sooner";
                if icon_button(ui, "⬆", &format!("waiting job {number} sooner"), help).clicked() {
                    queue.shift(job.id, -1);
                }
                let help = "Later";
                if icon_button(ui, "⬇", &format!("waiting job {number} later"), help).clicked() {
                    queue.shift(job.id, 1);
                }
                ui.add(egui::Label::new(name).truncate());
            });
        }
        if !pending.is_empty() {
            ui.horizontal(|ui| {
                for command in [UiCommand::CancelPending, UiCommand::CancelAll] {
                    if ui
                        .button(command.title())
                        .on_hover_text(command.help())
                        .clicked()
                    {
                        asked = Some(command);
                    }
                }
            });
        }
    });
    asked
}

fn running_ui(ui: &mut Ui, running: &RunningJob) -> Option<UiCommand> {
    let mut asked = None;
    ui.horizontal(|ui| {
        let command = UiCommand::CancelCurrent;
        if icon_button(ui, "⏹", command.title(), command.help()).clicked() {
            asked = Some(command);
        }
        ui.add(egui::Label::new(title(&running.job)).truncate());
    });
    ui.add(ProgressBar::new(fraction(running)).text(progress_text(running)));
    asked
}

/// How much of the running job is done, 0 to 1.
pub(crate) fn fraction(running: &RunningJob) -> f32 {
    let progress = &running.progress;
    let pictures = running.job.recipes.len().max(progress.pictures);
    let pictures = pictures.max(1) as f32;
    let within = progress.step as f32 / progress.steps.max(1) as f32;
    ((progress.picture as f32 + within) / pictures).clamp(0.0, 1.0)
}

/// Step, speed and what is left, in words.
pub(crate) fn progress_text(running: &RunningJob) -> String {
    let progress = &running.progress;
    let mut parts = vec![format!("step {} of {}", progress.step, progress.steps)];
    if progress.its_per_sec > 0.0 {
        parts.push(format!("{:.1} it/s", progress.its_per_sec));
    }
    if let Some(secs) = progress.eta_secs {
        parts.push(if secs < 90.0 {
            format!("{secs:.0} s left")
        } else {
            format!("{:.0} min left", secs / 60.0)
        });
    }
    parts.join(", ")
}

fn title(job: &QueuedJob) -> String {
    let prompt = job.recipes.first().map_or("", |recipe| &recipe.prompt);
    match (job.kind, job.recipes.len()) {
        (JobKind::Live, _) => "live".to_owned(),
        (JobKind::Measure, _) => "calibration".to_owned(),
        (JobKind::Preview, _) => "what a control does".to_owned(),
        (JobKind::ContactSheet, count) => format!("contact sheet, {count} pictures"),
        (JobKind::Sweep, count) => format!("sweep, {count} pictures"),
        (JobKind::Batch, 1) => prompt.to_owned(),
        (JobKind::Batch, count) => format!("{count} × {prompt}"),
    }
}
