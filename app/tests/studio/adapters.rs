//! LoRAs and embeddings of other programs in the window.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::state::{Axis, AxisField};
use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::project::ProjectFile;

use super::adapter_files::{embedding, lora, lora_of_another_family};
use super::desk::{
    Window, choose_theme, click, drop_file, keeping, key, options, projects_in, shown, studio,
    until, window, write_prompt, write_theme,
};

const SIZE: [f32; 2] = [1366.0, 900.0];

fn adapters(harness: &Window) -> Vec<String> {
    let recipe = &studio(harness).bench.recipe;
    recipe.adapters.iter().map(ToString::to_string).collect()
}

/// Opens the library where the adapters are, and waits until they are listed.
fn library(harness: &mut Window, search: &str) {
    until(harness, "adapters", |h| !studio(h).adapters().is_empty());
    key(harness, Modifiers::COMMAND, Key::F);
    harness.get_by_label("search the library").type_text(search);
    harness.run_steps(2);
    click(harness, "library: Adapters");
}

#[test]
fn a_lora_is_found_put_to_work_weighed_muted_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), true);
    lora(&options, &folder.path().join("adapters/ink.safetensors"));
    lora_of_another_family(&folder.path().join("adapters/other.safetensors"));
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    let plain = shown(&mut harness);

    // By what it was trained with.
    library(&mut harness, "inkstyle");
    assert!(harness.query_by_label("use other").is_none());
    harness.get_by_label_contains("LoRA, rank 2");
    click(&mut harness, "use ink");
    until(&mut harness, "there", |h| adapters(h) == ["ink=1"]);
    assert!(!studio(&harness).bench.recipe.adapters[0].hash.is_empty());
    let with = shown(&mut harness);
    assert_ne!(with.rgb, plain.rgb, "the picture follows");

    // Its row: weights by key, of U-Net and text encoder together until one has its own.
    let tab = harness.get_all_by_label("Controls").next().unwrap();
    tab.click();
    harness.run_steps(3);
    let slider = egui::accesskit::Role::Slider;
    harness
        .get_by_role_and_label(slider, "weight of ink")
        .focus();
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(adapters(&harness), ["ink=0.99"]);
    assert_ne!(shown(&mut harness).rgb, with.rgb);
    harness
        .get_by_role_and_label(slider, "text encoder weight of ink")
        .focus();
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(adapters(&harness), ["ink=0.99,text=0.98"]);
    click(&mut harness, "reset adapter ink");
    assert_eq!(adapters(&harness), ["ink=1"]);

    click(&mut harness, "mute adapter ink");
    assert!(adapters(&harness).is_empty());
    assert_eq!(
        shown(&mut harness).rgb,
        plain.rgb,
        "as if it were not there"
    );
    click(&mut harness, "mute adapter ink");
    assert_eq!(adapters(&harness), ["ink=1"]);
    click(&mut harness, "write inkstyle");
    assert!(studio(&harness).bench.recipe.prompt.ends_with(", inkstyle"));
    click(&mut harness, "remove adapter ink");
    assert!(adapters(&harness).is_empty());
    assert!(harness.query_by_label("mute adapter ink").is_none());
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(adapters(&harness), ["ink=1"], "undo brings it back");
}

#[test]
fn what_cannot_work_says_so_in_its_row_and_live_waits() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), true);
    let other = lora_of_another_family(&folder.path().join("elsewhere/other.safetensors"));
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    shown(&mut harness);
    until(&mut harness, "models", |h| !studio(h).models().is_empty());
    drop_file(&mut harness, &other);
    until(&mut harness, "taken", |h| adapters(h) == ["other=1"]);
    assert_eq!(
        studio(&harness).bench.recipe.adapters[0].path.as_deref(),
        other.to_str()
    );
    let sentence = "other is made for Stable Diffusion 1.x, not for a model that reads text of \
                    width 192; mute or remove it, or take another model";
    until(&mut harness, "told", |h| {
        h.query_by_label(sentence).is_some()
    });
    harness.get_by_label(&format!("Live waits: {sentence}"));
    harness.run_steps(20);
    assert!(studio(&harness).queue().running().is_none());
    click(&mut harness, "mute adapter other");
    shown(&mut harness);

    // A recipe that names what is nowhere.
    let mut recipe = studio(&harness).bench.recipe.clone();
    recipe.adapters = vec!["gone=0.5".parse().unwrap()];
    harness.state_mut().studio_mut().adopt(&recipe);
    until(&mut harness, "told", |h| {
        let mut all = h.query_all_by_label_contains("adapter \"gone\": there is no such file");
        all.next().is_some()
    });
    click(&mut harness, "remove adapter gone");
    shown(&mut harness);

    // No adapter at all.
    let text = folder.path().join("notes.safetensors");
    std::fs::write(&text, "no tensors").unwrap();
    drop_file(&mut harness, &text);
    until(&mut harness, "refused", |h| {
        h.query_by_label_contains("notes.safetensors").is_some()
    });
    assert!(adapters(&harness).is_empty());
}

