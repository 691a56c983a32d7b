//! The window.

mod anew;
mod commands;
mod frame;
mod opening;
mod options;
mod training;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use eframe::egui_wgpu::RenderState;
use egui::ThemePreference;
use vernier_engine::places::FolderList;
use vernier_engine::project::Project;
use vernier_engine::recipe;

use super::command::{KeyBindings, UiCommand};
use super::desk::{Desk, DeskEvent};
use super::files::{self, FileEvent};
use super::gpu;
use super::keeper::Keeper;
use super::keeping::Keeping;
use super::link::EngineLink;
use super::panes::{CanvasView, HistogramPanel, LibraryView, PromptView, TalkView, Thumbnails};
use super::settings::Settings;
use super::shell::{Dialogs, Docks, Palette, Relink};
use super::state::{Studio, ToastKind, TrainingPlaces};
use super::theme;
use super::workspaces::{EditView, MeasureView, SweepView, TrainView, Workspace};
use crate::assets;

pub use anew::{Anew, Reopened};
pub use options::StudioOptions;

/// The window.
pub struct StudioApp {
    studio: Studio,
    link: EngineLink,
    docks: Docks,
    prompt: PromptView,
    talk: TalkView,
    canvas: CanvasView,
    thumbnails: Thumbnails,
    histogram: HistogramPanel,
    workspace: Workspace,
    edit: EditView,
    sweep: SweepView,
    measure: MeasureView,
    train: TrainView,
    desk: Desk,
    desk_events: Receiver<DeskEvent>,
    own_controls: Option<PathBuf>,
    folder_list: Option<FolderList>,
    own_models: Option<PathBuf>,
    library: LibraryView,
    palette: Palette,
    dialogs: Dialogs,
    relink: Relink,
    keys: KeyBindings,
    shows_keys: bool,
    waiting_key: Option<UiCommand>,
    settings: Settings,
    settings_path: Option<PathBuf>,
    typed_at: Option<Instant>,
    keeping: Keeping,
    unsaved: Option<PathBuf>,
    /// What a new project holds.
    sample: Project,
    title: String,
    file_outbox: Sender<FileEvent>,
    file_events: Receiver<FileEvent>,
    render_state: Option<RenderState>,
    adapter: Option<String>,
    anew: Anew,
    is_leaving: bool,
    /// A file to be opened once the project is there that it goes into.
    opens_later: Option<PathBuf>,
}

impl StudioApp {
    /// Builds the window's state; the model is loaded in the background.
    ///
    /// # Errors
    /// The engine thread cannot be started, or the sample recipe is missing.
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        options: &StudioOptions,
    ) -> vernier_engine::Result<Self> {
        theme::install(&cc.egui_ctx);
        if let Some(render_state) = &cc.wgpu_render_state {
            gpu::install(render_state);
        }
        let adapter = cc.wgpu_render_state.as_ref().and_then(gpu::adapter_message);
        let (settings, problem) = match &options.settings {
            Some(path) => Settings::read(path),
            None => (Settings::default(), None),
        };
        let (keys, mut problems) = KeyBindings::with(&settings.keys);
        problems.extend(problem);
        let sample = sample_project()?;
        let mut studio = Studio::new(
            sample.bench.recipe.clone(),
            options.live.unwrap_or(settings.live),
            options.engine.clone(),
        );
        for problem in problems {
            studio.toasts.push(ToastKind::Trouble, problem, None);
        }
        if options.is_reopened {
            anew::tell(&mut studio);
        }
        let ctx = cc.egui_ctx.clone();
        let link = EngineLink::start(move || ctx.request_repaint())?;
        let (file_outbox, file_events) = mpsc::channel();
        let (outbox, ctx) = (file_outbox.clone(), cc.egui_ctx.clone());
        let controls = options.control_places();
        let keeper = Keeper::start(options.engine.pictures.clone(), controls, move |event| {
            outbox.send(event).ok();
            ctx.request_repaint();
        })?;
        let (desk_outbox, desk_events) = mpsc::channel();
        let ctx = cc.egui_ctx.clone();
        let desk = Desk::start(move |event| {
            desk_outbox.send(event).ok();
            ctx.request_repaint();
        })?;
        studio.training.places = TrainingPlaces {
            work: options.trainings.clone(),
            own_controls: options.own_controls.clone(),
        };
        studio.training.find_runs();
        let mut app = Self {
            studio,
            link,
            docks: Docks::from_json(&settings.layout),
            prompt: PromptView::default(),
            talk: TalkView::default(),
            canvas: CanvasView::default(),
            thumbnails: Thumbnails::default(),
            histogram: HistogramPanel::new(cc.wgpu_render_state.clone()),
            workspace: Workspace::default(),
            edit: EditView::default(),
            sweep: SweepView::default(),
            measure: MeasureView::default(),
            train: TrainView::default(),
            desk,
            desk_events,
            own_controls: options.own_controls.clone(),
            folder_list: options.folder_list.clone(),
            own_models: options.own_models.clone(),
            library: LibraryView::default(),
            palette: Palette::default(),
            dialogs: Dialogs::default(),
            relink: Relink::default(),
            keys,
            shows_keys: false,
            waiting_key: None,
            settings,
            settings_path: options.settings.clone(),
            typed_at: None,
            keeping: Keeping::new(keeper),
            unsaved: options.unsaved.clone(),
            sample,
            title: String::new(),
            file_outbox,
            file_events,
            render_state: cc.wgpu_render_state.clone(),
            adapter,
            anew: options.anew.clone(),
            is_leaving: false,
            opens_later: None,
        };
        app.set_theme(&cc.egui_ctx);
        app.look_for_library(&cc.egui_ctx);
        let opens_project = options.open.as_deref().is_some_and(files::is_project);
        if !opens_project {
            app.begin_untitled(false);
        }
        if let Some(path) = options.open.clone() {
            if opens_project || app.unsaved.is_none() {
                app.read_file(&cc.egui_ctx, path);
            } else {
                app.opens_later = Some(path);
            }
        }
        Ok(app)
    }

    /// The state behind the window.
    pub fn studio(&self) -> &Studio {
        &self.studio
    }

    /// The same, to be changed as widgets change it.
    pub fn studio_mut(&mut self) -> &mut Studio {
        &mut self.studio
    }

    fn set_theme(&self, ctx: &egui::Context) {
        ctx.set_theme(if self.settings.theme == "light" {
            ThemePreference::Light
        } else {
            ThemePreference::Dark
        });
    }

    fn keep_settings(&mut self) {
        self.settings.live = self.studio.is_live();
        self.settings.layout = self.docks.to_json();
        self.settings.keys = self.keys.changes();
        if let Some(path) = &self.settings_path
            && let Err(e) = self.settings.write(path)
        {
            log::warn!("{e}");
        }
    }
}

/// What a fresh studio begins with: the sample recipes, the first of them on the bench.
fn sample_project() -> vernier_engine::Result<Project> {
    let path = assets::sample_recipes();
    let recipes = recipe::read(&path)?;
    let first = recipes.first().cloned();
    let none = || vernier_engine::EngineError::bad_file(&path, "holds no recipe");
    let mut project = Project::new("Untitled", first.ok_or_else(none)?);
    for recipe in recipes {
        project.add_recipe(recipe.prompt.clone(), recipe);
    }
    Ok(project)
}
