//! Prompt, seed, undo, queue.

use std::time::{Duration, Instant};

use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::state::Shown;

use super::desk::{options, until, until_shown, window, write_prompt};

const SIZE: [f32; 2] = [1280.0, 800.0];

#[test]
fn a_picture_is_there_without_asking_and_follows_the_seed_back_and_forth() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), true)) else {
        return;
    };
    until_shown(&mut harness);
    let first = harness.state().studio().shown_picture().unwrap().0;
    harness.get_by_label("Next seed").click();
    harness.step();
    harness.step();
    until_shown(&mut harness);
    let second = harness.state().studio().shown_picture().unwrap().0;
    assert_ne!(first.rgb, second.rgb);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.step();
    harness.step();
    let (back, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(
        is_current && back.rgb == first.rgb,
        "undo brings picture and seed back at once"
    );
}

#[test]
fn what_is_written_is_rendered_and_kept_by_keys_alone() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.key_press_modifiers(Modifiers::COMMAND, Key::T);
    harness.step();
    harness.step();
    assert!(harness.get_by_label("prompt").is_focused());
    write_prompt(&mut harness, "a cat next to a red car");
    until(&mut harness, "subjects", |h| {
        h.state().studio().subjects().len() == 2
    });
    harness.get_by_label("subject cat");
    harness.get_by_label("subject car");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(&mut harness, "kept", |h| {
        h.state().studio().results().next().is_some()
    });
    harness.step();
    harness.get_by_label("picture 1: a cat next to a red car");
    let result = harness.state().studio().results().next().unwrap();
    assert_eq!(result.recipe.prompt, "a cat next to a red car");
    assert!(matches!(harness.state().studio().shown, Shown::Result(_)));
}

#[test]
fn a_word_that_is_typed_is_one_step_of_undo() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    let before = harness.state().studio().bench.recipe.prompt.clone();
    harness.get_by_label("prompt").focus();
    harness.step();
    for letter in ["x", "y", "z"] {
        harness.get_by_label("prompt").type_text(letter);
        harness.step();
        harness.step();
    }
    assert_ne!(harness.state().studio().bench.recipe.prompt, before);
    std::thread::sleep(Duration::from_millis(700));
    harness.run_steps(2);
    harness
        .state_mut()
        .studio_mut()
        .apply(vernier::studio::command::UiCommand::Undo);
    assert_eq!(harness.state().studio().bench.recipe.prompt, before);
}

#[test]
fn the_palette_finds_and_does() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    assert!(harness.ctx.theme() == egui::Theme::Dark);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness
        .get_by_label("search commands")
        .type_text("light or");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert!(harness.ctx.theme() == egui::Theme::Light);
    assert!(
        harness.query_by_label("search commands").is_none(),
        "it has closed"
    );
}

#[test]
fn the_window_does_not_wait_for_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), true)) else {
        return;
    };
    until_shown(&mut harness);
    // Long enough that the engine is at work all the while.
    harness.state_mut().studio_mut().bench.recipe.steps = 400;
    harness.run_steps(2);
    let mut frames: Vec<Duration> = (0..60)
        .map(|_| {
            let started = Instant::now();
            harness.step();
            started.elapsed()
        })
        .collect();
    assert!(harness.state().studio().queue().running().is_some());
    frames.sort();
    let median = frames[frames.len() / 2];
    println!(
        "median frame {median:?}, longest {:?}",
        frames[frames.len() - 1]
    );
    // The longest is the machine's, not ours: two cores may be busy with tests and a model.
    assert!(median < Duration::from_millis(16), "{median:?}");
    harness.key_press(Key::Escape);
    until(&mut harness, "stopped", |h| {
        h.state().studio().queue().running().is_none()
    });
}

#[test]
fn a_sweep_fills_its_grid_and_a_cell_is_taken_onto_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    harness.state_mut().studio_mut().bench.recipe.steps = 4;
    harness.get_by_label("Sweep").click();
    harness.run_steps(2);
    harness.get_by_label("Render 5 pictures").click();
    until(&mut harness, "filled", |h| {
        let cells = h.state().studio().sweep.cells();
        cells.len() == 5 && cells.iter().all(|cell| cell.made.is_some())
    });
    let cells = harness.state().studio().sweep.cells();
    let guidance: Vec<f64> = cells
        .iter()
        .map(|cell| cell.recipe.guidance_scale)
        .collect();
    assert_eq!(guidance, [1.0, 2.5, 4.0, 5.5, 7.0]);
    let pictures: Vec<&[u8]> = cells
        .iter()
        .map(|cell| cell.made.as_ref().unwrap().picture.rgb.as_slice())
        .collect();
    assert!(pictures[0] != pictures[4], "guidance changes the picture");
    harness.state_mut().studio_mut().sweep.selected = Some(3);
    harness.run_steps(2);
    harness.get_by_label("Take onto the bench").click();
    harness.run_steps(2);
    let taken = harness.state().studio().bench.recipe.guidance_scale;
    assert!((taken - 5.5).abs() < f64::EPSILON);
    let cell = harness.state().studio().sweep.cells()[3]
        .made
        .clone()
        .unwrap();
    let (shown, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(
        is_current && shown.rgb == cell.picture.rgb,
        "it is there at once"
    );
}

#[test]
fn a_slider_moves_its_control_and_the_picture() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), true)) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.prompt = "a woman next to a cat".to_owned();
    until(&mut harness, "its sliders", |h| {
        h.query_by_role_and_label(Role::Slider, "smile of woman")
            .is_some()
    });
    harness.get_by_role_and_label(Role::Slider, "smile of cat");
    until_shown(&mut harness);
    let before = harness.state().studio().shown_picture().unwrap().0;
    let slider = harness.get_by_role_and_label(Role::Slider, "smile of woman");
    slider.set_value_accesskit(0.8);
    harness.run_steps(2);
    let controls = &harness.state().studio().bench.recipe.controls;
    let controls: Vec<String> = controls.iter().map(ToString::to_string).collect();
    assert_eq!(controls, ["smile@woman=0.8"]);
    until_shown(&mut harness);
    let after = harness.state().studio().shown_picture().unwrap().0;
    assert_ne!(before.rgb, after.rgb);

    harness
        .get_by_label("mute smile of woman")
        .click_accesskit();
    harness.run_steps(3);
    assert!(harness.state().studio().bench.recipe.controls.is_empty());
    let (muted, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(
        is_current && muted.rgb == before.rgb,
        "a muted slider is none"
    );

    harness.get_by_label("subject cat").click();
    harness.run_steps(3);
    let hidden = harness.query_by_role_and_label(Role::Slider, "smile of woman");
    assert!(hidden.is_none(), "the cat's sliders alone");
}
