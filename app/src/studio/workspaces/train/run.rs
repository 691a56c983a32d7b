//! How a training goes.

use std::collections::HashMap;

use egui::{Button, Image, Label, ProgressBar, RichText, ScrollArea, TextureHandle, Ui, vec2};
use egui_plot::{GridMark, Legend, Line, Plot, PlotPoints};

use super::TrainAsked;
use super::form::{copy_command, state_in_words};
use crate::studio::state::{Run, RunState, Studio};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::picture_texture;

/// Strengths of a strip's columns, as the engine makes them.
const STRENGTHS: &str = "from left to right at −2, −1, 0, 1 and 2";
/// Height of the curve in points.
const PLOT_HEIGHT: f32 = 230.0;

/// What the pane remembers between frames.
#[derive(Default)]
pub(crate) struct RunView {
    is_log: bool,
    /// Textures of strips, by control and step.
    strips: HashMap<(String, u64), TextureHandle>,
    /// The training that is to be stopped for good, once that is confirmed.
    confirms_stop: Option<String>,
}

/// What a button asks of the shown training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Pause,
    Resume,
    Restart,
    Stop,
    Copy,
}

/// Draws the shown training.
pub(super) fn run_ui(ui: &mut Ui, studio: &mut Studio, view: &mut RunView) -> Option<TrainAsked> {
    let Some((at, run)) = studio.training.shown.zip(studio.training.shown_run()) else {
        ui.weak("No training yet: say on the left what to train, and start it");
        return None;
    };
    let (mut asked, mut act) = (None, None);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        head(ui, run, view, &mut act, &mut asked);
        curve(ui, run, view);
        strips(ui, run, view);
        log(ui, run);
    });
    match act {
        Some(Act::Pause) => studio.pause_training(at),
        Some(Act::Resume) => studio.resume_training(at),
        Some(Act::Restart) => studio.restart_training(at),
        Some(Act::Stop) => studio.stop_training(at),
        Some(Act::Copy) => {
            let command = run.plan.command();
            copy_command(ui, studio, &command);
        }
        None => {}
    }
    asked
}

fn head(
    ui: &mut Ui,
    run: &Run,
    view: &mut RunView,
    act: &mut Option<Act>,
    asked: &mut Option<TrainAsked>,
) {
    let tokens = Tokens::in_ui(ui);
    let name = &run.plan.name;
    ui.horizontal(|ui| {
        ui.heading(name);
        ui.label(RichText::new(state_in_words(run)).color(tokens.text_weak));
    });
    let steps = run.plan.steps.max(1);
    ui.add(ProgressBar::new(run.step as f32 / steps as f32).text(pace(run)));
    if let RunState::Failed(sentence) = &run.state {
        ui.label(RichText::new(sentence).color(tokens.trouble));
        let kept = match run.saved_step {
            Some(step) if step > 0 => {
                format!("The state of step {step} is kept, and can be gone on with.")
            }
            _ => "No state was kept; it begins with the first step again.".to_owned(),
        };
        ui.label(kept);
    }
    ui.horizontal(|ui| {
        let mut button = |ui: &mut Ui, text: &str, help: &str, does: Act| {
            if ui.button(text).on_hover_text(help).clicked() {
                *act = Some(does);
            }
        };
        match &run.state {
            RunState::Starting(_) | RunState::Running => {
                let help = "Stops after this step; its state is kept, today or another day";
                button(ui, "⏸ Pause", help, Act::Pause);
            }
            RunState::Paused | RunState::Failed(_) => {
                button(ui, "▶ Resume", "Goes on from the kept state", Act::Resume);
                if matches!(run.state, RunState::Failed(_)) {
                    button(ui, "Start over", "Begins with the first step", Act::Restart);
                }
            }
            RunState::Pausing | RunState::Stopping => {
                ui.spinner();
            }
            RunState::Done(_) => {
                let text = RichText::new("Put it on the bench").color(tokens.on_accent);
                let help = "Its slider is set, and the picture follows";
                let bench = ui.add(Button::new(text).fill(tokens.accent));
                if bench.on_hover_text(help).clicked() {
                    *asked = Some(TrainAsked::Bench(name.clone()));
                }
                let help = "Goes to Measure, where its reliable range is found";
                if ui.button("Calibrate").on_hover_text(help).clicked() {
                    *asked = Some(TrainAsked::Calibrate(name.clone()));
                }
            }
        }
        let can_stop = !matches!(run.state, RunState::Done(_) | RunState::Stopping);
        if view.confirms_stop.as_ref() == Some(name) && can_stop {
            ui.label("Delete what it has learnt?");
            if ui.button("Delete").clicked() {
                *act = Some(Act::Stop);
                view.confirms_stop = None;
            }
            if ui.button("Keep").clicked() {
                view.confirms_stop = None;
            }
        } else if can_stop {
            let help = "Ends it for good; what it has learnt is deleted";
            if ui.button("⏹ Stop").on_hover_text(help).clicked() {
                view.confirms_stop = Some(name.clone());
            }
        }
        let help = "The same training as a command line, which goes on from the same state";
        if ui.button("Copy as command").on_hover_text(help).clicked() {
            *act = Some(Act::Copy);
        }
    });
    ui.add_space(space::S);
}

