//! Dialogs that ask for files and texts. The window never waits for them.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;

use egui::{Id, Key, Modal, TextEdit, Ui};

/// What a dialog is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A project or picture to open.
    Open,
    /// A picture to start from.
    OpenSource,
    /// Where to save the project.
    SaveAs,
    /// Where to write the picture.
    ExportPicture,
    /// Where to write the sweep's grid.
    ExportSweep,
    /// Where models lie.
    ModelFolder,
    /// A recipe as text.
    Recipe,
    /// A folder of pictures to learn from.
    Pictures,
}

impl Asked {
    fn title(self) -> &'static str {
        match self {
            Self::Open => "Open a project, a recipe or a picture",
            Self::OpenSource => "Open a picture to start from",
            Self::SaveAs => "Save the project as",
            Self::ExportPicture => "Write the picture to",
            Self::ExportSweep => "Write the grid to",
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
            Self::Open | Self::OpenSource | Self::Pictures => "Open",
            Self::SaveAs => "Save",
            Self::ExportPicture | Self::ExportSweep => "Write",
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
    /// Answers of the system's own file dialog, which runs on a thread of its own.
    chosen: Option<Receiver<Option<PathBuf>>>,
}

impl Dialogs {
    /// Asks, with `text` as the answer to begin with.
    pub(crate) fn ask(&mut self, asked: Asked, text: impl Into<String>) {
        self.open = Some(OpenDialog {
            asked,
            text: text.into(),
            is_new: true,
            chosen: None,
        });
    }

    /// Whether one is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Draws it; gives the answer once there is one.
    pub(crate) fn show(&mut self, ui: &mut Ui) -> Option<(Asked, String)> {
        let dialog = self.open.as_mut()?;
        let mut answer = None;
        let mut is_closed = false;
        if let Some(chosen) = &dialog.chosen
            && let Ok(path) = chosen.try_recv()
        {
            dialog.chosen = None;
            answer = path.map(|path| path.to_string_lossy().into_owned());
        }
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
                let can_browse = !is_text && dialog.chosen.is_none();
                if !is_text
                    && ui
                        .add_enabled(can_browse, egui::Button::new("Browse…"))
                        .clicked()
                {
                    dialog.chosen = browse(dialog.asked, &dialog.text, ui.ctx());
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

/// Opens the system's file dialog on a thread of its own: it blocks until the artist has chosen,
/// and where a desktop has none it never answers.
pub(super) fn browse(
    asked: Asked,
    text: &str,
    ctx: &egui::Context,
) -> Option<Receiver<Option<PathBuf>>> {
    let (outbox, answers) = mpsc::channel();
    let start = Path::new(text).parent().map(Path::to_owned);
    let ctx = ctx.clone();
    Builder::new()
        .name("vernier-file-dialog".to_owned())
        .spawn(move || {
            let mut dialog = rfd::FileDialog::new().set_title(asked.title());
            if let Some(start) = start.filter(|start| start.is_dir()) {
                dialog = dialog.set_directory(start);
            }
            let path = match asked {
                Asked::Open => dialog
                    .add_filter("Vernier", &["vernier", "png", "jpg", "jpeg", "json"])
                    .pick_file(),
                Asked::OpenSource => dialog
                    .add_filter("Pictures", &["png", "jpg", "jpeg"])
                    .pick_file(),
                Asked::SaveAs => dialog
                    .add_filter("Vernier project", &["vernier"])
                    .save_file(),
                Asked::ExportPicture | Asked::ExportSweep => {
                    dialog.add_filter("PNG", &["png"]).save_file()
                }
                Asked::ModelFolder | Asked::Pictures => dialog.pick_folder(),
                Asked::Recipe => None,
            };
            outbox.send(path).ok();
            ctx.request_repaint();
        })
        .ok()?;
    Some(answers)
}
