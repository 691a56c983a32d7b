//! Projects: nothing is lost.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioApp;
use vernier_engine::project::ProjectFile;

use super::desk::{keeping, projects_in, until, window, window_on, write_prompt};

const SIZE: [f32; 2] = [1280.0, 800.0];

#[test]
fn work_that_nobody_saved_is_there_the_next_day() {
    let folder = tempfile::tempdir().unwrap();
    let unsaved = folder.path().join("unsaved");
    let Some(mut harness) = window(SIZE, &keeping(folder.path())) else {
        return;
    };
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    write_prompt(&mut harness, "a robot in a city");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(&mut harness, "kept", |h| {
        h.state().studio().results().next().is_some()
    });
    let path = projects_in(&unsaved).remove(0);
    until(&mut harness, "saved", |_| {
        let opened = ProjectFile::open_to_read(&path).unwrap();
        opened.project.results.len() == 1
    });
    // As kill -9 ends it: nothing is told that it is over.
    std::mem::forget(harness);

    // The lock goes with the process; here it is still held, so a copy stands for the file.
    let next = tempfile::tempdir().unwrap();
    std::fs::create_dir(next.path().join("unsaved")).unwrap();
    std::fs::copy(&path, next.path().join("unsaved/untitled-1.vernier")).unwrap();
    let Some(mut harness) = window(SIZE, &keeping(next.path())) else {
        return;
    };
    until(&mut harness, "opened", |h| {
        h.state().studio().results().next().is_some()
    });
    assert_eq!(
        harness.state().studio().bench.recipe.prompt,
        "a robot in a city"
    );
    harness.step();
    harness.get_by_label("picture 1: a robot in a city").click();
    until(&mut harness, "read", |h| {
        h.state().studio().shown_picture().is_some()
    });
}

/// Saves the project under another name, by keys.
fn save_as(harness: &mut Harness<'static, StudioApp>, path: &Path) {
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::S);
    harness.run_steps(3);
    let field = "Save the project as";
    harness
        .get_by_role_and_label(egui::accesskit::Role::TextInput, field)
        .focus();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.step();
    let path = path.to_string_lossy().into_owned();
    harness
        .get_by_role_and_label(egui::accesskit::Role::TextInput, field)
        .type_text(&path);
    harness.run_steps(2);
    harness.get_by_label("Save").click();
}

#[test]
fn a_project_is_saved_under_a_name_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let named = folder.path().join("faces.vernier");
    let Some(mut harness) = window(SIZE, &keeping(folder.path())) else {
        return;
    };
    let unsaved = folder.path().join("unsaved");
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    save_as(&mut harness, &named);
    until(&mut harness, "saved", |_| named.is_file());
    until(&mut harness, "gone", |_| projects_in(&unsaved).is_empty());
    assert_eq!(harness.state().studio().project_name(), "faces");
    drop(harness);
    let opened = ProjectFile::open(&named).unwrap();
    assert_eq!(opened.project.name, "faces");
}

#[test]
fn a_damaged_project_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.vernier");
    std::fs::write(&path, "this is no archive").unwrap();
    let mut options = keeping(folder.path());
    options.open = Some(path.clone());
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    until(&mut harness, "told", |h| {
        h.query_by_label_contains("broken.vernier").is_some()
    });
    assert_eq!(std::fs::read(&path).unwrap(), b"this is no archive");
}

#[test]
fn a_window_whose_gpu_is_lost_leaves_to_be_opened_anew_with_its_project() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.vernier");
    let options = keeping(folder.path());
    let Some((mut harness, render_state)) = window_on(SIZE, &options) else {
        return;
    };
    let unsaved = folder.path().join("unsaved");
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    save_as(&mut harness, &path);
    until(&mut harness, "gone", |_| projects_in(&unsaved).is_empty());
    // It is told of at the next frame.
    harness.run_steps(3);
    write_prompt(&mut harness, "a lost picture");
    assert_eq!(options.anew.take(), None);
    render_state.device.destroy();
    until(&mut harness, "left", |h| {
        let commands = h.output().viewport_output.values();
        let mut commands = commands.flat_map(|viewport| &viewport.commands);
        commands.any(|command| *command == egui::ViewportCommand::Close)
    });
    let reopened = options.anew.take().unwrap();
    assert_eq!(reopened.project.as_deref(), Some(path.as_path()));
    drop(harness);
}
