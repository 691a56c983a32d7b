//! The menu bar.

use egui::{Button, MenuBar, Ui};

use crate::studio::command::{KeyBindings, MenuName, UiCommand};
use crate::studio::state::Studio;

/// Draws the menus; every command stands in one of them.
pub(crate) fn menu_bar(ui: &mut Ui, studio: &Studio, keys: &KeyBindings) -> Option<UiCommand> {
    let mut asked = None;
    MenuBar::new().ui(ui, |ui| {
        for menu in MenuName::ALL {
            ui.menu_button(menu.title(), |ui| {
                let commands = UiCommand::ALL.into_iter().filter(|c| c.menu() == menu);
                for command in commands {
                    let mut button = Button::new(command.title());
                    if let Some(shortcut) = keys.of(command) {
                        button = button.shortcut_text(shortcut.to_string());
                    }
                    let response = ui.add_enabled(studio.allows(command), button);
                    if response.on_hover_text(command.help()).clicked() {
                        asked = Some(command);
                    }
                }
            });
        }
    });
    asked
}
