//! Controls are measured, and looked at along their ranges.

use std::path::Path;

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioApp;
use vernier::studio::command::UiCommand;
use vernier::studio::state::{ContactSheet, JobKind};

use super::desk::{options, until, until_shown, window};

type Window = Harness<'static, StudioApp>;

/// The Measure workspace with the control "smile", on so many steps a picture.
fn measuring(folder: &Path, live: bool, steps: u32) -> Option<Window> {
    let mut harness = window([1366.0, 1200.0], &options(folder, live))?;
    until(&mut harness, "controls", |h| {
        !h.state().studio().controls().is_empty()
    });
    if live {
        until_shown(&mut harness);
    }
    harness.state_mut().studio_mut().bench.recipe.steps = steps;
    click(&mut harness, "Measure");
    harness
        .get_by_role_and_label(egui::accesskit::Role::Button, "smile")
        .click();
    harness.run_steps(3);
    Some(harness)
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(3);
}

fn sheet(harness: &Window) -> Option<&ContactSheet> {
    harness.state().studio().contact_sheets().get("smile")
}

fn is_measuring(harness: &Window) -> bool {
    let running = harness.state().studio().queue().running();
    running.is_some_and(|r| r.job.kind == JobKind::Measure && r.progress.step > 0)
}

#[test]
fn a_contact_sheet_fills_and_its_pictures_go_to_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = measuring(folder.path(), false, 2) else {
        return;
    };
    click(&mut harness, "contact sheet of smile");
    until(&mut harness, "partly filled", |h| {
        sheet(h).is_some_and(|sheet| (1..21).contains(&sheet.cells().made()))
    });
    harness.get_by_label("cancel contact sheet of smile");
    until(&mut harness, "filled", |h| {
        sheet(h).is_some_and(|sheet| sheet.cells().is_whole())
    });
    let cells = sheet(&harness).unwrap().cells();
    let (first, last) = (&cells.all()[0], &cells.all()[6]);
    assert_ne!(
        first.made.as_ref().unwrap().picture.rgb,
        last.made.as_ref().unwrap().picture.rgb,
        "the ends of the range differ"
    );
    let recipe = last.recipe.clone();
    assert!(recipe.controls[0].to_string().ends_with("=1"));
    let cell = format!("smile at 1, {}", recipe.prompt);

    // It is there when one comes back.
    harness
        .get_by_role_and_label(egui::accesskit::Role::Button, "age")
        .click();
    harness.run_steps(3);
    assert!(harness.query_by_label(&cell).is_none());
    harness
        .get_by_role_and_label(egui::accesskit::Role::Button, "smile")
        .click();
    harness.run_steps(3);
    click(&mut harness, &cell);
    assert_eq!(harness.state().studio().bench.recipe, recipe);
    assert!(harness.query_by_label("search controls").is_none());
    harness.get_by_label("Next seed");
    let (_, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(is_current, "it need not be rendered again");
}

#[test]
fn a_contact_sheet_can_be_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = measuring(folder.path(), false, 20) else {
        return;
    };
    click(&mut harness, "contact sheet of smile");
    until(&mut harness, "begun", |h| {
        sheet(h).is_some_and(|sheet| sheet.cells().made() > 0)
    });
    click(&mut harness, "cancel contact sheet of smile");
    until(&mut harness, "stopped", |h| {
        h.state().studio().queue().running().is_none()
    });
    harness.run_steps(3);
    let cells = sheet(&harness).unwrap().cells();
    assert!(!cells.is_whole() && cells.made() > 0);
    harness.get_by_label("contact sheet of smile");
    assert!(
        harness
            .query_by_label("cancel contact sheet of smile")
            .is_none()
    );
}

#[test]
fn a_calibration_can_be_stopped_and_the_picture_follows_again() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = measuring(folder.path(), true, 6) else {
        return;
    };
    until_shown(&mut harness);
    click(&mut harness, "Calibrate");
    until(&mut harness, "measuring", is_measuring);
    harness.get_by_label("smile is being calibrated");
    let told = "Live waits until smile is calibrated";
    harness.get_by_label(told);
    let running = harness.state().studio().queue().running().unwrap();
    assert!(running.progress.pictures > 1, "it knows how far it is");
    let studio = harness.state_mut().studio_mut();
    studio.apply(UiCommand::NextSeed);
    harness.run_steps(3);
    assert!(is_measuring(&harness), "it goes on");
    click(&mut harness, "cancel calibration");
    until_shown(&mut harness);
    assert!(harness.query_by_label(told).is_none());
    assert!(harness.query_by_label("cancel calibration").is_none());
    harness.get_by_label("Calibrate");
    let own = folder.path().join("controls");
    let written = std::fs::read_dir(own).map_or(0, Iterator::count);
    assert_eq!(written, 0, "nothing, and no part of anything");
}
