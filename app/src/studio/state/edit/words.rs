//! Changing things of the source by words.

use std::sync::Arc;

use vernier_engine::picture::{Mask, Picture};
use vernier_engine::recipe::{Change, Edit};
use vernier_engine::render::EditReport;

use super::super::{Shown, Studio, ToastKind};
use super::{EditShows, Layer, ShownMask};
use crate::studio::command::UiCommand;

/// Of two things whose places overlap by more than this part of the smaller one, each may take
/// from the other.
const MOST_OVERLAP: f64 = 0.05;

/// What an edit by words did, for people.
#[derive(Debug, Clone)]
pub struct EditOutcome {
    /// What the engine reports.
    pub report: Arc<EditReport>,
    /// Each thing that was to change.
    pub things: Vec<ChangedThing>,
    /// Pairs of things whose places overlap, by their words, and the part of the smaller one.
    pub overlaps: Vec<(String, String, f64)>,
    /// The picture as the model drew it.
    pub drawn: Arc<Picture>,
}

/// What happened where one thing is.
#[derive(Debug, Clone)]
pub struct ChangedThing {
    /// Its words before.
    pub from: String,
    /// Where it was found, or painted.
    pub place: ShownMask,
    /// The part of the picture that it covers, 0 to 1.
    pub share: f64,
    /// By how much its pixels changed in the mean, in 255ths.
    pub mean_change: f64,
}

impl EditOutcome {
    /// From what the engine reports of `edit` on `source`, which has the picture's size where it is
    /// at hand.
    pub(in super::super) fn of(
        report: EditReport,
        edit: &Edit,
        source: Option<&Picture>,
        mut next_revision: impl FnMut() -> u64,
    ) -> Self {
        let masks: Vec<(String, Arc<Mask>)> = report
            .masks
            .iter()
            .map(|(at, mask)| {
                let from = edit.changes.get(*at).map(|change| change.from.clone());
                (from.unwrap_or_default(), Arc::new(mask.clone()))
            })
            .collect();
        let mut overlaps = Vec::new();
        for (at, (one, first)) in masks.iter().enumerate() {
            for (other, second) in masks.iter().skip(at + 1) {
                let part = overlap(first, second);
                if part > MOST_OVERLAP {
                    overlaps.push((one.clone(), other.clone(), part));
                }
            }
        }
        let things = masks.into_iter().map(|(from, mask)| ChangedThing {
            from,
            share: mask.share(),
            mean_change: source.map_or(0.0, |source| change_within(&mask, source, &report.drawn)),
            place: ShownMask {
                mask,
                revision: next_revision(),
            },
        });
        Self {
            things: things.collect(),
            overlaps,
            drawn: Arc::new(report.drawn.clone()),
            report: Arc::new(report),
        }
    }

    /// Its size in memory, about, in bytes.
    pub(in super::super) fn bytes(&self) -> usize {
        let drawn = self.drawn.rgb.len();
        // Both are there twice: as reported, and to be shared.
        2 * (drawn + self.things.len() * drawn / 3)
    }
}

/// How much of the smaller of two places is the other's, too: 0 to 1.
fn overlap(first: &Mask, second: &Mask) -> f64 {
    let sum = |mask: &Mask| -> u64 { mask.coverage().iter().map(|c| u64::from(*c)).sum() };
    let pairs = first.coverage().iter().zip(second.coverage());
    let both: u64 = pairs.map(|(a, b)| u64::from(*a.min(b))).sum();
    let smaller = sum(first).min(sum(second)).max(1);
    both as f64 / smaller as f64
}

/// The mean difference of all channels where `mask` covers, in 255ths.
fn change_within(mask: &Mask, before: &Picture, after: &Picture) -> f64 {
    if before.rgb.len() != after.rgb.len() {
        return 0.0;
    }
    let pixels = before.rgb.chunks_exact(3).zip(after.rgb.chunks_exact(3));
    let (mut sum, mut weight) = (0_u64, 0_u64);
    for ((old, new), coverage) in pixels.zip(mask.coverage()).filter(|(_, c)| **c > 0) {
        let difference: u64 = old
            .iter()
            .zip(new)
            .map(|(a, b)| u64::from(a.abs_diff(*b)))
            .sum();
        sum += difference * u64::from(*coverage);
        weight += 3 * u64::from(*coverage);
    }
    sum as f64 / weight.max(1) as f64
}

impl Studio {
    /// From editing by paint to editing by words, or back; what belongs to the one waits for the
    /// artist to come back.
    pub fn toggle_edit_by_words(&mut self) {
        if self.bench.recipe.source.is_none() && !self.use_shown_as_source() {
            return;
        }
        self.edit.stroke = None;
        self.bench.toggle_edit_by_words();
        let by_words = self.bench.is_edited_by_words();
        self.edit.layer = if by_words {
            Layer::Change(0)
        } else {
            Layer::Mask
        };
        if !by_words && matches!(self.edit.shows, EditShows::Heat(_)) {
            self.edit.shows = EditShows::Result;
        }
        self.shown = Shown::Bench;
    }

