//! The state behind the window, and what happens to it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vernier_engine::controls::FoundControl;
use vernier_engine::picture::Picture;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::{Command, Event, JobId};

use super::{
    Bench, BenchPictures, ControlKey, JobKind, Live, LiveStep, Made, Nouns, Progress, Queue,
    RackGroup, ResultItem, Subject, Timeline, ToastKind, Toasts, rack,
};
use crate::studio::command::UiCommand;
use crate::studio::link;

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

/// A quick look at the bench's picture.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The pixels.
    pub picture: Arc<Picture>,
    /// Sampling steps that it was made with.
    pub steps: u32,
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
}

/// The studio.
#[derive(Debug)]
pub struct Studio {
    /// What the next picture is made from; the window's widgets change it in place.
    pub bench: Bench,
    /// How many pictures [`UiCommand::Render`] makes, each with its own seed.
    pub count: u32,
    /// What the canvas shows.
    pub shown: Shown,
    /// How it is compared with the pinned picture.
    pub comparison: Comparison,
    /// Whose sliders are unfolded; `None` shows all.
    pub selected_subject: Option<String>,
    /// Words that are subjects.
    pub nouns: Nouns,
    /// Short messages.
    pub toasts: Toasts,
    queue: Queue,
    live: Live,
    results: Vec<ResultItem>,
    removed: BTreeSet<String>,
    starred: BTreeSet<String>,
    bench_pictures: BenchPictures,
    last_bench_picture: Option<Arc<Picture>>,
    preview: Option<Preview>,
    pinned: Option<Arc<Picture>>,
    model: ModelState,
    controls: Vec<FoundControl>,
    subjects: Vec<Subject>,
    rack: Vec<RackGroup>,
    looked_at: Option<String>,
    timeline: Timeline<Scene>,
    outbox: Vec<Command>,
    random: u64,
}

impl Studio {
    /// A studio with `recipe` on the bench.
    pub fn new(recipe: Recipe, live: bool) -> Self {
        let bench = Bench::new(recipe);
        let scene = Scene {
            bench: bench.clone(),
            shown: Shown::Bench,
            removed: BTreeSet::new(),
            starred: BTreeSet::new(),
        };
        Self {
            bench,
            count: 1,
            shown: Shown::Bench,
            comparison: Comparison::Off,
            selected_subject: None,
            nouns: Nouns::with([]),
            toasts: Toasts::default(),
            queue: Queue::default(),
            live: Live::new(live, Instant::now()),
            results: Vec::new(),
            removed: BTreeSet::new(),
            starred: BTreeSet::new(),
            bench_pictures: BenchPictures::default(),
            last_bench_picture: None,
            preview: None,
            pinned: None,
            model: ModelState::Absent,
            controls: Vec::new(),
            subjects: Vec::new(),
            rack: Vec::new(),
            looked_at: None,
            timeline: Timeline::new(scene),
            outbox: Vec::new(),
            random: unix_time().as_nanos() as u64,
        }
    }

    /// The controls that there are.
    pub fn set_controls(&mut self, controls: Vec<FoundControl>, meter_nouns: Vec<String>) {
        let made_for = controls.iter().flat_map(|c| c.info.subjects.clone());
        self.nouns = Nouns::with(meter_nouns.into_iter().chain(made_for));
        self.controls = controls;
        self.looked_at = None;
    }

