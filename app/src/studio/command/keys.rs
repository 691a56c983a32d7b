//! Which keys ask for which command.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use egui::{Key, KeyboardShortcut, Modifiers};

use super::UiCommand;

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortcut(pub KeyboardShortcut);

/// As files and menus write it: `Ctrl+Shift+S`. On a Mac, Ctrl stands for the command key.
impl fmt::Display for Shortcut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let modifiers = self.0.modifiers;
        for (is_set, name) in [
            (modifiers.command || modifiers.ctrl, "Ctrl+"),
            (modifiers.alt, "Alt+"),
            (modifiers.shift, "Shift+"),
        ] {
            if is_set {
                f.write_str(name)?;
            }
        }
        let key = self.0.logical_key;
        f.write_str(match key {
            Key::OpenBracket | Key::CloseBracket => key.symbol_or_name(),
            // "+" would be taken for what joins keys.
            _ => key.name(),
        })
    }
}

impl FromStr for Shortcut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut modifiers = Modifiers::NONE;
        let mut parts: Vec<&str> = text.split('+').map(str::trim).collect();
        let key = parts.pop().unwrap_or_default();
        for part in parts {
            modifiers = match part.to_lowercase().as_str() {
                "ctrl" | "cmd" | "command" => modifiers | Modifiers::COMMAND,
                "alt" | "option" => modifiers | Modifiers::ALT,
                "shift" => modifiers | Modifiers::SHIFT,
                _ => {
                    return Err(format!(
                        "\"{text}\": {part} is no modifier; use Ctrl, Alt, Shift"
                    ));
                }
            };
        }
        let key = Key::from_name(key)
            .ok_or_else(|| format!("\"{text}\": {key} is no key; write it as in Ctrl+Shift+S"))?;
        Ok(Self(KeyboardShortcut::new(modifiers, key)))
    }
}

/// The keys of all commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyBindings {
    /// Commands in the order of [`UiCommand::ALL`] and their keys.
    bound: Vec<(UiCommand, Option<Shortcut>)>,
}

impl Default for KeyBindings {
    fn default() -> Self {
        let bound = UiCommand::ALL.map(|command| {
            let shortcut = usual(command).and_then(|text| text.parse().ok());
            (command, shortcut)
        });
        Self {
            bound: bound.to_vec(),
        }
    }
}

/// Where the artist has said nothing.
fn usual(command: UiCommand) -> Option<&'static str> {
    Some(match command {
        UiCommand::Render => "Ctrl+Enter",
        UiCommand::SearchLibrary => "Ctrl+F",
        UiCommand::CancelCurrent => "Escape",
        UiCommand::CancelAll => "Ctrl+Escape",
        UiCommand::Keep => "Ctrl+E",
        UiCommand::ToggleLive => "Ctrl+L",
        UiCommand::NewSeed => "Ctrl+R",
        UiCommand::NextSeed => "Alt+ArrowUp",
        UiCommand::PreviousSeed => "Alt+ArrowDown",
        UiCommand::Undo => "Ctrl+Z",
        UiCommand::Redo => "Ctrl+Shift+Z",
        UiCommand::NewProject => "Ctrl+N",
        UiCommand::Open => "Ctrl+O",
        UiCommand::Save => "Ctrl+S",
        UiCommand::SaveAs => "Ctrl+Shift+S",
        UiCommand::ExportPicture => "Ctrl+Shift+E",
        UiCommand::CopyPicture => "Ctrl+Shift+C",
        UiCommand::PasteRecipe => "Ctrl+Shift+V",
        UiCommand::AdoptResult => "Ctrl+B",
        UiCommand::PreviousResult => "Alt+ArrowLeft",
        UiCommand::NextResult => "Alt+ArrowRight",
        UiCommand::StarResult => "Ctrl+D",
        UiCommand::RemoveResult => "Ctrl+Delete",
        UiCommand::PinForComparison => "Ctrl+P",
        UiCommand::CycleComparison => "Ctrl+M",
        UiCommand::UseAsSource => "Ctrl+U",
        UiCommand::ToolBrush => "B",
        UiCommand::ToolLasso => "L",
        UiCommand::ToolBox => "M",
        UiCommand::SwapInk => "X",
        UiCommand::BrushSmaller => "[",
        UiCommand::BrushLarger => "]",
        UiCommand::InvertMask => "Ctrl+I",
        UiCommand::CycleEditView => "V",
        UiCommand::EditByWords => "Ctrl+Shift+W",
        UiCommand::ZoomToFit => "Ctrl+0",
        UiCommand::ZoomToPixels => "Ctrl+1",
        UiCommand::ZoomIn => "Ctrl+Plus",
        UiCommand::ZoomOut => "Ctrl+Minus",
        UiCommand::FocusPrompt => "Ctrl+T",
        UiCommand::Talk => "Ctrl+J",
        UiCommand::ShowTrain => "Ctrl+Shift+T",
        UiCommand::ToggleTraining => "Ctrl+Shift+Enter",
        UiCommand::Palette => "Ctrl+K",
        UiCommand::ShowKeys => "F1",
        UiCommand::Quit => "Ctrl+Q",
        UiCommand::AddAdapter
        | UiCommand::AddModels
        | UiCommand::CancelPending
        | UiCommand::ResetControls
        | UiCommand::CopyRecipe
        | UiCommand::OpenSource
        | UiCommand::PasteSource
        | UiCommand::ClearSource
        | UiCommand::GrowMask
        | UiCommand::ShrinkMask
        | UiCommand::FillMask
        | UiCommand::ClearMask
        | UiCommand::AddRegion
        | UiCommand::AddChange
        | UiCommand::ToggleMasks
        | UiCommand::ToggleTheme
        | UiCommand::ResetLayout => return None,
    })
}

