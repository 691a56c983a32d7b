//! What the window does when it is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, ViewportCommand};
use vernier_engine::picture::{self, Picture};
use vernier_engine::recipe::{self, Recipe};

use super::StudioApp;
use crate::studio::command::{MenuName, UiCommand};
use crate::studio::files::{self, FileEvent};
use crate::studio::shell::{Asked, Docks, Pane};
use crate::studio::state::ToastKind;
use crate::studio::workspaces::{TrainAsked, Workspace, export_sweep};

impl StudioApp {
    /// Does a command, by the studio where it can, else by the window.
    pub fn run(&mut self, ctx: &egui::Context, command: UiCommand) {
        let is_tool = command.menu() == MenuName::Mask && self.studio.allows(command);
        if self.studio.apply(command) {
            if is_tool {
                self.workspace = Workspace::Edit;
            }
            return;
        }
        match command {
            UiCommand::NewProject => {
                self.save_now(false);
                self.begin_untitled(true);
            }
            UiCommand::Open => self.dialogs.ask(Asked::Open, ""),
            UiCommand::Save if self.workspace == Workspace::Train => self.studio.training.save(),
            UiCommand::Save if self.keeping.path().is_some() => self.save_now(true),
            UiCommand::Save | UiCommand::SaveAs => {
                let name = format!("{}.vernier", self.studio.project_name());
                self.dialogs.ask(Asked::SaveAs, name);
            }
            UiCommand::ExportPicture => self.dialogs.ask(Asked::ExportPicture, "picture.png"),
            UiCommand::CopyPicture => {
                if let Some((picture, _)) = self.studio.shown_picture() {
                    ctx.copy_image(as_image(&picture));
                    let text = "The picture is in the clipboard";
                    self.studio.toasts.push(ToastKind::Done, text, None);
                }
            }
            UiCommand::CopyRecipe => {
                let recipe = self.studio.shown_recipe();
                if let Ok(json) = recipe::to_json(std::slice::from_ref(recipe)) {
                    ctx.copy_text(json);
                    let text = "The recipe is in the clipboard";
                    self.studio.toasts.push(ToastKind::Done, text, None);
                }
            }
            UiCommand::PasteRecipe => self.dialogs.ask(Asked::Recipe, ""),
            UiCommand::OpenSource => self.dialogs.ask(Asked::OpenSource, ""),
            // The system answers with an event of the next frame.
            UiCommand::PasteSource => ctx.send_viewport_cmd(ViewportCommand::RequestPaste),
            UiCommand::ShowTrain => self.workspace = Workspace::Train,
            UiCommand::ZoomToFit => self.canvas.fit(),
            UiCommand::ZoomToPixels => self.canvas.zoom_to(1.0),
            UiCommand::ZoomIn => self.canvas.zoom_by(1),
            UiCommand::ZoomOut => self.canvas.zoom_by(-1),
            UiCommand::AddAdapter => self.dialogs.ask(Asked::Adapter, ""),
            UiCommand::AddModels => self.dialogs.ask(Asked::ModelFolder, ""),
            UiCommand::SearchLibrary => {
                self.workspace = Workspace::Generate;
                self.docks.bring_forward(Pane::Library);
                self.library.wants_focus = true;
            }
            UiCommand::Talk => {
                if !matches!(self.workspace, Workspace::Generate | Workspace::Edit) {
                    self.workspace = Workspace::Generate;
                }
                (self.talk.is_open, self.talk.wants_focus) = (true, true);
            }
            UiCommand::FocusPrompt => self.prompt.wants_focus = true,
            UiCommand::Palette => self.palette.open(),
            UiCommand::ToggleTheme => {
                let is_light = self.settings.theme == "light";
                let theme = if is_light { "dark" } else { "light" };
                theme.clone_into(&mut self.settings.theme);
                self.set_theme(ctx);
            }
            UiCommand::ResetLayout => self.docks = Docks::default(),
            UiCommand::ShowKeys => self.shows_keys = true,
            UiCommand::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            // The studio has done the others.
            _ => {}
        }
    }

    pub(super) fn take_answer(&mut self, ctx: &egui::Context, asked: Asked, answer: String) {
        match asked {
            Asked::Open => self.read_file(ctx, answer.into()),
            Asked::Adapter => self.take_adapter_file(answer.into()),
            Asked::OpenSource => {
                let (path, shelf) = (PathBuf::from(answer), self.shelf());
                self.in_background(ctx, "vernier-open", move || {
                    files::open_source(&path, &shelf)
                });
            }
            Asked::PromptPicture(at) => self.read_prompt_picture(ctx, at, answer.into()),
            Asked::Map => self.read_map(ctx, answer.into()),
            Asked::Pictures => self.studio.training.open(answer),
            Asked::ExportSweep => {
                let work = export_sweep(&self.studio, answer.into());
                self.in_background(ctx, "vernier-export", || match work() {
                    Ok(path) => FileEvent::Written(path),
                    Err(sentence) => FileEvent::Failed(sentence),
                });
            }
            Asked::ExportPicture => {
                let Some((picture, true)) = self.studio.shown_picture() else {
                    let text = "The picture is not ready yet; try again in a moment";
                    self.studio.toasts.push(ToastKind::Note, text, None);
                    return;
                };
                let recipe = self.studio.shown_recipe().clone();
                let path = PathBuf::from(answer);
                self.in_background(ctx, "vernier-export", move || {
                    export(&path, &picture, &recipe)
                });
            }
            Asked::ModelFolder => {
                let list = self.folder_list.as_ref();
                let added = list.map_or(Ok(false), |list| list.add(Path::new(&answer)));
                match added {
                    Ok(_) => self.look_for_library(ctx),
                    Err(error) => {
                        let text = error.to_string();
                        self.studio.toasts.push(ToastKind::Trouble, text, None);
                    }
                }
            }
            Asked::Recipe => self.take_file_event(files::understand(&answer)),
            Asked::SaveAs => {
                let mut path = PathBuf::from(answer);
                if !files::is_project(&path) {
                    path.as_mut_os_string().push(".vernier");
                }
                if let Some(stem) = path.file_stem() {
                    self.studio.rename_project(stem.to_string_lossy());
                }
                let layout = self.docks.to_json();
                self.keeping.save_as(&mut self.studio, layout, path);
            }
        }
    }

    pub(super) fn take_train_asked(&mut self, asked: TrainAsked) {
        match asked {
            TrainAsked::OpenPictures => self.dialogs.ask(Asked::Pictures, ""),
            TrainAsked::Calibrate(name) => {
                self.measure.choose(name);
                self.workspace = Workspace::Measure;
            }
            TrainAsked::Bench(name) => {
                self.studio.put_on_bench(&name);
                self.workspace = Workspace::Generate;
            }
        }
    }

    pub(super) fn save_now(&mut self, is_asked: bool) {
        let layout = self.docks.to_json();
        self.keeping.save(&mut self.studio, layout, is_asked);
    }
}

fn export(path: &Path, picture: &Arc<Picture>, recipe: &Recipe) -> FileEvent {
    match picture::save(path, picture, recipe) {
        Ok(()) => FileEvent::Written(path.to_owned()),
        Err(e) => FileEvent::Failed(e.to_string()),
    }
}

fn as_image(picture: &Picture) -> ColorImage {
    let size = [picture.width_px as usize, picture.height_px as usize];
    ColorImage::from_rgb(size, &picture.rgb)
}
