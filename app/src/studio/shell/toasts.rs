//! Short messages in the corner.

use std::time::Instant;

use egui::{Align2, Area, Frame, Id, RichText, Stroke, Ui, vec2};

use crate::studio::command::UiCommand;
use crate::studio::state::{ToastKind, Toasts};
use crate::studio::theme::{Tokens, space};
use crate::studio::widgets::icon_button;

/// Draws the messages over everything else.
pub(crate) fn toasts_ui(ui: &mut Ui, toasts: &mut Toasts) -> Option<UiCommand> {
    let shown = toasts.at(Instant::now()).to_vec();
    if shown.is_empty() {
        return None;
    }
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    let mut dismissed = None;
    Area::new(Id::unique("toasts"))
        .anchor(Align2::RIGHT_BOTTOM, vec2(-space::XL, -36.0))
        .show(ui.ctx(), |ui| {
            for (at, toast) in shown.iter().enumerate() {
                let color = match toast.kind {
                    ToastKind::Done => tokens.band,
                    ToastKind::Note => tokens.accent,
                    ToastKind::Trouble => tokens.trouble,
                };
                Frame::popup(ui.style())
                    .stroke(Stroke::new(1.0, color))
                    .show(ui, |ui| {
                        ui.set_width(360.0);
                        ui.horizontal_top(|ui| {
                            let name = format!("dismiss message {}", at + 1);
                            if icon_button(ui, "✖", &name, "Takes the message away").clicked() {
                                dismissed = Some(at);
                            }
                            ui.vertical(|ui| {
                                ui.label(RichText::new(&toast.text).color(tokens.text));
                                if let Some(command) = toast.action
                                    && ui.button(command.title()).clicked()
                                {
                                    asked = Some(command);
                                    dismissed = Some(at);
                                }
                            });
                        });
                    });
            }
        });
    if let Some(at) = dismissed {
        toasts.dismiss(at);
    }
    ui.ctx()
        .request_repaint_after(std::time::Duration::from_millis(500));
    asked
}
