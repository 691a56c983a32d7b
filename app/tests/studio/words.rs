//! Edit by words: changes, their places, what leaked.

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioApp;
use vernier::studio::state::{EditShows, Studio};
use vernier_engine::picture::Picture;
use vernier_engine::project::ProjectFile;
use vernier_engine::recipe::Change;

use super::desk::{
    choose_theme, keeping, options, projects_in, until, until_shown, window, write_prompt,
    write_theme,
};

const SIZE: [f32; 2] = [1366.0, 1100.0];

type Window = Harness<'static, StudioApp>;

fn studio(harness: &Window) -> &Studio {
    harness.state().studio()
}

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(4);
}

fn write(harness: &mut Window, label: &str, text: &str) {
    harness.get_by_label(label).focus();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.step();
    harness.get_by_label(label).type_text(text);
    harness.run_steps(3);
}

/// A rendered dog and apple as the source, in the Edit workspace.
fn with_source(harness: &mut Window) {
    harness.run_steps(2);
    let recipe = &mut harness.state_mut().studio_mut().bench.recipe;
    (recipe.steps, recipe.seed) = (8, 3);
    write_prompt(
        harness,
        "a white dog to the left of a yellow apple in a room",
    );
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(harness, "kept", |h| studio(h).results().count() == 1);
    click(harness, "Edit workspace");
    click(harness, "Use shown picture");
}

#[test]
fn things_become_others_by_their_words_and_nothing_else_changes() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    with_source(&mut harness);
    click(&mut harness, "edit by words");
    assert!(studio(&harness).bench.is_edited_by_words());
    write(&mut harness, "change 1, what it is", "white cat");
    write(&mut harness, "change 1, what it shall be", "black dog");
    harness.get_by_label_contains("edit \"white cat\": is not in the prompt");
    write(&mut harness, "change 1, what it is", "white dog");
    assert!(
        harness
            .query_by_label_contains("is not in the prompt")
            .is_none()
    );
    click(&mut harness, "Add a change");
    write(&mut harness, "change 2, what it is", "yellow apple");
    write(&mut harness, "change 2, what it shall be", "red apple");
    click(&mut harness, "mute change 2");
    let source = studio(&harness).bench.recipe.source.clone().unwrap();
    let source = studio(&harness).options().pictures.get(&source.picture);
    let source = source.unwrap();

    // Live from here: what is written was waited for, what is switched is rendered at once.
    harness.key_press_modifiers(Modifiers::COMMAND, Key::L);
    harness.run_steps(2);
    let told = |h: &Window| studio(h).edit_outcome().is_some();
    until(&mut harness, "edited", told);
    let outcome = studio(&harness).edit_outcome().unwrap();
    assert_eq!(outcome.things.len(), 1, "the other is muted");
    assert_eq!(outcome.report.leakage.after.max, 0);
    assert!(outcome.things[0].mean_change > 1.0, "{:?}", outcome.things);
    harness.run_steps(2);
    harness.get_by_label_contains("found, ");
    harness.get_by_label("as drawn");
    let edited = studio(&harness).shown_picture().unwrap().0;
    assert_ne!(edited.rgb, source.rgb);
    let place = outcome.things[0].place.mask.clone();
    let pixels = |picture: &Picture, at: usize| picture.rgb[3 * at..3 * at + 3].to_vec();
    for at in (0..place.coverage().len()).filter(|&at| place.coverage()[at] == 0) {
        assert_eq!(pixels(&edited, at), pixels(&source, at), "{at}");
    }

    click(&mut harness, "mute change 2");
    until_shown(&mut harness);
    until(&mut harness, "both", |h| {
        studio(h)
            .edit_outcome()
            .is_some_and(|o| o.things.len() == 2)
    });

    // Where it is can be painted, beginning with what was found.
    click(&mut harness, "paint it, change 1");
    let change = |h: &Window| studio(h).bench.recipe.edit.as_ref().unwrap().changes[0].clone();
    assert!(change(&harness).mask.is_some());
    until(&mut harness, "edited again", told);
    harness.run_steps(2);
    harness.get_by_label_contains("painted, ");
    click(&mut harness, "find it, change 1");
    assert!(change(&harness).mask.is_none());
    until(&mut harness, "known", told);

    click(&mut harness, "show heat");
    assert!(matches!(studio(&harness).edit.shows, EditShows::Heat(_)));
    harness.get_by_label_contains("difference from the source, ×4");
    click(&mut harness, "edit by paint");
    assert!(!studio(&harness).bench.is_edited_by_words());
    harness.get_by_role_and_label(egui::accesskit::Role::Slider, "strength");
    click(&mut harness, "edit by words");
    assert_eq!(change(&harness).from, "white dog", "they have waited");
}

