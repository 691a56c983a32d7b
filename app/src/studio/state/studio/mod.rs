//! The state behind the window, and what happens to it.

mod commands;
mod events;
mod keeping;
mod library;
mod measuring;
#[cfg(test)]
mod tests;
mod training;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vernier_engine::controls::FoundControl;
use vernier_engine::picture::Picture;
use vernier_engine::project::Project;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::{Command, RenderOptions};

use crate::studio::gpu::Pixels;

use super::pixel_memory::{MOST_BYTES, PixelMemory};
use super::{
    Bench, BenchPictures, ContactSheets, EditRoom, JobKind, Live, LiveStep, ModelItem, NewPicture,
    Nouns, Previews, Queue, RackGroup, ResultItem, Sheet, Subject, Sweep, Timeline, ToastKind,
    Toasts, Training, rack,
};

/// What the canvas shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// The bench's own picture.
    Bench,
    /// A kept one, by its id.
    Result(String),
}

/// How the shown picture is compared with the pinned one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Comparison {
    /// Not at all.
    Off,
    /// Left of the fraction it is the pinned one.
    Wipe(f32),
    /// How much each pixel differs, so many times enlarged.
    Heat(f32),
}

/// A look at the picture that is being made.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The pixels, or latents that the GPU colours.
    pub pixels: Pixels,
    /// What it is, for people.
    pub note: String,
}

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

/// What undo goes back to. Pictures that were made are never undone.
#[derive(Debug, Clone, PartialEq)]
struct Scene {
    bench: Bench,
    shown: Shown,
    removed: BTreeSet<String>,
    starred: BTreeSet<String>,
    sheet: Option<Arc<Sheet>>,
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
    pinned: Option<Arc<Picture>>,
    model: ModelState,
    controls: Vec<FoundControl>,
    models: Vec<ModelItem>,
    previews: Previews,
    contact_sheets: ContactSheets,
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
            pinned: None,
            model: ModelState::Absent,
            controls: Vec::new(),
            models: Vec::new(),
            previews: Previews::default(),
            contact_sheets: ContactSheets::default(),
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

    /// The kept picture that is shown.
    pub fn shown_result(&self) -> Option<&ResultItem> {
        let Shown::Result(id) = &self.shown else {
            return None;
        };
        self.results().find(|result| result.id == *id)
    }

    /// The recipe of the shown picture, or of the bench.
    pub fn shown_recipe(&self) -> &Recipe {
        match self.shown_result() {
            Some(result) => &result.recipe,
            None => &self.bench.recipe,
        }
    }

    /// What the canvas shows, and whether it is what the bench asks for, in full.
    pub fn shown_pixels(&self) -> Option<(Pixels, bool)> {
        if let Some((picture, true)) = self.shown_picture() {
            return Some((Pixels::Picture(picture), true));
        }
        if let (Shown::Bench, Some(preview)) = (&self.shown, &self.preview) {
            return Some((preview.pixels.clone(), false));
        }
        let (picture, _) = self.shown_picture()?;
        Some((Pixels::Picture(picture), false))
    }

    /// The picture that is shown, and whether it is what the bench asks for; the last one of the
    /// bench where that is still being made.
    pub fn shown_picture(&self) -> Option<(Arc<Picture>, bool)> {
        if let Some(result) = self.shown_result() {
            return Some((result.picture.clone()?, true));
        }
        if let Some(made) = self.bench_pictures.get(&self.bench.recipe) {
            return Some((made.picture.clone(), true));
        }
        Some((self.last_bench_picture.clone()?, false))
    }

    /// The prompt of the bench's picture, where the bench's own leaves something open.
    pub fn chosen_prompt(&self) -> Option<&str> {
        let made = self.bench_pictures.get(&self.bench.recipe)?;
        let chosen = &made.recipe.prompt;
        (*chosen != self.bench.recipe.prompt).then_some(chosen.as_str())
    }

    /// What the look at the unfinished picture is, where one is shown.
    pub fn preview_note(&self) -> Option<&str> {
        Some(self.preview.as_ref()?.note.as_str())
    }

    /// The picture to compare with.
    pub fn pinned(&self) -> Option<&Arc<Picture>> {
        self.pinned.as_ref()
    }

