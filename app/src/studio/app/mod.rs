//! The window: what happens in a frame.

mod commands;
mod opening;
mod training;

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use eframe::egui_wgpu::RenderState;
use egui::{CentralPanel, Frame, Margin, Panel, ThemePreference, Ui, ViewportCommand};
use vernier_engine::device::DeviceRequest;
use vernier_engine::project::Project;
use vernier_engine::recipe;
use vernier_engine::service::RenderOptions;

use super::command::{KeyBindings, MenuName, UiCommand};
use super::desk::{Desk, DeskEvent};
use super::files::{self, FileEvent};
use super::gpu::{self, Pixels};
use super::keeper::{Keeper, KeeperCommand};
use super::keeping::Keeping;
use super::link::EngineLink;
use super::panes::{
    CanvasView, HistogramPanel, LibraryView, PromptView, Thumbnails, canvas_pane, controls_pane,
    filmstrip_pane, library_pane, prompt_pane, queue_pane, settings_pane,
};
use super::settings::Settings;
use super::shell::{
    Asked, Dialogs, Docks, Palette, Pane, Relink, Relinked, keys_window, menu_bar, status_bar,
    toasts_ui,
};
use super::state::{Studio, ToastKind, TrainingPlaces};
use super::theme::{self, space};
use super::workspaces::{
    EditView, MeasureView, SweepView, TrainView, Workspace, edit_workspace, measure_workspace,
    sweep_workspace, train_workspace,
};
use crate::assets;

/// Model calls from one look at the latents to the next.
const PREVIEW_EVERY: u32 = 2;
/// A word counts as being typed for so long after its last letter.
const TYPING: Duration = Duration::from_millis(600);

/// How the window starts.
#[derive(Debug, Clone)]
pub struct StudioOptions {
    /// How pictures are made; whether a quick one comes first is the studio's matter.
    pub engine: RenderOptions,
    /// A project, recipe or picture to open.
    pub open: Option<PathBuf>,
    /// Where settings are read and kept; `None` keeps none.
    pub settings: Option<PathBuf>,
    /// Where projects lie that nobody has given a place; `None` keeps none.
    pub unsaved: Option<PathBuf>,
    /// Where trained and calibrated controls go; `None` keeps calibrated ones where they are and
    /// trains none.
    pub own_controls: Option<PathBuf>,
    /// The artist's own models; `None` looks only where the settings say.
    pub own_models: Option<PathBuf>,
    /// Where trainings have their work folders; `None` trains nothing.
    pub trainings: Option<PathBuf>,
    /// Whether the picture follows from the start; `None` is as the settings say.
    pub live: Option<bool>,
}

impl StudioOptions {
    /// Nothing opened and nothing kept, with the embedded model and the controls at hand.
    pub fn plain() -> Self {
        Self {
            engine: RenderOptions {
                preview_every: Some(PREVIEW_EVERY),
                ..assets::render_options(DeviceRequest::Auto)
            },
            open: None,
            settings: None,
            unsaved: None,
            own_controls: None,
            own_models: None,
            trainings: None,
            live: None,
        }
    }

    /// What the artist finds: settings and unsaved projects of the user who runs the program.
    pub(crate) fn usual(open: Option<PathBuf>) -> Self {
        Self {
            open,
            settings: Settings::usual_path(),
            unsaved: assets::unsaved_projects(),
            own_controls: assets::user_controls(),
            own_models: assets::user_models(),
            trainings: assets::trainings(),
            ..Self::plain()
        }
    }
}