#[test]
fn a_project_keeps_the_edit_and_what_waits_aside() {
    let folder = tempfile::tempdir().unwrap();
    let unsaved = folder.path().join("unsaved");
    let Some(mut harness) = window(SIZE, &keeping(folder.path())) else {
        return;
    };
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    with_source(&mut harness);
    let studio_mut = harness.state_mut().studio_mut();
    studio_mut.begin_stroke([20.0, 20.0], false);
    studio_mut.end_stroke();
    harness.run_steps(2);
    // The whole way by keys: mode, then words.
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::W);
    harness.run_steps(4);
    write(&mut harness, "change 1, what it is", "white dog");
    write(&mut harness, "change 1, what it shall be", "black dog");
    let bench = studio(&harness).bench.clone();
    assert!(
        bench
            .aside
            .as_ref()
            .unwrap()
            .source
            .as_ref()
            .unwrap()
            .mask
            .is_some()
    );
    let path = projects_in(&unsaved).remove(0);
    until(&mut harness, "saved", |_| {
        ProjectFile::open_to_read(&path).unwrap().project.bench == bench
    });
    drop(harness);
    let Some(mut harness) = window(SIZE, &keeping(folder.path())) else {
        return;
    };
    until(&mut harness, "opened", |h| studio(h).bench == bench);
    click(&mut harness, "Edit workspace");
    click(&mut harness, "edit by paint");
    harness.get_by_label_contains("may change; outside of it");
}

#[test]
fn edit_by_words_looks_as_it_did() {
    let mut results = egui_kittest::SnapshotResults::new();
    for theme in ["dark", "light"] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), false);
        write_theme(&options, theme);
        options.engine.controls = vernier_engine::controls::ControlLibrary::new(Vec::new());
        let Some(mut harness) = window([1366.0, 900.0], &options) else {
            return;
        };
        choose_theme(&harness, theme);
        click(&mut harness, "Edit workspace");
        let studio = harness.state_mut().studio_mut();
        studio.bench.recipe.prompt = "a white dog next to a yellow apple".to_owned();
        let [width, height] = studio.edit_size_px();
        let picture = studio.options().pictures.insert(Picture {
            width_px: width,
            height_px: height,
            rgb: (0..width * height)
                .flat_map(|i| [(i % width) as u8, (i / width) as u8, 128])
                .collect(),
        });
        studio.set_source(picture);
        studio.toggle_edit_by_words();
        let edit = studio.bench.recipe.edit.as_mut().unwrap();
        edit.changes = vec![
            Change::new("white dog", "black dog"),
            Change::new("red car", "blue car"),
        ];
        studio.edit.brush_radius_px = 20.0;
        harness.run_steps(2);
        let studio = harness.state_mut().studio_mut();
        studio
            .edit
            .choose_layer(vernier::studio::state::Layer::Change(0));
        studio.begin_stroke([40.0, 50.0], false);
        studio.continue_stroke([60.0, 70.0]);
        studio.end_stroke();
        harness.run_steps(6);
        harness.remove_cursor();
        harness.run_steps(2);
        results.add(harness.try_snapshot(format!("words_1366x900_{theme}")));
    }
}
