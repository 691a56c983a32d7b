//! Dialogs that ask for files and texts. The window never waits for them.

use egui::{Id, Key, Modal, TextEdit, Ui};

use super::browser::Browser;

/// What a dialog is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A project or picture to open.
    Open,
    /// A picture to start from.
    OpenSource,
    /// A picture for the picture prompt at this place of the bench.
    PromptPicture(usize),
    /// A picture for a ControlNet to follow.
    Map,
    /// Where to save the project.
    SaveAs,
    /// Where to write the picture.
    ExportPicture,
    /// Where to write the sweep's grid.
    ExportSweep,
    /// A LoRA or an embedding.
    Adapter,
    /// Where models lie.
    ModelFolder,
    /// A recipe as text.
    Recipe,
    /// A folder of pictures to learn from.
    Pictures,
}

impl Asked {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Open => "Open a project, a recipe or a picture",
            Self::OpenSource => "Open a picture to start from",
            Self::PromptPicture(_) => "Open a picture for the picture prompt",
            Self::Map => "Open a picture for the ControlNet to follow",
            Self::SaveAs => "Save the project as",
            Self::ExportPicture => "Write the picture to",
            Self::ExportSweep => "Write the grid to",
            Self::Adapter => "Add a LoRA or an embedding",
            Self::ModelFolder => "Look for models in the folder",
            Self::Recipe => "A recipe as JSON, or another program's parameters or graph",
            Self::Pictures => "Open a folder of pictures, or the CSV file beside them",
        }
    }

    fn hint(self) -> &'static str {
        match self {
            Self::ModelFolder | Self::Pictures => "path of the folder",
            _ => "path of the file",
        }
    }

    fn go(self) -> &'static str {
        match self {
            Self::Open | Self::OpenSource | Self::PromptPicture(_) | Self::Map | Self::Pictures => {
                "Open"
            }
            Self::SaveAs => "Save",
            Self::ExportPicture | Self::ExportSweep => "Write",
            Self::Adapter => "Add",
            Self::ModelFolder => "Look",
            Self::Recipe => "Take",
        }
    }
}

/// The dialog that is open, if one is.
#[derive(Debug, Default)]
pub(crate) struct Dialogs {
    open: Option<OpenDialog>,
}

#[derive(Debug)]
struct OpenDialog {
    asked: Asked,
    text: String,
    is_new: bool,
    browser: Browser,
}

impl Dialogs {
    /// Asks, with `text` as the answer to begin with.
    pub(crate) fn ask(&mut self, asked: Asked, text: impl Into<String>) {
        self.open = Some(OpenDialog {
            asked,
            text: text.into(),
            is_new: true,
            browser: Browser::default(),
        });
    }

    /// Whether one is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Draws it; gives the answer once there is one.
    pub(crate) fn show(&mut self, ui: &mut Ui) -> Option<(Asked, String)> {
        let dialog = self.open.as_mut()?;
        let mut answer = dialog.browser.take_answer();
        let mut is_closed = false;
        let modal = Modal::new(Id::unique("dialog")).show(ui.ctx(), |ui| {
            ui.set_width(480.0);
            ui.heading(dialog.asked.title());
            let is_text = dialog.asked == Asked::Recipe;
            let edit = if is_text {
                TextEdit::multiline(&mut dialog.text).desired_rows(8)
            } else {
                TextEdit::singleline(&mut dialog.text).hint_text(dialog.asked.hint())
            };
            let edit = ui.add(edit.desired_width(f32::INFINITY));
            let edit = edit.accessible_name(dialog.asked.title());
            if std::mem::take(&mut dialog.is_new) {
                edit.request_focus();
            }
            let entered = !is_text && edit.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            ui.horizontal(|ui| {
                if ui.button(dialog.asked.go()).clicked() || entered {
                    answer = Some(dialog.text.trim().to_owned());
                }
                let can_browse = !is_text && !dialog.browser.is_open();
                if !is_text
                    && ui
                        .add_enabled(can_browse, egui::Button::new("Browse…"))
                        .clicked()
                {
                    dialog.browser.open(dialog.asked, &dialog.text, ui.ctx());
                }
                is_closed = ui.button("Cancel").clicked();
            });
        });
        let asked = dialog.asked;
        let answer = answer.filter(|answer| !answer.is_empty());
        if answer.is_some() || is_closed || modal.should_close() {
            self.open = None;
        }
        Some((asked, answer?))
    }
}
