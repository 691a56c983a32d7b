use vernier_engine::picture::Picture;
use vernier_engine::recipe::ControlScale;
use vernier_engine::service::{Event, JobId};

use super::*;
use crate::studio::command::UiCommand;
use crate::studio::state::{ControlKey, JobKind, SliderSpec, testing};

fn studio(live: bool) -> Studio {
    testing::studio(recipe(), live)
}

fn recipe() -> Recipe {
    testing::recipe("a man and a cat", 1)
}

/// An engine that makes a picture whenever it is asked to, of the seed's colour.
struct Engine {
    running: Option<(JobId, Vec<Recipe>, bool)>,
    renders: usize,
}

impl Engine {
    fn new() -> Self {
        Self {
            running: None,
            renders: 0,
        }
    }

    fn take(&mut self, studio: &mut Studio) {
        for command in studio.take_outbox() {
            match command {
                Command::Render {
                    job,
                    recipes,
                    options,
                } => {
                    assert!(self.running.is_none(), "one job at a time");
                    self.running = Some((job, recipes, options.coarse_first));
                }
                Command::Cancel(id) => {
                    let (job, ..) = self.running.take().unwrap();
                    assert_eq!(job, id);
                    studio.receive(Event::Cancelled { job });
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn picture(recipe: &Recipe) -> Picture {
        Picture {
            width_px: 8,
            height_px: 8,
            rgb: vec![recipe.seed as u8; 192],
        }
    }

    /// Makes the next picture of the running job, and ends it after its last.
    fn make_one(&mut self, studio: &mut Studio) {
        let Some((job, recipes, _)) = &mut self.running else {
            return;
        };
        let job = *job;
        let index = studio.queue().running().unwrap().progress.picture;
        let recipe = recipes[index].clone();
        let is_last = index + 1 == recipes.len();
        self.renders += 1;
        studio.receive(Event::Picture {
            job,
            index,
            picture: Self::picture(&recipe),
            recipe: Box::new(recipe),
            latents: None,
            secs: 0.1,
        });
        if is_last {
            self.running = None;
            studio.receive(Event::Finished { job });
        }
    }

    /// Frames and pictures until nothing more happens.
    fn settle(&mut self, studio: &mut Studio) {
        for _ in 0..100 {
            studio.tick(Instant::now(), false);
            self.take(studio);
            self.make_one(studio);
        }
        assert!(studio.queue().running().is_none());
    }
}

fn shown(studio: &Studio) -> (u8, bool) {
    let (picture, is_current) = studio.shown_picture().unwrap();
    (picture.rgb[0], is_current)
}

#[test]
fn a_live_studio_shows_its_bench_and_undo_brings_parameters_and_picture_back() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    engine.settle(&mut studio);
    assert_eq!(shown(&studio), (1, true));
    studio.apply(UiCommand::NextSeed);
    engine.settle(&mut studio);
    assert_eq!(shown(&studio), (2, true));
    assert_eq!(engine.renders, 2);
    studio.apply(UiCommand::Undo);
    assert_eq!((studio.bench.recipe.seed, shown(&studio)), (1, (1, true)));
    engine.settle(&mut studio);
    assert_eq!(engine.renders, 2, "the picture was known");
    studio.apply(UiCommand::Redo);
    assert_eq!(shown(&studio), (2, true));
}

#[test]
fn a_drag_is_one_step_of_undo() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    engine.settle(&mut studio);
    let smile = ControlKey::new("smile", Some("man"));
    for step in 1..=9 {
        studio.set_control(
            &smile,
            Some((ControlScale::Calibrated, f64::from(step) / 10.0)),
        );
        studio.tick(Instant::now(), true);
        engine.take(&mut studio);
    }
    engine.settle(&mut studio);
    assert_eq!(studio.bench.recipe.controls[0].to_string(), "smile@man=0.9");
    studio.apply(UiCommand::Undo);
    assert!(studio.bench.recipe.controls.is_empty());
    assert!(!studio.allows(UiCommand::Undo));
}

#[test]
fn a_batch_steps_aside_for_a_slider_and_loses_nothing() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    engine.settle(&mut studio);
    studio.count = 4;
    studio.apply(UiCommand::Render);
    assert_eq!(
        studio.results().count(),
        1,
        "the first is what live has shown"
    );
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    engine.make_one(&mut studio);
    assert_eq!(studio.results().count(), 2);
    studio.bench.recipe.steps = 7;
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    let running = studio.queue().running().unwrap();
    assert_eq!(running.job.kind, JobKind::Live);
    engine.settle(&mut studio);
    let seeds: Vec<u64> = studio.results().map(|r| r.recipe.seed).collect();
    assert_eq!(seeds, [1, 2, 3, 4]);
    assert_eq!(engine.renders, 5, "four seeds and the bench with 7 steps");
}

#[test]
fn removing_is_undone_and_pictures_that_were_made_are_not() {
    let (mut studio, mut engine) = (studio(false), Engine::new());
    studio.count = 2;
    studio.apply(UiCommand::Render);
    engine.settle(&mut studio);
    assert_eq!(studio.results().count(), 2);
    studio.apply(UiCommand::RemoveResult);
    assert_eq!(studio.results().count(), 1);
    studio.tick(Instant::now(), false);
    studio.apply(UiCommand::Undo);
    assert_eq!(studio.results().count(), 2);
    while studio.allows(UiCommand::Undo) {
        studio.apply(UiCommand::Undo);
    }
    assert_eq!(studio.results().count(), 2, "they stay");
}

#[test]
fn what_the_artist_stops_is_not_begun_again() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    studio.apply(UiCommand::CancelCurrent);
    engine.take(&mut studio);
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    assert!(engine.running.is_none());
    studio.apply(UiCommand::NextSeed);
    engine.settle(&mut studio);
    assert_eq!(shown(&studio), (2, true));
}

#[test]
fn a_failure_is_told_once_and_not_tried_again() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    let (job, ..) = engine.running.take().unwrap();
    studio.receive(Event::Failed {
        job,
        message: "sampler: there is no \"x\"".to_owned(),
        is_usage: true,
    });
    engine.settle(&mut studio);
    assert_eq!(engine.renders, 0);
    assert_eq!(studio.toasts.at(Instant::now()).len(), 1);
}

#[test]
fn the_rack_follows_the_prompt() {
    let mut studio = studio(false);
    studio.tick(Instant::now(), false);
    let nouns = |studio: &Studio| -> Vec<String> {
        studio.subjects().iter().map(|s| s.noun.clone()).collect()
    };
    assert_eq!(nouns(&studio), ["man", "cat"]);
    studio.bench.recipe.prompt = "an owl".to_owned();
    studio.tick(Instant::now(), false);
    assert!(nouns(&studio).is_empty());
    studio.toggle_subject("owl");
    studio.tick(Instant::now(), false);
    assert_eq!(nouns(&studio), ["owl"]);
    let rack = studio.rack();
    let sliders: Vec<&SliderSpec> = rack.iter().flat_map(|g| &g.sliders).collect();
    assert!(sliders.is_empty());
}

#[test]
fn a_project_that_is_opened_shows_its_bench_whatever_was_in_the_making() {
    let (mut studio, mut engine) = (studio(true), Engine::new());
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    let mut other = recipe();
    other.seed = 5;
    studio.open_project(Project::new("other", other));
    engine.settle(&mut studio);
    assert_eq!(shown(&studio), (5, true));
}
