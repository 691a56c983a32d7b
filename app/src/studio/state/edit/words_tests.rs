use std::time::Instant;

use vernier_engine::measure::{Leakage, OutsideChange};
use vernier_engine::picture::{Mask, Picture};
use vernier_engine::recipe::Change;
use vernier_engine::render::EditReport;
use vernier_engine::service::{Command, Event, JobId};

use super::super::{Studio, testing};
use super::*;
use crate::studio::command::UiCommand;

const SIDE: u32 = 16;

fn picture(grey: u8) -> Picture {
    testing::picture(SIDE, SIDE, grey)
}

fn look(studio: &mut Studio) {
    studio.tick(Instant::now(), false);
}

/// A studio that edits a grey picture of a dog and an apple by words, without any change yet.
fn studio() -> Studio {
    let mut recipe = testing::recipe("a white dog and a yellow apple", 1);
    (recipe.width_px, recipe.height_px) = (SIDE, SIDE);
    let mut studio = testing::studio(recipe, false);
    let source = studio.options().pictures.insert(picture(90));
    studio.set_source(source);
    look(&mut studio);
    studio.apply(UiCommand::EditByWords);
    look(&mut studio);
    studio
}

fn write(studio: &mut Studio, changes: &[(&str, &str)]) {
    let edit = studio.bench.recipe.edit.as_mut().unwrap();
    edit.changes = changes.iter().map(|(a, b)| Change::new(*a, *b)).collect();
    look(studio);
}

/// Renders the bench and gives the job that the engine was asked to do.
fn ask(studio: &mut Studio) -> JobId {
    studio.apply(UiCommand::Render);
    look(studio);
    match studio.take_outbox()[..] {
        [Command::Render { job, .. }] => job,
        ref sent => panic!("{sent:?}"),
    }
}

fn half(left: bool, wider_px: u32) -> Mask {
    let inside = |i: u32| {
        let x = i % SIDE;
        if left {
            x < SIDE / 2 + wider_px
        } else {
            x >= SIDE / 2
        }
    };
    let coverage = (0..SIDE * SIDE).map(|i| u8::from(inside(i)) * 255);
    Mask::from_coverage(SIDE, SIDE, coverage.collect()).unwrap()
}

/// The engine has found the dog in the left half, and a little more, and the apple in the right
/// one; the model drew everything 10 darker.
fn make(studio: &mut Studio, job: JobId) {
    let outside = |max| OutsideChange {
        max,
        mean: f64::from(max) / 2.0,
        psnr_db: None,
        ssim: 1.0,
    };
    let report = EditReport {
        prompt: "a black dog and a red apple".to_owned(),
        leakage: Leakage {
            before: outside(10),
            after: outside(0),
            masked: 1.0,
        },
        masks: vec![(0, half(true, 2)), (1, half(false, 0))],
        drawn: picture(80),
    };
    let recipe = studio.bench.recipe.clone();
    studio.receive(Event::Note {
        job,
        message: report.leakage.sentence(),
    });
    studio.receive(Event::Picture {
        job,
        index: 0,
        picture: picture(80),
        recipe: Box::new(recipe),
        latents: None,
        edit: Some(Box::new(report)),
        secs: 0.1,
    });
    studio.receive(Event::Finished { job });
    look(studio);
}

#[test]
fn paint_waits_while_one_edits_by_words_and_comes_back() {
    let mut studio = studio();
    studio.apply(UiCommand::EditByWords);
    look(&mut studio);
    assert_eq!(studio.edit.layer(), Layer::Mask);
    assert!(studio.begin_stroke([3.0, 3.0], false));
    studio.end_stroke();
    look(&mut studio);
    studio.add_region();
    look(&mut studio);
    let by_paint = studio.bench.recipe.clone();

    studio.apply(UiCommand::EditByWords);
    look(&mut studio);
    assert_eq!(studio.edit.layer(), Layer::Change(0));
    let source = studio.bench.recipe.source.as_ref().unwrap();
    assert!(source.mask.is_none() && studio.bench.recipe.regions.is_empty());
    assert!(!studio.allows(UiCommand::AddRegion));
    studio.apply(UiCommand::Undo);
    assert_eq!(studio.bench.recipe, by_paint, "one step of undo");
    studio.apply(UiCommand::Redo);
    studio.apply(UiCommand::EditByWords);
    look(&mut studio);
    assert_eq!(studio.bench.recipe, by_paint);
    assert_eq!(studio.edit.layer(), Layer::Mask);
    // Its source gone, there is nothing to edit either way.
    studio.apply(UiCommand::EditByWords);
    studio.apply(UiCommand::ClearSource);
    assert!(!studio.bench.is_edited_by_words());
    studio.bench.recipe.validate().ok();
}