#[test]
fn an_embedding_is_a_word_of_the_prompt() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), true);
    embedding(
        &options,
        &folder.path().join("embeddings/inkcat.safetensors"),
    );
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    write_prompt(&mut harness, "a cat");
    let plain = shown(&mut harness);
    library(&mut harness, "embedding");
    click(&mut harness, "use inkcat");
    let prompt = |h: &Window| studio(h).bench.recipe.prompt.clone();
    until(&mut harness, "there", |h| prompt(h) == "a cat, inkcat");
    assert_ne!(shown(&mut harness).rgb, plain.rgb);
    let tab = harness.get_all_by_label("Controls").next().unwrap();
    tab.click();
    harness.run_steps(3);

    write_prompt(&mut harness, "a dog");
    harness.get_by_label("No prompt has the word inkcat, so it does nothing.");
    click(&mut harness, "write inkcat");
    assert_eq!(prompt(&harness), "a dog, inkcat");
    click(&mut harness, "remove adapter inkcat");
    assert_eq!(prompt(&harness), "a dog");
    assert!(studio(&harness).bench.recipe.embeddings.is_empty());
}

#[test]
fn a_sweep_over_a_weight_and_a_project_that_brings_its_adapter_along() {
    let folder = tempfile::tempdir().unwrap();
    let options = keeping(folder.path());
    let path = lora(&options, &folder.path().join("elsewhere/ink.safetensors"));
    let unsaved = folder.path().join("unsaved");
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    until(&mut harness, "a file", |_| projects_in(&unsaved).len() == 1);
    harness.run_steps(2);
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    drop_file(&mut harness, &path);
    until(&mut harness, "taken", |h| adapters(h) == ["ink=1"]);
    let studio_mut = harness.state_mut().studio_mut();
    let field = AxisField::Adapter("ink".to_owned());
    studio_mut.sweep.across = Some(Axis {
        count: 2,
        ..Axis::usual(field, &studio_mut.bench.recipe)
    });
    studio_mut.start_sweep();
    until(&mut harness, "swept", |h| {
        studio(h).sweep.cells().iter().all(|c| c.made.is_some())
    });
    let cells = studio(&harness).sweep.cells();
    let pixels = |at: usize| cells[at].made.as_ref().unwrap().picture.rgb.clone();
    assert_ne!(pixels(0), pixels(1));

    click(&mut harness, "mute adapter ink");
    let project = projects_in(&unsaved).remove(0);
    until(&mut harness, "saved", |_| {
        let opened = ProjectFile::open_to_read(&project).unwrap();
        opened.project.bench.muted_adapters.len() == 1
    });
    drop(harness);
    std::fs::remove_file(&path).unwrap();

    // Another machine: nothing but the project.
    let next = tempfile::tempdir().unwrap();
    let named = next.path().join("ink.vernier");
    std::fs::copy(&project, &named).unwrap();
    let mut options = keeping(next.path());
    options.open = Some(named);
    assert_eq!(AdapterLibrary::default().adapters().len(), 0);
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    until(&mut harness, "opened", |h| {
        studio(h).bench.is_adapter_muted("ink")
    });
    click(&mut harness, "mute adapter ink");
    until(&mut harness, "found", |h| {
        let rows = studio(h).adapter_rows();
        rows[0].problem.is_none() && rows[0].path.is_some()
    });
    key(&mut harness, Modifiers::COMMAND, Key::Enter);
    until(&mut harness, "rendered", |h| {
        studio(h).results().count() == 1
    });
}

#[test]
fn adapters_look_as_they_did() {
    let mut results = egui_kittest::SnapshotResults::new();
    for theme in ["dark", "light"] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), false);
        write_theme(&options, theme);
        options.engine.controls = vernier_engine::controls::ControlLibrary::new(Vec::new());
        let place = |name: &str| folder.path().join(name);
        lora(&options, &place("adapters/ink.safetensors"));
        lora_of_another_family(&place("adapters/other.safetensors"));
        embedding(&options, &place("embeddings/inkcat.safetensors"));
        let Some(mut harness) = window([1366.0, 768.0], &options) else {
            return;
        };
        choose_theme(&harness, theme);
        until(&mut harness, "adapters", |h| {
            studio(h).adapters().len() == 3
        });
        for found in studio(&harness).adapters().to_vec() {
            harness.state_mut().studio_mut().take_adapter(found.path);
        }
        until(&mut harness, "taken", |h| {
            let rows = studio(h).adapter_rows();
            rows.len() == 3 && rows.iter().all(|row| row.about != "being read")
        });
        let studio_mut = harness.state_mut().studio_mut();
        studio_mut.weigh_adapter("ink", 0.65, 0.4);
        while let Some(_toast) = studio_mut.toasts.at(std::time::Instant::now()).first() {
            studio_mut.toasts.dismiss(0);
        }
        harness.run_steps(6);
        harness.remove_cursor();
        harness.run_steps(2);
        results.add(harness.try_snapshot(format!("adapters_1366x768_{theme}")));
    }
}
