//! Files that the window opens, and what came of them.

use std::path::{Path, PathBuf};
use std::thread::Builder;

use egui::ColorImage;
use vernier_engine::measure::MeterConfig;
use vernier_engine::picture::{Picture, PictureShelf};
use vernier_engine::recipe::PictureRef;

use super::StudioApp;
use crate::assets;
use crate::studio::command::UiCommand;
use crate::studio::files::{self, FileEvent};
use crate::studio::keeper::KeeperCommand;
use crate::studio::panes::Thumbnails;
use crate::studio::shell::{Docks, Pane};
use crate::studio::state::{ToastKind, list_models};
use crate::studio::workspaces::Workspace;

impl StudioApp {
    /// Reads the library on a thread of its own: it may be large, and on a slow disk.
    pub(super) fn look_for_library(&self, ctx: &egui::Context) {
        let model = self.studio.options().embedded_model.clone();
        let library = self.studio.options().controls.clone();
        let adapters = self.studio.options().adapters.clone();
        let controlnets = self.studio.options().controlnets.clone();
        let folders = self.folder_list.clone();
        let own = self.own_models.clone();
        self.in_background(ctx, "vernier-library", move || {
            let config = model.join("meter").join("config.json");
            let config: Option<MeterConfig> = std::fs::read_to_string(config)
                .ok()
                .and_then(|text| serde_json::from_str(&text).ok());
            let places = folders.iter().flat_map(assets::places_of);
            let others = places.flat_map(|place| place.models);
            let folders: Vec<PathBuf> = own.into_iter().chain(others).collect();
            FileEvent::Library {
                models: list_models(&model, &folders),
                adapters: adapters.list(),
                controlnets: controlnets.list(),
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

    pub(super) fn read_file(&mut self, ctx: &egui::Context, path: PathBuf) {
        if files::is_project(&path) {
            // What was done since the last save belongs to the project that is left.
            if self.studio.needs_saving() {
                self.save_now(false);
            }
            self.keeping.send(KeeperCommand::Open(path));
            return;
        }
        if files::is_adapter(&path) {
            self.take_adapter_file(path);
            return;
        }
        let shelf = self.shelf();
        self.in_background(ctx, "vernier-open", move || files::open(&path, &shelf));
    }

    /// A LoRA or an embedding is to work: the artist goes to where its slider will be.
    pub(super) fn take_adapter_file(&mut self, path: PathBuf) {
        self.workspace = Workspace::Generate;
        self.docks.bring_forward(Pane::Controls);
        self.studio.take_adapter(path);
    }

    /// Reads a picture for the ControlNet that waits for one.
    pub(super) fn read_map(&self, ctx: &egui::Context, path: PathBuf) {
        let shelf = self.shelf();
        self.in_background(ctx, "vernier-open", move || files::open_map(&path, &shelf));
    }

    /// Looks for the answers to the studio's questions about adapters, beside the window.
    pub(super) fn answer_adapter_questions(&mut self, ctx: &egui::Context) {
        let questions = self.studio.take_adapter_questions();
        if questions.is_empty() {
            return;
        }
        let library = self.studio.options().adapters.clone();
        for question in questions {
            let library = library.clone();
            self.in_background(ctx, "vernier-adapter", move || {
                let answer = question.answer(&library);
                FileEvent::Adapter(question, answer)
            });
        }
    }

    /// Reads a picture for the picture prompt at `at`.
    pub(super) fn read_prompt_picture(&self, ctx: &egui::Context, at: usize, path: PathBuf) {
        let shelf = self.shelf();
        self.in_background(ctx, "vernier-open", move || {
            files::open_prompt_picture(at, &path, &shelf)
        });
    }

    /// The pictures that recipes name.
    pub(super) fn shelf(&self) -> PictureShelf {
        self.studio.options().pictures.clone()
    }

    /// A picture to start from has come: the artist goes to where it is worked on.
    fn take_source(&mut self, picture: PictureRef) {
        let name = picture.path.as_deref().map(Path::new);
        let name = name.and_then(Path::file_name).map_or_else(
            || "The pasted picture".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        );
        self.studio.set_source(picture);
        self.workspace = Workspace::Edit;
        let text = format!("{name} is what the next picture starts from");
        self.studio
            .toasts
            .push(ToastKind::Done, text, Some(UiCommand::Undo));
    }

    /// Pictures from the clipboard, which come in answer to Ctrl+V.
    pub(super) fn take_pasted_pictures(&mut self, ctx: &egui::Context) {
        let pasted = ctx.input(|input| {
            let images = input.events.iter().filter_map(|event| match event {
                egui::Event::PasteImage(image) => Some(image.clone()),
                _ => None,
            });
            images.collect::<Vec<_>>()
        });
        for image in pasted {
            let picture = self.shelf().insert(as_picture(&image));
            self.take_source(picture);
        }
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
            FileEvent::Library {
                models,
                adapters,
                controlnets,
                controls,
                nouns,
                attributes,
            } => {
                self.studio.set_models(models);
                self.studio.set_adapters(adapters);
                self.studio.set_controlnets(controlnets);
                self.studio.training.readable = attributes;
                self.studio.set_controls(controls, nouns);
            }
            FileEvent::Project {
                path,
                is_untitled,
                project,
                missing,
                notes,
            } => {
                self.relink.ask(missing);
                if !project.layout.is_null() {
                    self.docks = Docks::from_json(&project.layout);
                }
                self.studio.open_project(*project);
                self.thumbnails = Thumbnails::default();
                self.canvas.fit();
                self.keeping.opened(path, is_untitled);
                // It may have brought controls along.
                self.studio.look_for_controls_again();
                for note in notes {
                    self.studio.toasts.push(ToastKind::Note, note, None);
                }
            }
            FileEvent::Saved { path, is_asked } => {
                if is_asked {
                    let text = format!("Saved as {}", path.display());
                    self.studio.toasts.push(ToastKind::Done, text, None);
                }
                self.studio.saved();
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
            FileEvent::Foreign(foreign) => {
                let (recipe, notes) = foreign.over(&self.studio.bench.recipe);
                self.take_file_event(FileEvent::Recipe(Box::new(recipe)));
                for note in notes {
                    self.studio.toasts.push(ToastKind::Note, note, None);
                }
            }
            FileEvent::Adapter(question, answer) => self.studio.receive_adapter(&question, answer),
            FileEvent::Source(picture) => self.take_source(picture),
            FileEvent::PromptPicture(at, picture) => self.studio.give_prompt_picture(at, picture),
            FileEvent::Map(picture) => self.studio.follow(picture),
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
        let place = self.studio.take_picture_drop_place();
        for file in dropped {
            let path = file.path().to_owned();
            if let Some(at) = place.filter(|_| files::is_picture(&path)) {
                self.read_prompt_picture(ctx, at, path);
                continue;
            }
            if self.studio.waiting_for_map().is_some() && files::is_picture(&path) {
                self.read_map(ctx, path);
                continue;
            }
            let is_table = path
                .extension()
                .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
            if is_table || (path.is_dir() && !files::is_adapter(&path)) {
                self.workspace = Workspace::Train;
                self.studio.training.open(path);
            } else {
                self.read_file(ctx, path);
            }
        }
    }
}

/// An image as a picture, on white where it is transparent.
fn as_picture(image: &ColorImage) -> Picture {
    let over_white = |pixel: &egui::Color32| {
        // Premultiplied: what is missing is white.
        let white = 255 - pixel.a();
        [pixel.r(), pixel.g(), pixel.b()].map(|c| c.saturating_add(white))
    };
    Picture {
        width_px: image.size[0] as u32,
        height_px: image.size[1] as u32,
        rgb: image.pixels.iter().flat_map(over_white).collect(),
    }
}

/// What a meter reads as a number.
fn readable(config: &MeterConfig) -> Vec<String> {
    let heads = config.subject_heads.iter().chain(&config.picture_heads);
    let numbers = heads.filter(|head| head.classes.is_empty());
    numbers.map(|head| head.name.clone()).collect()
}
