use vernier_engine::picture::Picture;
use vernier_engine::recipe::{ControlScale, ControlUse};
use vernier_engine::service::{Event, JobId};

use super::*;
use crate::studio::command::UiCommand;
use crate::studio::state::{ControlKey, JobKind, SheetSize, SliderSpec, testing};

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
            edit: None,
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

#[test]
fn pixels_leave_the_memory_once_they_are_saved_and_come_back_when_they_are_shown() {
    let (mut studio, mut engine) = (studio(false), Engine::new());
    // Two pictures of 8×8.
    studio.pixels = PixelMemory::new(2 * 192);
    studio.count = 5;
    studio.apply(UiCommand::Render);
    engine.settle(&mut studio);
    let there = |studio: &Studio| -> Vec<u64> {
        let results = studio.results().filter(|r| r.picture.is_some());
        results.map(|r| r.recipe.seed).collect()
    };
    assert_eq!(there(&studio), [1, 2, 3, 4, 5], "nothing is saved yet");
    let ids: Vec<String> = studio.results().map(|r| r.id.clone()).collect();
    studio.shown = Shown::Result(ids[1].clone());
    studio.apply(UiCommand::PinForComparison);
    studio.shown = Shown::Result(ids[4].clone());
    let (_, pictures) = studio.hand_over(serde_json::Value::Null);
    assert_eq!(pictures.len(), 5);
    studio.tick(Instant::now(), false);
    assert_eq!(there(&studio), [1, 2, 3, 4, 5], "they are on their way");
    studio.saved();
    studio.tick(Instant::now(), false);
    assert_eq!(there(&studio), [2, 5], "the pinned and the shown one");
    assert!(studio.take_wanted_pixels().is_empty());

    studio.shown = Shown::Result(ids[2].clone());
    studio.tick(Instant::now(), false);
    assert!(studio.shown_picture().is_none());
    let wanted: Vec<String> = studio.take_wanted_pixels().into_iter().collect();
    assert_eq!(wanted, [ids[2].clone()]);
    studio.tick(Instant::now(), false);
    assert!(studio.take_wanted_pixels().is_empty(), "it is read once");
    let third = studio.results().nth(2).unwrap().recipe.clone();
    studio.set_pixels(&ids[2], Arc::new(Engine::picture(&third)));
    studio.tick(Instant::now(), false);
    assert_eq!(shown(&studio), (3, true));
    assert_eq!(there(&studio), [2, 3], "the fifth has gone for it");
}

#[test]
fn a_picture_that_undo_brings_back_is_read_once_the_file_holds_it_again() {
    let (mut studio, mut engine) = (studio(false), Engine::new());
    studio.pixels = PixelMemory::new(0);
    studio.count = 3;
    studio.apply(UiCommand::Render);
    engine.settle(&mut studio);
    let save = |studio: &mut Studio| {
        studio.hand_over(serde_json::Value::Null);
        studio.saved();
        studio.tick(Instant::now(), false);
    };
    save(&mut studio);
    let first = studio.results().next().unwrap().id.clone();
    assert!(studio.results().next().unwrap().picture.is_none());
    studio.shown = Shown::Result(first.clone());
    studio.tick(Instant::now(), false);
    studio.apply(UiCommand::RemoveResult);
    save(&mut studio);
    studio.take_wanted_pixels();
    studio.apply(UiCommand::Undo);
    assert_eq!(studio.shown, Shown::Result(first.clone()));
    studio.tick(Instant::now(), false);
    assert!(
        studio.take_wanted_pixels().is_empty(),
        "it is not in the file at the moment"
    );
    save(&mut studio);
    assert!(studio.take_wanted_pixels().contains(&first));
}

fn with_age(live: bool) -> (Studio, FoundControl) {
    let mut studio = studio(live);
    let age = FoundControl {
        path: "age.safetensors".into(),
        info: testing::calibrated("age", &["man"]),
    };
    studio.set_controls(vec![age.clone()], vec!["man".to_owned()]);
    (studio, age)
}

fn filled(studio: &Studio) -> (usize, usize) {
    let cells = studio.contact_sheets().get("age").unwrap().cells();
    (cells.made(), cells.all().len())
}

#[test]
fn a_contact_sheet_fills_can_be_stopped_and_goes_with_its_calibration() {
    let (mut studio, mut age) = with_age(false);
    let mut engine = Engine::new();
    let size = SheetSize {
        settings: 5,
        prompts: 2,
    };
    studio.start_contact_sheet(&age.info, "age", size);
    assert!(studio.is_making_contact_sheet("age"));
    studio.tick(Instant::now(), false);
    engine.take(&mut studio);
    engine.make_one(&mut studio);
    engine.make_one(&mut studio);
    assert_eq!(filled(&studio), (2, 10));
    studio.cancel_contact_sheet("age");
    engine.settle(&mut studio);
    assert_eq!((filled(&studio), engine.renders), ((2, 10), 2));
    assert!(!studio.is_making_contact_sheet("age"));

    // What is known need not be made again.
    studio.start_contact_sheet(&age.info, "age", size);
    engine.settle(&mut studio);
    assert_eq!((filled(&studio), engine.renders), ((10, 10), 10));
    assert_eq!(studio.results().count(), 0, "they are not kept");
    let cell = studio.contact_sheets().get("age").unwrap().cells().all()[4].clone();
    studio.adopt(&cell.recipe);
    assert_eq!(studio.bench.recipe.controls[0].to_string(), "age@man=1");
    assert!(shown(&studio).1, "it is there at once");

    studio.set_controls(vec![age.clone()], vec!["man".to_owned()]);
    assert!(studio.contact_sheets().get("age").is_some());
    let calibration = age.info.calibrations.get_mut("age").unwrap();
    calibration.raw_high = 1.0;
    studio.set_controls(vec![age], vec!["man".to_owned()]);
    assert!(studio.contact_sheets().get("age").is_none());
    assert!(
        studio.bench_pictures.get(&cell.recipe).is_none(),
        "the same setting means something else now"
    );
}

#[test]
fn a_calibration_says_that_live_waits_until_it_is_stopped() {
    let (mut studio, _) = with_age(true);
    let mut engine = Engine::new();
    engine.settle(&mut studio);
    for name in ["age", "smile"] {
        studio.calibrate(ControlUse::new(name, None, 0.0), None, 1, 1);
    }
    assert_eq!(
        (studio.calibrating(), studio.live_waits_for()),
        (Some("age"), None)
    );
    studio.tick(Instant::now(), false);
    let sent = studio.take_outbox();
    let [Command::Measure { job, .. }] = sent[..] else {
        panic!("{sent:?}");
    };
    studio.receive(Event::Progress {
        job,
        picture: 30,
        pictures: 120,
        step: 0,
        steps: 20,
        its_per_sec: 0.0,
        eta_secs: None,
    });
    let progress = studio.queue().running().unwrap().progress;
    assert_eq!((progress.picture, progress.pictures), (30, 120));
    studio.apply(UiCommand::NextSeed);
    studio.tick(Instant::now(), false);
    assert!(studio.take_outbox().is_empty(), "it is not interrupted");
    assert_eq!(studio.live_waits_for(), Some("age"));
    studio.cancel_calibrations();
    studio.tick(Instant::now(), false);
    assert!(matches!(studio.take_outbox()[..], [Command::Cancel(id)] if id == job));
    studio.receive(Event::Cancelled { job });
    assert_eq!(
        (studio.calibrating(), studio.live_waits_for()),
        (None, None)
    );
    engine.settle(&mut studio);
    assert_eq!(shown(&studio), (2, true), "the picture follows again");
}