impl KeyBindings {
    /// The usual keys with the artist's changes: by command name, a key such as `Ctrl+Shift+S`, or
    /// an empty text for none. What cannot be understood is left as usual and told in a sentence.
    pub fn with(changes: &BTreeMap<String, String>) -> (Self, Vec<String>) {
        let mut bindings = Self::default();
        let mut problems = Vec::new();
        for (name, text) in changes {
            let Some(command) = UiCommand::named(name) else {
                problems.push(format!("keys: there is no command \"{name}\""));
                continue;
            };
            let shortcut = if text.is_empty() {
                None
            } else {
                match text.parse() {
                    Ok(shortcut) => Some(shortcut),
                    Err(problem) => {
                        problems.push(format!("keys: {name}: {problem}"));
                        continue;
                    }
                }
            };
            bindings.bind(command, shortcut);
        }
        (bindings, problems)
    }

    /// Gives `command` another key, or none. A key that another command had is taken from it.
    pub fn bind(&mut self, command: UiCommand, shortcut: Option<Shortcut>) {
        for (other, bound) in &mut self.bound {
            if *other == command {
                *bound = shortcut;
            } else if shortcut.is_some() && *bound == shortcut {
                *bound = None;
            }
        }
    }

    /// The key of `command`.
    pub fn of(&self, command: UiCommand) -> Option<Shortcut> {
        let mut all = self.bound.iter();
        all.find(|(c, _)| *c == command)
            .and_then(|(_, shortcut)| *shortcut)
    }

    /// What differs from the usual keys, as [`KeyBindings::with`] reads it.
    pub fn changes(&self) -> BTreeMap<String, String> {
        let usual = Self::default();
        self.bound
            .iter()
            .filter(|(command, shortcut)| usual.of(*command) != *shortcut)
            .map(|(command, shortcut)| {
                let text = shortcut.map_or_else(String::new, |s| s.to_string());
                (command.name().to_owned(), text)
            })
            .collect()
    }

