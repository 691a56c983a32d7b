//! What happens when somebody asks for something.

use super::super::{ControlKey, JobKind, Made, NewPicture, ResultItem, ToastKind};
use super::{Comparison, Shown, Studio};
use crate::studio::command::UiCommand;
use vernier_engine::project::ResultEntry;
use vernier_engine::recipe::{ControlScale, Recipe};

impl Studio {
    /// Whether a command makes sense now; menus grey out the others.
    pub fn allows(&self, command: UiCommand) -> bool {
        match command {
            UiCommand::CancelCurrent => {
                self.queue.running().is_some() || self.edit.stroke().is_some()
            }
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
            _ => self.allows_on_mask(command),
        }
    }

    /// Does what needs no window; `false` for the other commands.
    pub fn apply(&mut self, command: UiCommand) -> bool {
        if !self.allows(command) {
            return true;
        }
        match command {
            UiCommand::Render => self.render(),
            UiCommand::CancelCurrent => {
                if !self.cancel_stroke() {
                    self.cancel_running(false);
                }
            }
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
                self.cancel_stroke();
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
            UiCommand::ToggleTraining => self.toggle_training(),
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
            _ => return self.apply_to_mask(command),
        }
        true
    }

    /// Takes a recipe onto the bench and shows what comes of it.
    pub fn adopt(&mut self, recipe: &Recipe) {
        self.bench.adopt(recipe);
        self.shown = Shown::Bench;
    }

    /// A slider was moved: the canvas follows the bench again.
    pub fn set_control(&mut self, key: &ControlKey, setting: Option<(ControlScale, f64)>) {
        self.bench.set_control(key, setting);
        self.shown = Shown::Bench;
    }

    pub(super) fn render(&mut self) {
        let seed = self.bench.recipe.seed;
        let recipes = (0..u64::from(self.count.max(1))).map(|i| Recipe {
            seed: seed.wrapping_add(i),
            ..self.bench.recipe.clone()
        });
        let recipes = recipes.collect();
        if self.ask_for(JobKind::Batch, recipes) {
            // Where the first of them will be seen in the making.
            self.shown = Shown::Bench;
        }
    }

    /// Renders the sweep over the bench; cells that the bench has shown are there at once.
    pub fn start_sweep(&mut self) {
        let recipes = self.sweep.lay_out(&self.bench.recipe);
        self.ask_for(JobKind::Sweep, recipes);
    }

    pub(super) fn keep(&mut self) {
        if let Some(made) = self.bench_pictures.get(&self.bench.recipe).cloned() {
            self.add_result(made);
        }
    }

    /// Adds a picture to the project and shows it; one that is there already is shown.
    pub fn add_result(&mut self, made: Made) {
        let is_same = |r: &ResultItem| r.recipe == made.recipe && !self.removed.contains(&r.id);
        if let Some(known) = self.results.iter().find(|r| is_same(r)) {
            self.shown = Shown::Result(known.id.clone());
            return;
        }
        let entry = ResultEntry::new((*made.recipe).clone(), made.secs, &self.project);
        let result = ResultItem::of(entry, Some(made.picture.clone()));
        self.shown = Shown::Result(result.id.clone());
        self.pixels.touch(&result.id);
        self.unsaved.push(NewPicture {
            id: result.id.clone(),
            picture: made.picture,
            recipe: result.recipe.clone(),
        });
        self.results.push(result);
    }

    pub(super) fn reset_controls(&mut self) {
        let bench = &self.bench;
        let keys = bench.recipe.controls.iter().map(ControlKey::of);
        let free: Vec<ControlKey> = keys.filter(|key| !bench.is_locked(key)).collect();
        for key in free {
            self.bench.set_control(&key, None);
        }
        self.shown = Shown::Bench;
    }

    pub(super) fn walk_results(&mut self, by: isize) {
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

    pub(super) fn remove_result(&mut self) {
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
    pub(super) fn random_seed(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        // libtorch uses 32 bits of a seed; short ones are easier to talk about, too.
        (z ^ (z >> 31)) & 0xFFFF_FFFF
    }
}