/// The window.
pub struct StudioApp {
    studio: Studio,
    link: EngineLink,
    docks: Docks,
    prompt: PromptView,
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
        let ctx = cc.egui_ctx.clone();
        let link = EngineLink::start(move || ctx.request_repaint())?;
        let (file_outbox, file_events) = mpsc::channel();
        let (outbox, ctx) = (file_outbox.clone(), cc.egui_ctx.clone());
        let keeper = Keeper::start(options.engine.pictures.clone(), move |event| {
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
        let app = Self {
            studio,
            link,
            docks: Docks::from_json(&settings.layout),
            prompt: PromptView::default(),
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
        };
        app.set_theme(&cc.egui_ctx);
        app.look_for_library(&cc.egui_ctx);
        let opens_project = options.open.as_deref().is_some_and(files::is_project);
        if !opens_project {
            app.begin_untitled(false);
        }
        if let Some(path) = &options.open {
            app.read_file(&cc.egui_ctx, path.clone());
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

    /// The window is called as its project.
    fn call_window(&mut self, ctx: &egui::Context) {
        let title = format!("{} – Vernier", self.studio.project_name());
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }

    fn panes(&mut self, ui: &mut Ui) -> Option<UiCommand> {
        let mut asked = None;
        let mut docks = std::mem::take(&mut self.docks);
        docks.show(ui, |ui, pane| {
            let answer = match pane {
                Pane::Canvas => {
                    canvas_pane(ui, &mut self.studio, &mut self.canvas);
                    None
                }
                Pane::Controls => {
                    controls_pane(ui, &mut self.studio);
                    None
                }
                Pane::Library => library_pane(ui, &mut self.studio, &mut self.library),
                Pane::Settings => settings_pane(ui, &mut self.studio, |ui, studio| {
                    let shown = studio.shown_picture().map(|(p, _)| Pixels::Picture(p));
                    let shown = shown.map(|pixels| self.canvas.source(&pixels));
                    self.histogram.show(ui, shown);
                }),
                Pane::Filmstrip => filmstrip_pane(ui, &mut self.studio, &mut self.thumbnails),
                Pane::Queue => queue_pane(ui, &mut self.studio),
            };
            asked = asked.or(answer);
        });
        self.docks = docks;
        asked
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

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        while let Some(event) = self.link.next_event() {
            self.studio.receive(event);
        }
        if self.studio.take_controls_changed() {
            self.look_for_library(ctx);
        }
        while let Ok(event) = self.file_events.try_recv() {
            self.take_file_event(event);
        }
        self.look_after_training();
        if let Some(sentence) = self.render_state.as_ref().and_then(gpu::take_trouble) {
            self.studio.toasts.push(ToastKind::Trouble, sentence, None);
        }
        let now = Instant::now();
        let is_typing = self.typed_at.is_some_and(|at| now - at < TYPING);
        let is_held = ctx.input(|input| input.pointer.any_down());
        if let Some(pause) = self.studio.tick(now, is_typing || is_held) {
            ctx.request_repaint_after(pause);
        }
        for command in self.studio.take_outbox() {
            self.link.send(command);
        }
        for id in self.studio.take_wanted_pixels() {
            self.keeping.send(KeeperCommand::Read(id));
        }
        if !is_held {
            let docks = &self.docks;
            let pause = self.keeping.look(&mut self.studio, || docks.to_json());
            if let Some(pause) = pause {
                ctx.request_repaint_after(pause);
            }
        }
        self.call_window(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.take_dropped_files(&ctx);
        self.take_pasted_pictures(&ctx);
        let is_elsewhere = self.dialogs.is_open() || self.relink.is_open() || self.shows_keys;
        let mut asked = if is_elsewhere {
            None
        } else {
            // Letters are tools where one paints, unless somebody is writing.
            let paints = self.workspace == Workspace::Edit && !ctx.text_edit_focused();
            let is_plain_key = |command: UiCommand| paints && command.menu() == MenuName::Mask;
            ctx.input_mut(|input| self.keys.pressed(input, is_plain_key))
        };
        let bar = Frame::side_top_panel(ui.style())
            .inner_margin(Margin::symmetric(space::M as i8, space::XS as i8));
        Panel::top("menu").frame(bar).show(ui, |ui| {
            ui.horizontal(|ui| {
                let tabs = 370.0;
                let width = (ui.available_width() - tabs).max(0.0);
                let height = ui.spacing().interact_size.y;
                ui.allocate_ui(egui::vec2(width, height), |ui| {
                    asked = menu_bar(ui, &self.studio, &self.keys).or(asked);
                });
                self.workspace.tabs(ui);
            });
        });
        let roomy = bar.inner_margin(Margin::same(space::M as i8));
        // A training has prompts of its own.
        if self.workspace != Workspace::Train {
            Panel::top("prompt pane").frame(roomy).show(ui, |ui| {
                asked = prompt_pane(ui, &mut self.studio, &mut self.prompt).or(asked);
            });
        }
        let is_typed = [
            self.prompt.is_being_typed(),
            self.edit.is_being_typed(),
            self.train.is_being_typed(),
        ];
        if is_typed.contains(&true) {
            self.typed_at = Some(Instant::now());
        }
        Panel::bottom("status").frame(bar).show(ui, |ui| {
            let zoom = self.canvas.zoom();
            asked = status_bar(ui, &self.studio, zoom, self.adapter.as_deref()).or(asked);
        });
        CentralPanel::no_frame().show(ui, |ui| match self.workspace {
            Workspace::Generate => asked = self.panes(ui).or(asked),
            Workspace::Edit => {
                let (studio, canvas) = (&mut self.studio, &mut self.canvas);
                let histogram = &mut self.histogram;
                asked = edit_workspace(ui, studio, &mut self.edit, canvas, histogram).or(asked);
            }
            Workspace::Sweep => {
                let (studio, workspace) = (&mut self.studio, &mut self.workspace);
                if sweep_workspace(ui, studio, &mut self.sweep, workspace) {
                    self.dialogs.ask(Asked::ExportSweep, "sweep.png");
                }
            }
            Workspace::Measure => {
                let own = self.own_controls.as_deref();
                let (studio, workspace) = (&mut self.studio, &mut self.workspace);
                measure_workspace(ui, studio, &mut self.measure, workspace, own);
            }
            Workspace::Train => {
                if let Some(asked) = train_workspace(ui, &mut self.studio, &mut self.train) {
                    self.take_train_asked(asked);
                }
            }
        });
        asked = self.palette.show(ui, &self.studio, &self.keys).or(asked);
        if self.shows_keys {
            self.shows_keys = keys_window(ui, &mut self.keys, &mut self.waiting_key);
        }
        if let Some((dialog, answer)) = self.dialogs.show(ui) {
            self.take_answer(&ctx, dialog, answer);
        }
        for Relinked { name, path } in self.relink.show(ui, self.studio.models()) {
            self.studio.relink(&name, &path);
        }
        asked = toasts_ui(ui, &mut self.studio.toasts).or(asked);
        if let Some(command) = asked {
            self.run(&ctx, command);
            ctx.request_repaint();
        }
    }

    fn on_exit(&mut self) {
        self.keep_settings();
        self.pause_trainings();
        // Dropping the keeper waits until it is on the disk.
        if self.studio.needs_saving() {
            self.save_now(false);
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
