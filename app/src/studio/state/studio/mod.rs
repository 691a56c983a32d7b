//! The state behind the window, and what happens to it.

mod adapters;
mod commands;
mod controlnets;
mod events;
mod keeping;
mod library;
mod measuring;
mod picture_prompts;
mod scene;
mod shown;
mod talking;
#[cfg(test)]
mod tests;
mod tick;
mod training;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use vernier_engine::controls::FoundControl;
use vernier_engine::picture::Picture;
use vernier_engine::project::Project;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::{Command, RenderOptions};

use self::scene::Scene;
use super::adapters::Adapters;
use super::controlnets::ControlNets;
use super::pixel_memory::{MOST_BYTES, PixelMemory};
use super::{
    Bench, BenchPictures, ContactSheets, EditRoom, Live, LiveNotes, ModelItem, NewPicture, Nouns,
    Previews, Queue, RackGroup, ResultItem, Subject, Sweep, Talk, Timeline, Toasts, Training,
};

pub use shown::{Comparison, Preview, Shown};

/// Where the model is.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    /// Nobody has asked for it yet.
    Absent,
    /// It is being read.
    Loading(String),
    /// It is ready.
    Loaded(LoadedModel),
}

/// A model that is ready.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedModel {
    /// Its name.
    pub name: String,
    /// The hash over its files, in hex.
    pub hash: String,
    /// `cpu`, `cuda:0`, …
    pub device: String,
    /// Why that device.
    pub device_reason: String,
}

/// The studio.
#[derive(Debug)]
pub struct Studio {
    /// What the next picture is made from; the window's widgets change it in place.
    pub bench: Bench,
    /// How many pictures a render makes, each with its own seed.
    pub count: u32,
    /// What the canvas shows.
    pub shown: Shown,
    /// How it is compared with the pinned picture.
    pub comparison: Comparison,
    /// Whose sliders are unfolded; `None` shows all.
    pub selected_subject: Option<String>,
    /// Words that are subjects.
    pub nouns: Nouns,
    /// Pictures side by side.
    pub sweep: Sweep,
    /// Tools of the Edit workspace.
    pub edit: EditRoom,
    /// Trainings, and the pictures that they learn from.
    pub training: Training,
    /// Short messages.
    pub toasts: Toasts,
    pub(super) options: RenderOptions,
    queue: Queue,
    live: Live,
    /// Everything of the project but bench, results and layout.
    project: Project,
    results: Vec<ResultItem>,
    removed: BTreeSet<String>,
    starred: BTreeSet<String>,
    unsaved: Vec<NewPicture>,
    handed_over: Option<(Scene, usize)>,
    pixels: PixelMemory,
    /// Results whose pixels nobody has been asked for yet.
    wanted_pixels: BTreeSet<String>,
    /// Those that are being read, or could not be.
    asked_pixels: BTreeSet<String>,
    bench_pictures: BenchPictures,
    last_bench_picture: Option<Arc<Picture>>,
    preview: Option<Preview>,
    live_notes: LiveNotes,
    pinned: Option<Arc<Picture>>,
    model: ModelState,
    controls: Vec<FoundControl>,
    models: Vec<ModelItem>,
    adapters: Adapters,
    /// Which picture prompt wants a picture from a file.
    wanted_prompt_picture: Option<usize>,
    /// Which the pointer is over.
    pointed_picture_prompt: Option<usize>,
    controlnets: ControlNets,
    previews: Previews,
    contact_sheets: ContactSheets,
    talk: Talk,
    /// Those that the model's meter knows.
    meter_nouns: Vec<String>,
    subjects: Vec<Subject>,
    rack: Arc<[RackGroup]>,
    looked_at: Option<String>,
    controls_changed: bool,
    timeline: Timeline<Scene>,
    outbox: Vec<Command>,
    random: u64,
}