    /// Subjects of the prompt in reading order.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// The sliders that make sense for the prompt.
    pub fn rack(&self) -> &[RackGroup] {
        &self.rack
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

    /// The pixels that the canvas shows, and whether they are what the bench asks for, in full.
    pub fn shown_picture(&self) -> Option<(Arc<Picture>, bool)> {
        if let Some(result) = self.shown_result() {
            return Some((result.picture.clone()?, true));
        }
        if let Some(made) = self.bench_pictures.get(&self.bench.recipe) {
            return Some((made.picture.clone(), true));
        }
        let coarse = self.preview.as_ref().map(|preview| preview.picture.clone());
        Some((coarse.or_else(|| self.last_bench_picture.clone())?, false))
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
        let scene = self.scene();
        self.timeline.observe(&scene, is_interacting);
        self.live.observe(&self.bench.recipe, now);
        if self.live.is_on() && self.bench_pictures.get(&self.bench.recipe).is_some() {
            self.live.is_shown(&self.bench.recipe);
        }
        let step = self.live.step(now);
        match step {
            LiveStep::Interrupt => self.cancel_running(true),
            // A slider goes before a batch, which goes on afterwards.
            LiveStep::Start if self.queue.running().is_some() => self.cancel_running(true),
            LiveStep::Start => {
                let recipe = self.live.start();
                self.start_next(recipe);
            }
            LiveStep::Rest | LiveStep::Wait(_) => {}
        }
        if step == LiveStep::Rest {
            self.start_next(None);
        }
        match step {
            LiveStep::Wait(pause) => Some(pause),
            _ => None,
        }
    }

    fn look_at_prompt(&mut self) {
        self.subjects = self.nouns.subjects_of(&self.bench.recipe.prompt);
        self.rack = rack(&self.controls, &self.subjects);
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
        self.outbox.push(Command::Render {
            job: job.id,
            recipes: job.recipes.clone(),
            options: link::options(job.kind == JobKind::Live),
        });
    }

    fn cancel_running(&mut self, comes_back: bool) {
        if let Some(id) = self.queue.cancel_running(comes_back) {
            self.outbox.push(Command::Cancel(id));
        }
    }

    fn scene(&self) -> Scene {
        Scene {
            bench: self.bench.clone(),
            shown: self.shown.clone(),
            removed: self.removed.clone(),
            starred: self.starred.clone(),
        }
    }

    fn go_to(&mut self, scene: Scene) {
        self.bench = scene.bench;
        self.shown = scene.shown;
        self.removed = scene.removed;
        self.starred = scene.starred;
    }

    /// Whether a command makes sense now; menus grey out the others.
    pub fn allows(&self, command: UiCommand) -> bool {
        match command {
            UiCommand::CancelCurrent => self.queue.running().is_some(),
            UiCommand::CancelPending => self.queue.pending().len() > 0,
            UiCommand::CancelAll => {
                self.queue.running().is_some() || self.queue.pending().len() > 0
            }
            UiCommand::Keep => {
                self.shown == Shown::Bench && self.bench_pictures.get(&self.bench.recipe).is_some()
            }
            UiCommand::Undo => self.timeline.can_undo(&self.scene()),
            UiCommand::Redo => self.timeline.can_redo(&self.scene()),
            UiCommand::ResetControls => !self.bench.recipe.controls.is_empty(),
            UiCommand::AdoptResult | UiCommand::StarResult | UiCommand::RemoveResult => {
                self.shown_result().is_some()
            }
            UiCommand::PreviousResult | UiCommand::NextResult => self.results().next().is_some(),
            UiCommand::CycleComparison => self.pinned.is_some(),
            UiCommand::CopyPicture | UiCommand::PinForComparison | UiCommand::ExportPicture => {
                self.shown_picture().is_some()
            }
            _ => true,
        }
    }

    /// Does what needs no window; `false` for the other commands.
    pub fn apply(&mut self, command: UiCommand) -> bool {
        if !self.allows(command) {
            return true;
        }
        match command {
            UiCommand::Render => self.render(),
            UiCommand::CancelCurrent => self.cancel_running(false),
            UiCommand::CancelPending => self.queue.clear_pending(),
            UiCommand::CancelAll => {
                self.queue.clear_pending();
                self.cancel_running(false);
            }
            UiCommand::Keep => self.keep(),
            UiCommand::ToggleLive => {
                self.live.set_on(!self.live.is_on());
                self.live.again();
            }
            UiCommand::NewSeed => self.bench.recipe.seed = self.random_seed(),
            UiCommand::NextSeed => {
                self.bench.recipe.seed = self.bench.recipe.seed.wrapping_add(1);
            }
            UiCommand::PreviousSeed => {
                self.bench.recipe.seed = self.bench.recipe.seed.wrapping_sub(1);
            }
            UiCommand::Undo => {
                let present = self.scene();
                if let Some(scene) = self.timeline.undo(&present).cloned() {
                    self.go_to(scene);
                }
            }
            UiCommand::Redo => {
                let present = self.scene();
                if let Some(scene) = self.timeline.redo(&present).cloned() {
                    self.go_to(scene);
                }
            }
            UiCommand::ResetControls => self.reset_controls(),
            UiCommand::AdoptResult => {
                if let Some(recipe) = self.shown_result().map(|r| r.recipe.clone()) {
                    self.adopt(&recipe);
                }
            }
            UiCommand::PreviousResult => self.walk_results(-1),
            UiCommand::NextResult => self.walk_results(1),
            UiCommand::StarResult => {
                if let Some(id) = self.shown_result().map(|r| r.id.clone())
                    && !self.starred.remove(&id)
                {
                    self.starred.insert(id);
                }
            }
            UiCommand::RemoveResult => self.remove_result(),
            UiCommand::PinForComparison => {
                self.pinned = self.shown_picture().map(|(picture, _)| picture);
                self.comparison = Comparison::Wipe(0.5);
            }
            UiCommand::CycleComparison => {
                self.comparison = match self.comparison {
                    Comparison::Off => Comparison::Wipe(0.5),
                    Comparison::Wipe(_) => Comparison::Heat(4.0),
                    Comparison::Heat(_) => Comparison::Off,
                }
            }
            _ => return false,
        }
        true
    }

    /// Takes a recipe onto the bench and shows what comes of it.
    pub fn adopt(&mut self, recipe: &Recipe) {
        self.bench.adopt(recipe);
        self.shown = Shown::Bench;
    }

    /// Begins anew with `recipe` on the bench; everything that waits or runs is cancelled.
    pub fn start_over(&mut self, recipe: Recipe) {
        self.apply(UiCommand::CancelAll);
        self.adopt(&recipe);
        self.results.clear();
        self.removed.clear();
        self.starred.clear();
        self.bench.locked.clear();
        self.pinned = None;
        self.timeline = Timeline::new(self.scene());
    }

    /// A slider was moved: the canvas follows the bench again.
    pub fn set_control(
        &mut self,
        key: &ControlKey,
        setting: Option<(vernier_engine::recipe::ControlScale, f64)>,
    ) {
        self.bench.set_control(key, setting);
        self.shown = Shown::Bench;
    }

    fn render(&mut self) {
        let seed = self.bench.recipe.seed;
        let mut wanted = Vec::new();
        for i in 0..u64::from(self.count.max(1)) {
            let mut recipe = self.bench.recipe.clone();
            recipe.seed = seed.wrapping_add(i);
            match self.bench_pictures.get(&recipe).cloned() {
                // Live has made it already, and the same recipe gives the same picture.
                Some(made) => self.add_result(made),
                None => wanted.push(recipe),
            }
        }
        if !wanted.is_empty() {
            self.queue.push(wanted);
        }
    }

    fn keep(&mut self) {
        if let Some(made) = self.bench_pictures.get(&self.bench.recipe).cloned() {
            self.add_result(made);
        }
    }

    fn add_result(&mut self, made: Made) {
        let is_same = |r: &ResultItem| r.recipe == made.recipe && !self.removed.contains(&r.id);
        if let Some(known) = self.results.iter().find(|r| is_same(r)) {
            self.shown = Shown::Result(known.id.clone());
            return;
        }
        let now = unix_time();
        let id = format!("{:016x}-{}", now.as_nanos() as u64, self.results.len());
        self.shown = Shown::Result(id.clone());
        self.results.push(ResultItem {
            id,
            recipe: made.recipe,
            picture: Some(made.picture),
            secs: made.secs,
            made_at_unix_secs: now.as_secs(),
        });
    }

    fn reset_controls(&mut self) {
        let bench = &self.bench;
        let keys = bench.recipe.controls.iter().map(ControlKey::of);
        let free: Vec<ControlKey> = keys.filter(|key| !bench.is_locked(key)).collect();
        for key in free {
            self.bench.set_control(&key, None);
        }
        self.shown = Shown::Bench;
    }

    fn walk_results(&mut self, by: isize) {
        let ids: Vec<String> = self.results().map(|r| r.id.clone()).collect();
        let last = ids.len().saturating_sub(1);
        let to = match &self.shown {
            Shown::Bench if by < 0 => last,
            Shown::Bench => 0,
            Shown::Result(id) => {
                let at = ids.iter().position(|known| known == id).unwrap_or(last);
                at.saturating_add_signed(by).min(last)
            }
        };
        if let Some(id) = ids.into_iter().nth(to) {
            self.shown = Shown::Result(id);
        }
    }

    fn remove_result(&mut self) {
        let Some(id) = self.shown_result().map(|r| r.id.clone()) else {
            return;
        };
        let ids: Vec<String> = self.results().map(|r| r.id.clone()).collect();
        let at = ids.iter().position(|known| *known == id).unwrap_or(0);
        let neighbour = ids.get(at + 1).or_else(|| ids.get(at.checked_sub(1)?));
        self.shown = neighbour.map_or(Shown::Bench, |id| Shown::Result(id.clone()));
        self.removed.insert(id);
        let text = "The picture was removed from the project";
        self.toasts
            .push(ToastKind::Done, text, Some(UiCommand::Undo));
    }

    /// SplitMix64: seeds need no better source, and this one needs no dependency.
    fn random_seed(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // libtorch uses 32 bits of a seed; short ones are easier to talk about, too.
        (z ^ (z >> 31)) & 0xFFFF_FFFF
    }

    /// Takes in what the engine tells.
    pub fn receive(&mut self, event: Event) {
        match event {
            Event::ModelLoading { model, .. } => self.model = ModelState::Loading(model),
            Event::ModelLoaded {
                model,
                hash,
                device,
                device_reason,
                ..
            } => {
                self.model = ModelState::Loaded(LoadedModel {
                    name: model,
                    hash,
                    device,
                    device_reason,
                });
            }
            Event::Note { message, .. } => self.toasts.push(ToastKind::Note, message, None),
            Event::Progress {
                job,
                picture,
                step,
                steps,
                its_per_sec,
                eta_secs,
                ..
            } => {
                let progress = Progress {
                    picture,
                    step,
                    steps,
                    its_per_sec,
                    eta_secs,
                };
                self.queue.progress(job, progress);
            }
            Event::Preview {
                job,
                picture,
                steps,
                ..
            } if self.is_running(job, JobKind::Live) => {
                self.preview = Some(Preview {
                    picture: Arc::new(picture),
                    steps,
                });
                self.live.previewed();
            }
            Event::Picture {
                job,
                index,
                picture,
                recipe,
                secs,
                ..
            } => self.take_picture(job, index, picture, *recipe, secs),
            Event::Finished { job } => self.ended(job, false),
            Event::Cancelled { job } => self.ended(job, true),
            Event::Failed { job, message, .. } => {
                self.toasts.push(ToastKind::Trouble, message, None);
                // What made it fail would make it fail again.
                self.queue.cancel_running(false);
                self.ended(job, false);
            }
            Event::Queued { .. }
            | Event::Started { .. }
            | Event::Preview { .. }
            | Event::Measured { .. } => {}
        }
    }

    fn is_running(&self, job: JobId, kind: JobKind) -> bool {
        let running = self.queue.running();
        running.is_some_and(|r| r.job.id == job && r.job.kind == kind)
    }

    fn take_picture(
        &mut self,
        job: JobId,
        index: usize,
        picture: Picture,
        recipe: Recipe,
        secs: f64,
    ) {
        let Some(running) = self.queue.running().filter(|r| r.job.id == job) else {
            return;
        };
        let Some(asked) = running.job.recipes.get(index).cloned() else {
            return;
        };
        let kind = running.job.kind;
        let made = Made {
            picture: Arc::new(picture),
            recipe: Arc::new(recipe),
            secs,
        };
        let done = Progress {
            picture: index + 1,
            ..running.progress
        };
        self.queue.progress(job, done);
        self.bench_pictures.insert(asked, made.clone());
        match kind {
            JobKind::Live => {
                self.last_bench_picture = Some(made.picture);
                self.preview = None;
            }
            JobKind::Batch => self.add_result(made),
        }
    }

    fn ended(&mut self, job: JobId, was_cancelled: bool) {
        let Some(running) = self.queue.running().filter(|r| r.job.id == job) else {
            return;
        };
        let by_artist = running.is_cancelled && !running.comes_back;
        let (kind, done) = (running.job.kind, running.progress.picture);
        self.queue.ended(job, done);
        if kind == JobKind::Live {
            // One that the artist stopped is not begun again until something changes.
            self.live.ended(was_cancelled && !by_artist);
        }
    }
}

fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
