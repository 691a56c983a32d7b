//! All commands, to be searched.

use egui::{Button, Id, Key, Modal, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use crate::studio::command::{KeyBindings, UiCommand};
use crate::studio::state::Studio;
use crate::studio::theme::Tokens;

/// The command palette.
#[derive(Debug, Default)]
pub(crate) struct Palette {
    is_open: bool,
    query: String,
    chosen: usize,
}

impl Palette {
    /// Opens it, with nothing searched for.
    pub(crate) fn open(&mut self) {
        *self = Self {
            is_open: true,
            ..Self::default()
        };
    }

    /// Draws it where it is open.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        studio: &Studio,
        keys: &KeyBindings,
    ) -> Option<UiCommand> {
        if !self.is_open {
            return None;
        }
        let mut asked = None;
        let modal = Modal::new(Id::unique("palette")).show(ui.ctx(), |ui| {
            ui.set_width(420.0);
            asked = self.contents(ui, studio, keys);
        });
        if asked.is_some() || modal.should_close() {
            self.is_open = false;
        }
        asked
    }

    fn contents(&mut self, ui: &mut Ui, studio: &Studio, keys: &KeyBindings) -> Option<UiCommand> {
        let tokens = Tokens::in_ui(ui);
        let found = matching(&self.query);
        let (up, down) = ui.input_mut(|input| {
            let mut pressed = |key| input.consume_key(Modifiers::NONE, key);
            (pressed(Key::ArrowUp), pressed(Key::ArrowDown))
        });
        let edit = TextEdit::singleline(&mut self.query)
            .hint_text("command")
            .desired_width(f32::INFINITY);
        let edit = ui.add(edit).accessible_name("search commands");
        if edit.changed() {
            self.chosen = 0;
        }
        let is_entered = edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        edit.request_focus();
        let last = found.len().saturating_sub(1);
        self.chosen = match (up, down) {
            (true, _) => self.chosen.saturating_sub(1),
            (_, true) => (self.chosen + 1).min(last),
            _ => self.chosen.min(last),
        };
        let mut asked = None;
        ScrollArea::vertical().max_height(360.0).show(ui, |ui| {
            for (at, command) in found.iter().enumerate() {
                let text = RichText::new(command.title());
                let mut button = Button::selectable(at == self.chosen, text)
                    .min_size(egui::vec2(ui.available_width(), 0.0));
                if let Some(shortcut) = keys.of(*command) {
                    button = button.shortcut_text(shortcut.to_string());
                }
                let response = ui.add_enabled(studio.allows(*command), button);
                if at == self.chosen && (up || down) {
                    response.scroll_to_me(None);
                }
                if response.on_hover_text(command.help()).clicked() {
                    asked = Some(*command);
                }
            }
            if found.is_empty() {
                ui.label(RichText::new("No command is called that").color(tokens.text_weak));
            }
        });
        if is_entered {
            asked = found.get(self.chosen).copied();
        }
        asked
    }
}

/// Commands whose title or help has all words of `query`; those whose title begins with it first.
fn matching(query: &str) -> Vec<UiCommand> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let mut found: Vec<UiCommand> = UiCommand::ALL
        .into_iter()
        .filter(|command| {
            let text = format!("{} {}", command.title(), command.help()).to_lowercase();
            *command != UiCommand::Palette && words.iter().all(|word| text.contains(word))
        })
        .collect();
    found.sort_by_key(|command| {
        let title = command.title().to_lowercase();
        (!title.starts_with(&query), !title.contains(&query))
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_before_help() {
        assert_eq!(matching("save as")[0], UiCommand::SaveAs);
        assert_eq!(matching("ren")[0], UiCommand::Render);
        assert!(matching("clipboard").contains(&UiCommand::CopyPicture));
        assert!(matching("zzz").is_empty());
        assert_eq!(matching("").len(), UiCommand::ALL.len() - 1);
    }
}