impl Studio {
    /// A studio with `recipe` on the bench. `options` say how pictures are made; whether a quick
    /// one comes first is decided here.
    pub fn new(recipe: Recipe, live: bool, options: RenderOptions) -> Self {
        let bench = Bench::new(recipe);
        let project_recipe = bench.recipe.clone();
        let scene = Scene {
            bench: bench.clone(),
            shown: Shown::Bench,
            removed: BTreeSet::new(),
            starred: BTreeSet::new(),
            sheet: None,
        };
        Self {
            bench,
            count: 1,
            shown: Shown::Bench,
            comparison: Comparison::Off,
            selected_subject: None,
            nouns: Nouns::with([]),
            sweep: Sweep::default(),
            edit: EditRoom::default(),
            training: Training::default(),
            toasts: Toasts::default(),
            options,
            queue: Queue::default(),
            live: Live::new(live, Instant::now()),
            project: Project::new("Untitled", project_recipe),
            results: Vec::new(),
            removed: BTreeSet::new(),
            starred: BTreeSet::new(),
            unsaved: Vec::new(),
            handed_over: None,
            pixels: PixelMemory::new(MOST_BYTES),
            wanted_pixels: BTreeSet::new(),
            asked_pixels: BTreeSet::new(),
            bench_pictures: BenchPictures::default(),
            last_bench_picture: None,
            preview: None,
            live_notes: LiveNotes::default(),
            pinned: None,
            model: ModelState::Absent,
            controls: Vec::new(),
            models: Vec::new(),
            wanted_prompt_picture: None,
            pointed_picture_prompt: None,
            adapters: Adapters::default(),
            controlnets: ControlNets::default(),
            previews: Previews::default(),
            contact_sheets: ContactSheets::default(),
            talk: Talk::default(),
            meter_nouns: Vec::new(),
            subjects: Vec::new(),
            rack: Arc::new([]),
            looked_at: None,
            controls_changed: false,
            timeline: Timeline::new(scene),
            outbox: Vec::new(),
            random: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos() as u64,
        }
    }

    /// The controls that there are.
    pub fn set_controls(&mut self, controls: Vec<FoundControl>, meter_nouns: Vec<String>) {
        let made_for = controls.iter().flat_map(|c| c.info.subjects.clone());
        self.nouns = Nouns::with(meter_nouns.iter().cloned().chain(made_for));
        self.meter_nouns = meter_nouns;
        self.forget_changed_controls(&controls);
        self.controls = controls;
        self.looked_at = None;
    }

    /// Subjects of the prompt in reading order.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The sliders that make sense for the prompt, shared: they are drawn every frame.
    pub fn rack(&self) -> Arc<[RackGroup]> {
        self.rack.clone()
    }

    /// How pictures are made.
    pub fn options(&self) -> &RenderOptions {
        &self.options
    }

    /// What waits and runs.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The same, to be rearranged.
    pub fn queue_mut(&mut self) -> &mut Queue {
        &mut self.queue
    }

    /// Where the model is.
    pub fn model(&self) -> &ModelState {
        &self.model
    }

    /// Whether the picture follows the bench.
    pub fn is_live(&self) -> bool {
        self.live.is_on()
    }

    /// Kept pictures in the order in which they were made.
    pub fn results(&self) -> impl DoubleEndedIterator<Item = &ResultItem> {
        self.results
            .iter()
            .filter(|r| !self.removed.contains(&r.id))
    }

    /// Whether a kept picture is marked.
    pub fn is_starred(&self, id: &str) -> bool {
        self.starred.contains(id)
    }

    /// Commands for the engine, in order; they are gone from here.
    pub fn take_outbox(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.outbox)
    }

    /// The controls that there are, as their files describe them.
    pub fn controls(&self) -> &[FoundControl] {
        &self.controls
    }

    /// Control files may have changed.
    pub fn look_for_controls_again(&mut self) {
        self.controls_changed = true;
    }

    /// Whether control files have changed since this was last asked.
    pub fn take_controls_changed(&mut self) -> bool {
        std::mem::take(&mut self.controls_changed)
    }

    /// Every recipe that can still be rendered, shown or saved from here.
    pub(super) fn all_recipes(&self) -> impl Iterator<Item = &Recipe> {
        let jobs = self.queue.jobs();
        let undone = self.timeline.states().iter();
        let benches = std::iter::once(&self.bench).chain(undone.map(|scene| &scene.bench));
        benches
            .flat_map(|bench| std::iter::once(&bench.recipe).chain(bench.aside.as_deref()))
            .chain(self.project.recipes.iter().map(|named| &named.recipe))
            .chain(self.results.iter().map(|result| result.recipe.as_ref()))
            .chain(self.sweep.cells().iter().map(|cell| &cell.recipe))
            .chain(self.bench_pictures.recipes())
            .chain(jobs.flat_map(|job| &job.recipes))
    }
}
