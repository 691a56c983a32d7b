//! What every key does, and how to change it.

use egui::{Button, Grid, Id, Key, KeyboardShortcut, Modal, RichText, ScrollArea, Ui};

use crate::studio::command::{KeyBindings, Shortcut, UiCommand};
use crate::studio::theme::Tokens;
use crate::studio::widgets::icon_button;

/// Draws the list of keys; `waiting` is the command whose new key is being listened for. Gives
/// whether the window stays open.
pub(crate) fn keys_window(
    ui: &mut Ui,
    keys: &mut KeyBindings,
    waiting: &mut Option<UiCommand>,
) -> bool {
    if let Some(command) = *waiting
        && let Some(shortcut) = pressed(ui)
    {
        if shortcut.0.logical_key != Key::Escape {
            keys.bind(command, Some(shortcut));
        }
        *waiting = None;
    }
    let tokens = Tokens::in_ui(ui);
    let mut is_closed = false;
    let modal = Modal::new(Id::unique("keys")).show(ui.ctx(), |ui| {
        ui.heading("Keys");
        ui.label(
            RichText::new("Choose a key to change it, then press the new one; Escape leaves it.")
                .color(tokens.text_weak),
        );
        ScrollArea::vertical().max_height(420.0).show(ui, |ui| {
            Grid::new("keys")
                .num_columns(3)
                .striped(true)
                .show(ui, |ui| {
                    for command in UiCommand::ALL {
                        ui.label(command.title()).on_hover_text(command.help());
                        let text = match (*waiting == Some(command), keys.of(command)) {
                            (true, _) => "press a key…".to_owned(),
                            (false, Some(shortcut)) => shortcut.to_string(),
                            (false, None) => "none".to_owned(),
                        };
                        let button = Button::new(text).min_size(egui::vec2(120.0, 0.0));
                        let button = ui.add(button);
                        if button
                            .accessible_name(format!("key of {}", command.title()))
                            .clicked()
                        {
                            *waiting = Some(command);
                        }
                        let name = format!("no key for {}", command.title());
                        if icon_button(ui, "✖", &name, "Takes the key away").clicked() {
                            keys.bind(command, None);
                        }
                        ui.end_row();
                    }
                });
        });
        ui.horizontal(|ui| {
            if ui.button("All as usual").clicked() {
                *keys = KeyBindings::default();
            }
            is_closed = ui.button("Close").clicked();
        });
    });
    let stays = waiting.is_some() || !(is_closed || modal.should_close());
    if !stays {
        *waiting = None;
    }
    stays
}

fn pressed(ui: &Ui) -> Option<Shortcut> {
    ui.input_mut(|input| {
        let found = input.events.iter().find_map(|event| match event {
            egui::Event::Key {
                key,
                pressed: true,
                modifiers,
                ..
            } => Some(Shortcut(KeyboardShortcut::new(logical(*modifiers), *key))),
            _ => None,
        });
        if found.is_some() {
            input.events.clear();
        }
        found
    })
}

/// As key bindings are written: Ctrl is the command key everywhere.
fn logical(modifiers: egui::Modifiers) -> egui::Modifiers {
    egui::Modifiers {
        command: modifiers.command || modifiers.ctrl,
        ctrl: false,
        mac_cmd: false,
        ..modifiers
    }
}
