//! Models and controls are found, looked at and put to work.

use egui::accesskit::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use vernier::studio::StudioApp;
use vernier::studio::state::Cells;
use vernier_engine::checkpoint::tiny;
use vernier_engine::project::{Project, ProjectFile};
use vernier_engine::recipe::ModelRef;

use super::desk::{options, until, window, write_prompt};

type Window = Harness<'static, StudioApp>;

fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    // A dialog that grows or shrinks takes its place a little later.
    harness.run_steps(5);
}

fn search(harness: &mut Window, text: &str) {
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::L);
    harness.run_steps(3);
    let field = "search the library";
    assert!(harness.get_by_label(field).is_focused());
    harness.get_by_label(field).type_text(text);
    harness.run_steps(2);
}

fn controls(harness: &Window) -> Vec<String> {
    let recipe = &harness.state().studio().bench.recipe;
    recipe.controls.iter().map(ToString::to_string).collect()
}

fn says(harness: &Window, text: &str) -> bool {
    let mut labels = harness.get_all_by_role(Role::Label);
    labels.any(|node| {
        let value = node.accesskit_node().value();
        value.is_some_and(|value| value.contains(text))
    })
}

#[test]
fn a_control_is_searched_looked_at_and_drawn_onto_its_word() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window([1366.0, 768.0], &options(folder.path(), false)) else {
        return;
    };
    until(&mut harness, "controls", |h| {
        !h.state().studio().controls().is_empty()
    });
    write_prompt(&mut harness, "a dog and an old woman");
    harness.state_mut().studio_mut().bench.recipe.steps = 2;
    search(&mut harness, "smile");
    assert!(harness.query_by_label("use car_age").is_none());

    click(&mut harness, "preview smile");
    until(&mut harness, "previewed", |h| {
        let preview = h.state().studio().previews().get("smile");
        preview.is_some_and(Cells::is_whole)
    });

    // By hand, onto the word: "woman" stands at the end of the line.
    let from = harness
        .get_all_by_role(Role::Label)
        .find(|node| node.accesskit_node().value().as_deref() == Some("smile"))
        .expect("the card's name")
        .rect()
        .center();
    let prompt = harness.get_by_label("prompt").rect();
    let at = |harness: &mut Window, pos: egui::Pos2| {
        harness.event(egui::Event::PointerMoved(pos));
        harness.run_steps(2);
    };
    let press = |harness: &mut Window, pos: egui::Pos2, pressed: bool| {
        harness.event(egui::Event::PointerButton {
            pos,
            button: egui::PointerButton::Primary,
            pressed,
            modifiers: egui::Modifiers::NONE,
        });
        harness.run_steps(2);
    };
    at(&mut harness, from);
    press(&mut harness, from, true);
    at(&mut harness, from + egui::vec2(-30.0, -30.0));
    let word = egui::pos2(prompt.left() + 140.0, prompt.top() + 12.0);
    at(&mut harness, word);
    press(&mut harness, word, false);
    assert_eq!(controls(&harness), ["smile@woman=0.5"]);
    let studio = harness.state().studio();
    assert_eq!(studio.selected_subject.as_deref(), Some("woman"));

    // By the keyboard's way, and where it does not fit.
    write_prompt(&mut harness, "a car");
    search(&mut harness, "");
    click(&mut harness, "use smile");
    until(&mut harness, "told", |h| {
        says(h, "the prompt has none of them")
    });
}

#[test]
fn a_model_is_found_in_its_folder_and_put_on_the_bench() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(&folder.path().join("models/small-one"), 1).unwrap();
    let mut options = options(folder.path(), false);
    options.own_models = Some(folder.path().join("models"));
    let Some(mut harness) = window([1366.0, 768.0], &options) else {
        return;
    };
    until(&mut harness, "models", |h| {
        h.state().studio().models().len() == 2
    });
    search(&mut harness, "small");
    click(&mut harness, "library: Models");
    click(&mut harness, "use small-one");
    let recipe = &harness.state().studio().bench.recipe;
    assert_eq!(recipe.model.name, "small-one");
    let size = harness.state().studio().models()[1].size_px.unwrap();
    assert_eq!((recipe.width_px, recipe.height_px), size, "its own size");
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Z);
    harness.run_steps(2);
    let recipe = &harness.state().studio().bench.recipe;
    assert_eq!(recipe.model.name, "miniature");
}

#[test]
fn a_project_whose_model_moved_asks_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    tiny::write_model(&models.join("small-one"), 1).unwrap();
    let mut options = options(folder.path(), false);
    options.own_models = Some(models.clone());
    let Some(mut harness) = window([1366.0, 768.0], &options) else {
        return;
    };
    let mut recipe = harness.state().studio().bench.recipe.clone();
    recipe.model = ModelRef::at(&folder.path().join("before/small-one"));
    let path = folder.path().join("p.vernier");
    let project = Project::new("p", recipe);
    drop(ProjectFile::create(&path, &project).unwrap());
    until(&mut harness, "models", |h| {
        h.state().studio().models().len() == 2
    });
    harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::O);
    harness.run_steps(3);
    let field = "Open a project, a recipe or a picture";
    let field = harness.get_by_role_and_label(Role::TextInput, field);
    field.type_text(path.to_str().unwrap());
    harness.run_steps(2);
    click(&mut harness, "Open");
    until(&mut harness, "asked", |h| {
        h.query_by_label("folder of small-one").is_some()
    });
    let place = models.join("small-one");
    let offer = format!("It is at {}", place.display());
    click(&mut harness, &offer);
    click(&mut harness, "Relink");
    let model = |h: &Window| h.state().studio().bench.recipe.model.clone();
    until(&mut harness, "relinked", |h| {
        model(h).path.as_deref() == place.to_str()
    });
    // The file is told, too.
    until(&mut harness, "saved", |_| {
        let saved = ProjectFile::open_to_read(&path).unwrap().project;
        saved.missing_models().is_empty()
            && saved.bench.recipe.model.path.as_deref() == place.to_str()
    });
}
