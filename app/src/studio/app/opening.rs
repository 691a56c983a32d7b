//! Files that the window opens, and what came of them.

use std::path::PathBuf;
use std::thread::Builder;

use vernier_engine::measure::MeterConfig;

use super::StudioApp;
use crate::studio::command::UiCommand;
use crate::studio::files::{self, FileEvent};
use crate::studio::keeper::KeeperCommand;
use crate::studio::panes::Thumbnails;
use crate::studio::shell::Docks;
use crate::studio::state::ToastKind;
use crate::studio::workspaces::Workspace;

impl StudioApp {
    /// Reads the library on a thread of its own: it may be large, and on a slow disk.
    pub(super) fn look_for_controls(&self, ctx: &egui::Context) {
        let model = self.studio.options().embedded_model.clone();
        let library = self.studio.options().controls.clone();
        self.in_background(ctx, "vernier-library", move || {
            let config = model.join("meter").join("config.json");
            let config: Option<MeterConfig> = std::fs::read_to_string(config)
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok());
            FileEvent::Controls {
                controls: library.list(),
                nouns: config.as_ref().map(MeterConfig::kinds).unwrap_or_default(),
                attributes: config.as_ref().map(readable).unwrap_or_default(),
            }
        });
    }

    /// Goes on with the project that nobody has given a place, or begins a new one.
    pub(super) fn begin_untitled(&self, wants_new: bool) {
        if let Some(folder) = &self.unsaved {
            self.keeping.send(KeeperCommand::Untitled {
                folder: folder.clone(),
                fresh: Box::new(self.sample.clone()),
                wants_new,
            });
        }
    }

    pub(super) fn read_file(&self, ctx: &egui::Context, path: PathBuf) {
        if files::is_project(&path) {
            self.keeping.send(KeeperCommand::Open(path));
            return;
        }
        self.in_background(ctx, "vernier-open", move || files::open(&path));
    }

    pub(super) fn in_background(
        &self,
        ctx: &egui::Context,
        name: &str,
        work: impl FnOnce() -> FileEvent + Send + 'static,
    ) {
        let (outbox, ctx) = (self.file_outbox.clone(), ctx.clone());
        let spawned = Builder::new().name(name.to_owned()).spawn(move || {
            outbox.send(work()).ok();
            ctx.request_repaint();
        });
        if let Err(e) = spawned {
            let sentence = format!("the system gives no thread for this: {e}");
            self.file_outbox.send(FileEvent::Failed(sentence)).ok();
        }
    }

    pub(super) fn take_file_event(&mut self, event: FileEvent) {
        match event {
            FileEvent::Controls {
                controls,
                nouns,
                attributes,
            } => {
                self.studio.training.readable = attributes;
                self.studio.set_controls(controls, nouns);
            }
            FileEvent::Project {
                path,
                is_untitled,
                project,
                notes,
            } => {
                if !project.layout.is_null() {
                    self.docks = Docks::from_json(&project.layout);
                }
                self.studio.open_project(*project);
                self.thumbnails = Thumbnails::default();
                self.canvas.fit();
                self.keeping.opened(path, is_untitled);
                for note in notes {
                    self.studio.toasts.push(ToastKind::Note, note, None);
                }
            }
            FileEvent::Saved { path, is_asked } => {
                if is_asked {
                    let text = format!("Saved as {}", path.display());
                    self.studio.toasts.push(ToastKind::Done, text, None);
                }
                self.keeping.saved(path);
            }
            FileEvent::NotSaved { sentence, pictures } => {
                self.keeping.not_saved();
                self.studio.take_back(pictures);
                let on = Some(UiCommand::SaveAs);
                self.studio.toasts.push(ToastKind::Trouble, sentence, on);
            }
            FileEvent::Pixels { id, picture } => self.studio.set_pixels(&id, picture),
            FileEvent::Recipe(recipe) => {
                self.studio.adopt(&recipe);
                let text = "The recipe is on the bench";
                self.studio
                    .toasts
                    .push(ToastKind::Done, text, Some(UiCommand::Undo));
            }
            FileEvent::Parameters(parameters) => {
                let (recipe, notes) = parameters.over(&self.studio.bench.recipe);
                self.take_file_event(FileEvent::Recipe(Box::new(recipe)));
                for note in notes {
                    self.studio.toasts.push(ToastKind::Note, note, None);
                }
            }
            FileEvent::Written(path) => {
                let text = format!("{} was written", path.display());
                self.studio.toasts.push(ToastKind::Done, text, None);
            }
            FileEvent::Failed(sentence) => {
                self.studio.toasts.push(ToastKind::Trouble, sentence, None);
            }
        }
    }

    pub(super) fn take_dropped_files(&mut self, ctx: &egui::Context) {
        let dropped = ctx.input(|input| input.raw.dropped_files.clone());
        for file in dropped {
            let path = file.path().to_owned();
            let is_table = path
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
            if is_table || path.is_dir() {
                self.workspace = Workspace::Train;
                self.studio.training.open(path);
            } else {
                self.read_file(ctx, path);
            }
        }
    }
}

/// What a meter reads as a number.
fn readable(config: &MeterConfig) -> Vec<String> {
    let heads = config.subject_heads.iter().chain(&config.picture_heads);
    let numbers = heads.filter(|head| head.classes.is_empty());
    numbers.map(|head| head.name.clone()).collect()
}
