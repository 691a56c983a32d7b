//! What the engine tells.

use std::sync::Arc;

use vernier_engine::picture::Picture;
use vernier_engine::recipe::Recipe;
use vernier_engine::render::EditReport;
use vernier_engine::service::{Event, JobId, Measured};

use crate::studio::gpu::{LatentsPreview, Pixels};

use super::super::{JobKind, Made, Progress, ToastKind};
use super::{LoadedModel, ModelState, Preview, Studio};

/// How the sentence begins that says what an edit changed outside of its masks.
const LEAKAGE: &str = "outside the masks:";

impl Studio {
    /// Takes in what the engine tells.
    pub fn receive(&mut self, event: Event) {
        if let Some(job) = self.training.job_of(&event) {
            if let Some(message) = self.training.receive(job, event) {
                self.tell_training(message);
            }
            return;
        }
        if self.receive_talk(&event) {
            return;
        }
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
            Event::Note { job, message } => {
                // The Edit workspace has a place for what an edit changed elsewhere.
                if self.edited_by(job).is_some() && message.starts_with(LEAKAGE) {
                    return;
                }
                let is_live = self.is_running(job, JobKind::Live);
                if !is_live || self.live_notes.is_news(&message) {
                    self.toasts.push(ToastKind::Note, message, None);
                }
            }
            Event::Progress {
                job,
                picture,
                pictures,
                step,
                steps,
                its_per_sec,
                eta_secs,
            } => {
                let progress = Progress {
                    picture,
                    pictures,
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
                    pixels: Pixels::Picture(Arc::new(picture)),
                    note: format!("quick look in {steps} steps"),
                });
                self.live.previewed();
            }
            Event::Latents {
                job,
                step,
                latents,
                rgb,
                pixels_per_cell,
                ..
            } => {
                let running = self.queue.running();
                let is_ours = running.is_some_and(|running| running.job.id == job);
                // A whole picture in few steps tells more than unfinished latents.
                let has_better = matches!(
                    self.preview.as_ref().map(|preview| &preview.pixels),
                    Some(Pixels::Picture(_))
                );
                if is_ours && !has_better {
                    let latents = LatentsPreview {
                        latents,
                        rgb,
                        pixels_per_cell,
                    };
                    self.preview = Some(Preview {
                        pixels: Pixels::Latents(Arc::new(latents)),
                        note: format!("after step {step}"),
                    });
                }
            }
            Event::Picture {
                job,
                index,
                picture,
                recipe,
                secs,
                edit,
                ..
            } => self.take_picture(job, index, picture, *recipe, secs, edit),
            Event::Finished { job } => self.ended(job, false),
            Event::Cancelled { job } => self.ended(job, true),
            Event::Failed { job, message, .. } => {
                match self.edited_by(job).cloned() {
                    Some(recipe) if self.bench.recipe == recipe => {
                        self.edit_failed(recipe, message);
                    }
                    _ => self.toasts.push(ToastKind::Trouble, message, None),
                }
                // What made it fail would make it fail again.
                self.queue.cancel_running(false);
                self.ended(job, false);
            }
            Event::Measured {
                measured: Measured::Calibration { saved, .. },
                ..
            } => {
                self.controls_changed = true;
                let text = format!("{} is calibrated", saved.display());
                self.toasts.push(ToastKind::Done, text, None);
            }
            Event::Queued { .. }
            | Event::Scene { .. }
            | Event::Started { .. }
            | Event::Preview { .. }
            | Event::Training { .. }
            | Event::Strip { .. }
            | Event::Trained { .. }
            | Event::TrainingStopped { .. }
            | Event::Readings { .. }
            | Event::Measured { .. } => {}
        }
    }

    /// The recipe that the running job `job` makes, where it is an edit by words.
    fn edited_by(&self, job: JobId) -> Option<&Recipe> {
        let running = self.queue.running().filter(|r| r.job.id == job)?;
        let recipe = running.job.recipes.get(running.progress.picture)?;
        recipe.edit.is_some().then_some(recipe)
    }

    pub(super) fn is_running(&self, job: JobId, kind: JobKind) -> bool {
        let running = self.queue.running();
        running.is_some_and(|r| r.job.id == job && r.job.kind == kind)
    }

    pub(super) fn take_picture(
        &mut self,
        job: JobId,
        index: usize,
        picture: Picture,
        recipe: Recipe,
        secs: f64,
        report: Option<Box<EditReport>>,
    ) {
        let Some(running) = self.queue.running().filter(|r| r.job.id == job) else {
            return;
        };
        let Some(asked) = running.job.recipes.get(index).cloned() else {
            return;
        };
        let kind = running.job.kind;
        let progress = running.progress;
        let edit = report.and_then(|report| self.outcome_of(*report, &recipe));
        let made = Made {
            picture: Arc::new(picture),
            recipe: Arc::new(recipe),
            secs,
            edit,
        };
        let done = Progress {
            picture: index + 1,
            ..progress
        };
        self.queue.progress(job, done);
        self.bench_pictures.insert(asked.clone(), made.clone());
        self.settle_measured(&asked, &made);
        self.preview = None;
        self.place(kind, &asked, made);
    }

    /// Puts a picture to where jobs of its kind want it.
    fn place(&mut self, kind: JobKind, asked: &Recipe, made: Made) {
        match kind {
            JobKind::Live => {
                self.last_bench_picture = Some(made.picture);
            }
            JobKind::Batch => self.add_result(made),
            JobKind::Sweep => self.sweep.take(asked, &made),
            JobKind::Preview => self.previews.take(asked, &made),
            JobKind::ContactSheet => self.contact_sheets.take(asked, &made),
            JobKind::Measure => {}
        }
    }

    /// Asks for the pictures of `recipes`; those that the bench has shown are there at once, for
    /// the same recipe gives the same picture. Whether any is still to be made.
    pub(super) fn ask_for(&mut self, kind: JobKind, recipes: Vec<Recipe>) -> bool {
        let mut wanted = Vec::new();
        for recipe in recipes {
            match self.bench_pictures.get(&recipe).cloned() {
                Some(made) => self.place(kind, &recipe, made),
                None => wanted.push(recipe),
            }
        }
        let is_any = !wanted.is_empty();
        if is_any {
            self.queue.push_as(kind, wanted);
        }
        is_any
    }

    pub(super) fn ended(&mut self, job: JobId, was_cancelled: bool) {
        let Some(running) = self.queue.running().filter(|r| r.job.id == job) else {
            return;
        };
        let by_artist = running.is_cancelled && !running.comes_back;
        let (kind, done) = (running.job.kind, running.progress.picture);
        self.queue.ended(job, done);
        if kind == JobKind::Measure && was_cancelled {
            let text = "The calibration was stopped; the control is as it was";
            self.toasts.push(ToastKind::Note, text, None);
        }
        if kind == JobKind::Live {
            if !was_cancelled {
                self.live_notes.ended();
            }
            // One that the artist stopped is not begun again until something changes.
            self.live.ended(was_cancelled && !by_artist);
        }
    }
}