#[test]
fn every_row_says_what_is_wrong_with_it() {
    let mut studio = studio();
    let problem = |studio: &Studio, at| studio.change_problem(at).unwrap_or_default();
    assert!(problem(&studio, 0).contains("Say what it is"));
    write(&mut studio, &[("white dog", "black dog"), ("cat", "dog")]);
    assert!(studio.change_problem(0).is_none());
    assert!(problem(&studio, 1).contains("edit \"cat\": is not in the prompt"));
    assert_eq!(studio.edit_problem(), studio.change_problem(1));
    studio.bench.recipe.edit.as_mut().unwrap().changes[1].muted = true;
    assert!(studio.edit_problem().is_none(), "it is left out");
    assert!(studio.change_problem(1).is_some(), "and still wrong");
    write(&mut studio, &[("white dog", "black dog"), ("dog", "cat")]);
    assert!(studio.change_problem(0).is_none() && studio.change_problem(1).is_none());
    let both = studio.edit_problem().unwrap();
    assert!(both.contains("speak of the same words"), "{both}");
    studio.remove_change(0);
    studio.remove_change(0);
    look(&mut studio);
    assert!(studio.edit_problem().unwrap().contains("add a change"));
    assert!(
        !studio.begin_stroke([3.0, 3.0], false),
        "nothing to paint on"
    );
}

#[test]
fn what_the_model_cannot_find_is_told_in_its_row() {
    let mut studio = studio();
    write(&mut studio, &[("white dog", "black dog")]);
    let job = ask(&mut studio);
    let message = "edit \"white dog\": the model does not find it in the picture; give a mask";
    studio.receive(Event::Failed {
        job,
        message: message.to_owned(),
        is_usage: true,
    });
    assert_eq!(studio.change_problem(0).as_deref(), Some(message));
    assert!(studio.toasts.at(Instant::now()).is_empty(), "not twice");
    // Another recipe may be found again.
    studio.apply(UiCommand::NextSeed);
    assert!(studio.change_problem(0).is_none());
}

#[test]
fn what_was_found_is_shown_measured_and_painted_on() {
    let mut studio = studio();
    write(
        &mut studio,
        &[("white dog", "black dog"), ("yellow apple", "red apple")],
    );
    assert!(studio.found_place(0).is_none());
    let job = ask(&mut studio);
    make(&mut studio, job);
    assert!(
        studio.toasts.at(Instant::now()).is_empty(),
        "it has a panel"
    );
    let outcome = studio.edit_outcome().unwrap();
    let dog = &outcome.things[0];
    assert!((dog.mean_change - 10.0).abs() < 1e-9 && (dog.share - 0.625).abs() < 1e-9);
    let [(one, other, part)] = &outcome.overlaps[..] else {
        panic!("{:?}", outcome.overlaps);
    };
    assert_eq!(
        (one.as_str(), other.as_str()),
        ("white dog", "yellow apple")
    );
    assert!((part - 0.25).abs() < 1e-9, "{part}");

    // Where the apple was found is where it is painted on.
    assert_eq!(*studio.found_place(1).unwrap().mask, half(false, 0));
    studio.paint_change(1);
    look(&mut studio);
    assert!(studio.edit_outcome().is_none(), "that is another edit");
    assert!(studio.found_place(1).is_none());
    let painted = studio.shown_mask(Layer::Change(1)).unwrap();
    assert_eq!(*painted.mask, half(false, 0));
    assert!(studio.begin_stroke([2.0, 2.0], false));
    studio.end_stroke();
    let painted = studio.shown_mask(Layer::Change(1)).unwrap();
    assert!(painted.mask.get(2, 2) > 0 && painted.mask.get(12, 12) == 255);
    // The dog's place stays in sight while the next picture is made.
    assert!(studio.found_place(0).is_some());
    studio.find_change(1);
    assert!(studio.mask_use(Layer::Change(1)).is_none());
    assert!(studio.edit_outcome().is_some(), "its picture is remembered");
}