    /// Commands for the engine, in order; they are gone from here.
    pub fn take_outbox(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.outbox)
    }

    /// Looks at everything once a frame; `is_interacting` while a slider is held or a word typed.
    /// Gives the time after which it wants to look again, where nothing else happens.
    pub fn tick(&mut self, now: Instant, is_interacting: bool) -> Option<Duration> {
        if self.looked_at.as_ref() != Some(&self.bench.recipe.prompt) {
            self.look_at_prompt();
        }
        self.place_wanted();
        self.look_after_pixels();
        for sentence in self.training.take_messages() {
            self.toasts.push(ToastKind::Trouble, sentence, None);
        }
        let scene = self.scene();
        self.timeline.observe(&scene, is_interacting);
        self.edit.settle(self.bench.recipe.regions.len());
        if !self.has_unfinished_region() {
            self.live.observe(&self.bench.recipe, now);
        }
        if self.live.is_on() && self.bench_pictures.get(&self.bench.recipe).is_some() {
            self.live.is_shown(&self.bench.recipe);
        }
        match self.live.step(now) {
            LiveStep::Interrupt => self.cancel_running(true),
            LiveStep::Start if self.is_measuring() => {}
            // A slider goes before a batch, which goes on afterwards.
            LiveStep::Start if self.queue.running().is_some() => self.cancel_running(true),
            LiveStep::Start => {
                let recipe = self.live.start();
                self.start_next(recipe);
            }
            LiveStep::Wait(pause) => return Some(pause),
            LiveStep::Rest => self.start_next(None),
        }
        None
    }

    /// Whether a region still waits for its words: nothing can be rendered until they are there.
    pub fn has_unfinished_region(&self) -> bool {
        let mut regions = self.bench.recipe.regions.iter();
        regions.any(|region| region.prompt.trim().is_empty())
    }

    fn look_at_prompt(&mut self) {
        self.subjects = self.nouns.subjects_of(&self.bench.recipe.prompt);
        self.rack = rack(&self.controls, &self.subjects).into();
        self.looked_at = Some(self.bench.recipe.prompt.clone());
        let is_there = |noun: &String| self.subjects.iter().any(|s| s.noun == *noun);
        self.selected_subject = self.selected_subject.take().filter(is_there);
    }

    /// Makes a word of the prompt a subject, or no longer one.
    pub fn toggle_subject(&mut self, word: &str) {
        self.nouns.toggle(word);
        self.looked_at = None;
    }

    fn start_next(&mut self, live: Option<Recipe>) {
        let Some(job) = self.queue.start_next(live) else {
            return;
        };
        self.preview = None;
        let options = RenderOptions {
            coarse_first: job.kind == JobKind::Live,
            ..self.options.clone()
        };
        self.outbox.push(match &job.measure {
            Some(request) => Command::Measure {
                job: job.id,
                request: request.clone(),
                options,
            },
            None => Command::Render {
                job: job.id,
                recipes: job.recipes.clone(),
                options,
            },
        });
    }

    fn cancel_running(&mut self, comes_back: bool) {
        if let Some(id) = self.queue.cancel_running(comes_back) {
            self.outbox.push(Command::Cancel(id));
        }
    }

    fn is_measuring(&self) -> bool {
        let running = self.queue.running();
        running.is_some_and(|running| running.job.kind == JobKind::Measure)
    }

    /// The controls that there are, as their files describe them.
    pub fn controls(&self) -> &[FoundControl] {
        &self.controls
    }

    /// Whether control files have changed since this was last asked.
    pub fn take_controls_changed(&mut self) -> bool {
        std::mem::take(&mut self.controls_changed)
    }

    /// Every recipe that can still be rendered, shown or saved from here.
    pub(super) fn all_recipes(&self) -> impl Iterator<Item = &Recipe> {
        let jobs = self.queue.jobs();
        let undone = self.timeline.states().iter();
        std::iter::once(&self.bench.recipe)
            .chain(undone.map(|scene| &scene.bench.recipe))
            .chain(self.project.recipes.iter().map(|named| &named.recipe))
            .chain(self.results.iter().map(|result| result.recipe.as_ref()))
            .chain(self.sweep.cells().iter().map(|cell| &cell.recipe))
            .chain(self.bench_pictures.recipes())
            .chain(jobs.flat_map(|job| &job.recipes))
    }

    fn scene(&self) -> Scene {
        Scene {
            bench: self.bench.clone(),
            shown: self.shown.clone(),
            removed: self.removed.clone(),
            starred: self.starred.clone(),
            sheet: self.training.sheet().cloned(),
        }
    }

    fn go_to(&mut self, scene: Scene) {
        self.bench = scene.bench;
        self.shown = scene.shown;
        self.removed = scene.removed;
        self.starred = scene.starred;
        self.training.set_sheet(scene.sheet);
    }
}
