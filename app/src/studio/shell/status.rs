//! The line at the bottom: model, progress, zoom.

use egui::{Align, Layout, ProgressBar, RichText, Ui};

use crate::studio::command::UiCommand;
use crate::studio::panes::{fraction, progress_text};
use crate::studio::state::{ModelState, Studio};
use crate::studio::theme::Tokens;
use crate::studio::widgets::icon_button;

/// Draws the status line. `zoom` is the canvas's, `adapter` a sentence about what draws the window.
pub(crate) fn status_bar(
    ui: &mut Ui,
    studio: &Studio,
    zoom: Option<f32>,
    adapter: Option<&str>,
) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    ui.horizontal(|ui| {
        let model = match studio.model() {
            ModelState::Absent => "no model is loaded yet".to_owned(),
            ModelState::Loading(name) => format!("{name} is being read…"),
            ModelState::Loaded(model) => format!("{} on {}", model.name, model.device),
        };
        ui.label(RichText::new(model).small().color(tokens.text_weak));
        if let Some(running) = studio.queue().running() {
            let command = UiCommand::CancelCurrent;
            if icon_button(ui, "⏹", "cancel, status line", command.help()).clicked() {
                asked = Some(command);
            }
            let text = RichText::new(progress_text(running)).small();
            ui.add(
                ProgressBar::new(fraction(running))
                    .desired_width(220.0)
                    .text(text),
            );
        }
        let waiting = studio.queue().pending().len();
        if waiting > 0 {
            ui.label(RichText::new(format!("{waiting} waiting")).small());
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if let Some(zoom) = zoom {
                let text = format!("{:.0} %", zoom * 100.0);
                ui.label(RichText::new(text).small().color(tokens.text_weak));
            }
            if let Some(sentence) = adapter {
                ui.label(
                    RichText::new("software drawing")
                        .small()
                        .color(tokens.text_weak),
                )
                .on_hover_text(sentence);
            }
        });
    });
    asked
}