    /// The command whose key has just been pressed; the key is used up. Keys with more modifiers
    /// come first, so that Ctrl+Shift+Z is not taken for Ctrl+Z. Keys without Ctrl or Alt that
    /// write something count only where `is_plain_key` says so of their command: they belong to
    /// whoever is writing.
    pub fn pressed(
        &self,
        input: &mut egui::InputState,
        is_plain_key: impl Fn(UiCommand) -> bool,
    ) -> Option<UiCommand> {
        let mut bound: Vec<(UiCommand, KeyboardShortcut)> = self
            .bound
            .iter()
            .filter_map(|(command, shortcut)| Some((*command, (*shortcut)?.0)))
            .filter(|(command, shortcut)| !writes(*shortcut) || is_plain_key(*command))
            .collect();
        let count = |m: Modifiers| u8::from(m.shift) + u8::from(m.alt) + u8::from(m.command);
        bound.sort_by_key(|(_, shortcut)| std::cmp::Reverse(count(shortcut.modifiers)));
        let mut pressed = bound
            .into_iter()
            .filter(|(_, shortcut)| input.consume_shortcut(shortcut));
        pressed.next().map(|(command, _)| command)
    }
}

/// Whether a text field would take the key for a letter or a sign.
fn writes(shortcut: KeyboardShortcut) -> bool {
    let modifiers = shortcut.modifiers;
    let is_plain = !(modifiers.command || modifiers.ctrl || modifiers.alt);
    is_plain && shortcut.logical_key.symbol_or_name().chars().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_key_is_understood_and_used_once() {
        let bindings = KeyBindings::default();
        let mut seen: Vec<String> = Vec::new();
        for command in UiCommand::ALL {
            let text = usual(command);
            let bound = bindings.of(command).map(|s| s.to_string());
            assert_eq!(text.is_some(), bound.is_some(), "{command:?} {text:?}");
            if let Some(bound) = bound {
                assert_eq!(bound.parse::<Shortcut>().ok(), bindings.of(command));
                assert!(!seen.contains(&bound), "{bound} twice");
                seen.push(bound);
            }
        }
    }

    #[test]
    fn keys_can_be_changed_and_the_changes_are_kept() {
        let changes = BTreeMap::from([
            ("render".to_owned(), "Ctrl+G".to_owned()),
            ("save".to_owned(), String::new()),
            ("fly".to_owned(), "F5".to_owned()),
            ("undo".to_owned(), "Hyper+U".to_owned()),
        ]);
        let (bindings, problems) = KeyBindings::with(&changes);
        assert_eq!(
            bindings.of(UiCommand::Render).unwrap().to_string(),
            "Ctrl+G"
        );
        assert_eq!(bindings.of(UiCommand::Save), None);
        assert_eq!(bindings.of(UiCommand::Undo).unwrap().to_string(), "Ctrl+Z");
        assert_eq!(problems.len(), 2, "{problems:?}");
        let (again, _) = KeyBindings::with(&bindings.changes());
        assert_eq!(again, bindings);
    }

    #[test]
    fn a_key_belongs_to_one_command() {
        let mut bindings = KeyBindings::default();
        bindings.bind(UiCommand::Keep, bindings.of(UiCommand::Save));
        assert_eq!(bindings.of(UiCommand::Save), None);
        assert_eq!(bindings.of(UiCommand::Keep).unwrap().to_string(), "Ctrl+S");
    }

    #[test]
    fn letters_belong_to_whoever_writes() {
        let bindings = KeyBindings::default();
        let press = |key: Key, allows: bool| {
            let ctx = egui::Context::default();
            let event = egui::Event::Key {
                key,
                physical_key: None,
                pressed: true,
                repeat: false,
                modifiers: Modifiers::NONE,
            };
            let raw = egui::RawInput {
                events: vec![event],
                ..egui::RawInput::default()
            };
            let mut pressed = None;
            let _ = ctx.run_ui(raw, |ui| {
                pressed = ui.input_mut(|input| bindings.pressed(input, |_| allows));
            });
            pressed
        };
        assert_eq!(press(Key::B, true), Some(UiCommand::ToolBrush));
        assert_eq!(press(Key::OpenBracket, true), Some(UiCommand::BrushSmaller));
        assert_eq!(press(Key::B, false), None);
        assert_eq!(press(Key::OpenBracket, false), None);
        assert_eq!(press(Key::F1, false), Some(UiCommand::ShowKeys));
        assert_eq!(press(Key::Escape, false), Some(UiCommand::CancelCurrent));
    }
}