    /// Adds a change without words yet.
    pub fn add_change(&mut self) {
        if !self.bench.is_edited_by_words() {
            self.toggle_edit_by_words();
            return;
        }
        if let Some(edit) = &mut self.bench.recipe.edit {
            edit.changes.push(Change::new("", ""));
            self.edit.layer = Layer::Change(edit.changes.len() - 1);
        }
        self.shown = Shown::Bench;
    }

    /// Takes a change away with its words and its place.
    pub fn remove_change(&mut self, index: usize) {
        if let Some(edit) = &mut self.bench.recipe.edit
            && index < edit.changes.len()
        {
            edit.changes.remove(index);
            self.edit.layer = match self.edit.layer {
                Layer::Change(own) if own > index => Layer::Change(own - 1),
                other => other,
            };
            self.shown = Shown::Bench;
        }
    }

    /// Why a change cannot be made, where it cannot: a sentence for its row.
    pub fn change_problem(&self, index: usize) -> Option<String> {
        let edit = self.bench.recipe.edit.as_ref()?;
        let change = edit.changes.get(index)?;
        if change.from.trim().is_empty() || change.to.trim().is_empty() {
            return Some(
                "Say what it is, in words of the prompt, and what it shall be.".to_owned(),
            );
        }
        let mut alone = change.clone();
        // A muted one may be wrong as well, and its row should say so.
        alone.muted = false;
        let alone = Edit::new(vec![alone]);
        if let Err(e) = alone.validate(&self.bench.recipe.prompt) {
            return Some(e.to_string());
        }
        // What only the model can tell, it has told in its last answer.
        let (recipe, sentence) = self.edit.failed.as_ref()?;
        let own = format!("edit \"{}\"", change.from);
        (*recipe == self.bench.recipe && sentence.starts_with(&own)).then(|| sentence.clone())
    }

    /// Why the edit cannot be rendered, where that can be told without rendering it.
    pub fn edit_problem(&self) -> Option<String> {
        let edit = self.bench.recipe.edit.as_ref()?;
        if self.bench.recipe.source.is_none() {
            return Some(
                "There is no picture to change: open one, or use the shown one.".to_owned(),
            );
        }
        if edit.changes.is_empty() {
            return Some("Nothing is to change yet: add a change.".to_owned());
        }
        if edit.changes.iter().all(|change| change.muted) {
            return Some("All changes are muted.".to_owned());
        }
        let at_work = (0..edit.changes.len()).filter(|&at| !edit.changes[at].muted);
        let mut known = at_work.filter_map(|at| self.change_problem(at));
        if let Some(problem) = known.next() {
            return Some(problem);
        }
        let whole = edit.validate(&self.bench.recipe.prompt);
        whole.err().map(|e| e.to_string())
    }

    /// Where the change `index` was found when it was last looked for; a painted place is not
    /// meant.
    pub fn found_place(&self, index: usize) -> Option<ShownMask> {
        let edit = self.bench.recipe.edit.as_ref()?;
        let change = edit.changes.get(index).filter(|c| c.mask.is_none())?;
        let outcome = self.edit.last_outcome.as_ref()?;
        let mut things = outcome.things.iter();
        let thing = things.find(|thing| thing.from == change.from)?;
        let size_px = [thing.place.mask.width_px(), thing.place.mask.height_px()];
        (size_px == self.edit_size_px()).then(|| thing.place.clone())
    }

    /// The place that was found for a change becomes one that can be painted on; where none was
    /// found yet, an empty one does when the first stroke is made.
    pub fn paint_change(&mut self, index: usize) {
        let layer = Layer::Change(index);
        self.edit.layer = layer;
        if let Some(found) = self.found_place(index) {
            self.put_mask(layer, &found.mask);
        }
    }

    /// The model looks for the thing again.
    pub fn find_change(&mut self, index: usize) {
        if let Some(edit) = &mut self.bench.recipe.edit
            && let Some(change) = edit.changes.get_mut(index)
        {
            change.mask = None;
            self.shown = Shown::Bench;
        }
    }

    /// What the engine reports of an edit, ready to be shown.
    pub(in super::super) fn outcome_of(
        &mut self,
        report: EditReport,
        recipe: &vernier_engine::recipe::Recipe,
    ) -> Option<Arc<EditOutcome>> {
        let edit = recipe.edit.as_ref()?;
        let of = recipe.source.as_ref()?;
        let source = self.options.pictures.get(&of.picture).ok();
        let source = source.map(|s| s.covering(recipe.width_px, recipe.height_px));
        let layers = &mut self.edit.layers;
        let next_revision = || layers.next_revision();
        let outcome = EditOutcome::of(report, edit, source.as_ref(), next_revision);
        let outcome = Arc::new(outcome);
        self.edit.last_outcome = Some(outcome.clone());
        Some(outcome)
    }

    /// A job with an edit has failed: what belongs to a row is told there, the rest as a message.
    pub(in super::super) fn edit_failed(
        &mut self,
        recipe: vernier_engine::recipe::Recipe,
        message: String,
    ) {
        let is_of_a_row = message.starts_with("edit \"");
        if !is_of_a_row {
            self.toasts
                .push(ToastKind::Trouble, message.clone(), None::<UiCommand>);
        }
        self.edit.failed = Some((recipe, message));
    }
}
