//! What the studio looks at once a frame, and what it gives the engine to do.

use std::time::{Duration, Instant};

use vernier_engine::recipe::Recipe;
use vernier_engine::service::{Command, RenderOptions};

use super::Studio;
use crate::studio::state::{JobKind, LiveStep, ToastKind, rack};

impl Studio {
    /// Looks at everything once a frame; `is_interacting` while a slider is held or a word typed.
    /// Gives the time after which it wants to look again, where nothing else happens.
    pub fn tick(&mut self, now: Instant, is_interacting: bool) -> Option<Duration> {
        if self.looked_at.as_ref() != Some(&self.bench.recipe.prompt) {
            self.look_at_prompt();
        }
        self.place_wanted();
        self.adapters.look_at(&self.bench);
        self.look_after_pixels();
        for sentence in self.training.take_messages() {
            self.toasts.push(ToastKind::Trouble, sentence, None);
        }
        self.look_after_talk();
        let scene = self.scene();
        self.timeline.observe(&scene, is_interacting);
        let changes = self.bench.recipe.edit.as_ref();
        let changes = changes.map(|edit| edit.changes.len());
        self.edit.settle(self.bench.recipe.regions.len(), changes);
        if !self.has_unfinished_region()
            && self.unfit_adapter().is_none()
            && self.edit_problem().is_none()
        {
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

    pub(super) fn look_at_prompt(&mut self) {
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

    pub(super) fn start_next(&mut self, live: Option<Recipe>) {
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

    pub(super) fn cancel_running(&mut self, comes_back: bool) {
        if let Some(id) = self.queue.cancel_running(comes_back) {
            self.outbox.push(Command::Cancel(id));
        }
    }

    pub(super) fn is_measuring(&self) -> bool {
        let running = self.queue.running();
        running.is_some_and(|running| running.job.kind == JobKind::Measure)
    }
}
