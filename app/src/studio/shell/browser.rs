//! The system's own file dialog.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread::Builder;

use super::dialogs::Asked;

/// The system's file dialog. It runs on a thread of its own: it blocks until the artist has
/// chosen, and where a desktop has none it never answers.
#[derive(Debug, Default)]
pub(super) struct Browser {
    answers: Option<Receiver<Option<PathBuf>>>,
}

impl Browser {
    /// Whether it is open.
    pub(super) fn is_open(&self) -> bool {
        self.answers.is_some()
    }

    /// Opens it for what `asked` asks for, where the path `text` leads.
    pub(super) fn open(&mut self, asked: Asked, text: &str, ctx: &egui::Context) {
        self.answers = start(asked, text, ctx);
    }

    /// The path that was chosen, once; then it is closed.
    pub(super) fn take_answer(&mut self) -> Option<String> {
        let path = self.answers.as_ref()?.try_recv().ok()?;
        self.answers = None;
        Some(path?.to_string_lossy().into_owned())
    }
}

fn start(asked: Asked, text: &str, ctx: &egui::Context) -> Option<Receiver<Option<PathBuf>>> {
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
                Asked::Adapter => dialog
                    .add_filter(
                        "LoRA or embedding",
                        &["safetensors", "pt", "bin", "ckpt", "pth"],
                    )
                    .pick_file(),
                Asked::OpenSource | Asked::PromptPicture(_) | Asked::Map => dialog
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