/// Speed and time left.
fn pace(run: &Run) -> String {
    let mut parts = vec![format!("step {} of {}", run.step, run.plan.steps)];
    if run.its_per_sec > 0.0 && run.state == RunState::Running {
        parts.push(format!("{:.2} it/s", run.its_per_sec));
    }
    if let Some(secs) = run.eta_secs() {
        parts.push(if secs < 90.0 {
            format!("about {secs:.0} s left")
        } else if secs < 5400.0 {
            format!("about {:.0} min left", secs / 60.0)
        } else {
            format!("about {:.1} h left", secs / 3600.0)
        });
    }
    parts.join(", ")
}

fn curve(ui: &mut Ui, run: &Run, view: &mut RunView) {
    let tokens = Tokens::in_ui(ui);
    ui.horizontal(|ui| {
        ui.label(semibold("Loss"));
        for (name, value) in &run.figures {
            ui.label(RichText::new(format!("{name} {value:.4}")).color(tokens.text_weak));
        }
        ui.checkbox(&mut view.is_log, "logarithmic");
    });
    if run.losses.is_empty() {
        ui.weak("The curve begins with the first steps");
        return;
    }
    let is_log = view.is_log;
    let points = |all: Vec<[f64; 2]>| -> PlotPoints<'static> {
        let shown = all.into_iter();
        shown
            .map(|[step, loss]| {
                [
                    step,
                    if is_log {
                        loss.max(1e-12).log10()
                    } else {
                        loss
                    },
                ]
            })
            .collect()
    };
    let mut plot = Plot::new(("losses", &run.plan.name, is_log))
        .height(PLOT_HEIGHT)
        .allow_scroll(false)
        .x_axis_label("step")
        .legend(Legend::default());
    let tick = move |mark: GridMark, _: &std::ops::RangeInclusive<f64>| {
        if is_log {
            format!("{:.1e}", 10.0_f64.powf(mark.value))
        } else {
            // Losses may be small; six places are enough for a mark.
            ((mark.value * 1e6).round() / 1e6).to_string()
        }
    };
    plot = plot.y_axis_formatter(tick).y_axis_min_width(52.0);
    if !is_log {
        plot = plot.include_y(0.0);
    }
    plot.show(ui, |plot| {
        let raw = Line::new("as it is", points(run.losses.raw()));
        plot.line(raw.color(tokens.accent.gamma_multiply(0.35)).width(1.0));
        let smooth = Line::new("smoothed", points(run.losses.smoothed()));
        plot.line(smooth.color(tokens.accent).width(2.5));
    });
}

fn strips(ui: &mut Ui, run: &Run, view: &mut RunView) {
    if run.strips.is_empty() {
        return;
    }
    ui.add_space(space::M);
    let heading = semibold("Samples");
    ui.label(heading).on_hover_text(STRENGTHS);
    ScrollArea::horizontal()
        .id_salt("strips")
        .auto_shrink([false, true])
        .stick_to_right(true)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                for (step, picture) in &run.strips {
                    let key = (run.plan.name.clone(), *step);
                    let texture = view.strips.entry(key).or_insert_with(|| {
                        picture_texture(ui, format!("samples of step {step}"), picture)
                    });
                    ui.vertical(|ui| {
                        ui.label(RichText::new(format!("step {step}, {STRENGTHS}")).small());
                        let size = texture.size_vec2();
                        let width = size.x.min(480.0);
                        let shown = vec2(width, size.y * width / size.x.max(1.0));
                        let image = Image::new(&*texture).fit_to_exact_size(shown);
                        ui.add(image.alt_text(format!("samples of step {step}")));
                    });
                }
            });
        });
}

fn log(ui: &mut Ui, run: &Run) {
    ui.add_space(space::M);
    ui.label(semibold("Log"));
    for line in run.log.iter().rev() {
        ui.add(Label::new(RichText::new(line).small().monospace()).wrap());
    }
}
