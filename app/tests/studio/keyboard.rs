//! The whole of Generate without a mouse.

use std::collections::BTreeSet;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _, by};

use vernier::studio::command::UiCommand;
use vernier::studio::state::Layer;
use vernier_engine::picture::Mask;

use super::desk::{options, window};

fn is_focused(node: &AccessKitNode<'_>) -> bool {
    node.is_focused()
}

#[test]
fn tab_reaches_everything_and_a_focused_button_can_be_pressed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window([1280.0, 900.0], &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(3);
    let mut reached = BTreeSet::new();
    for _ in 0..80 {
        harness.key_press(Key::Tab);
        harness.step();
        harness.step();
        let focused = harness.query_all(by().predicate(is_focused));
        let names: Vec<String> = focused.filter_map(|n| n.accesskit_node().label()).collect();
        reached.extend(names);
    }
    for name in [
        "File",
        "Generate",
        "Sweep",
        "prompt",
        "subject man",
        "negative prompt",
        "Render",
        "pictures",
        "Live",
        "seed",
        "New seed",
        "steps",
        "guidance",
        "sampler",
    ] {
        assert!(reached.contains(name), "{name} is not among {reached:?}");
    }

    harness.get_by_label("New seed").focus();
    harness.step();
    let before = harness.state().studio().bench.recipe.seed;
    harness.key_press_modifiers(Modifiers::NONE, Key::Space);
    harness.run_steps(3);
    assert_ne!(harness.state().studio().bench.recipe.seed, before);
}

#[test]
fn tab_reaches_everything_of_edit() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window([1280.0, 1000.0], &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(3);
    let size = {
        let recipe = &harness.state().studio().bench.recipe;
        [recipe.width_px, recipe.height_px]
    };
    let studio = harness.state_mut().studio_mut();
    let grey = Mask::filled(size[0], size[1], 128).to_picture();
    let picture = studio.options().pictures.insert(grey);
    studio.set_source(picture);
    studio.apply(UiCommand::AddRegion);
    studio.edit.choose_layer(Layer::Mask);
    studio.apply(UiCommand::FillMask);
    harness.get_by_label("Edit workspace").click();
    harness.run_steps(3);
    let mut reached = BTreeSet::new();
    for _ in 0..90 {
        harness.key_press(Key::Tab);
        harness.step();
        harness.step();
        let focused = harness.query_all(by().predicate(is_focused));
        for node in focused {
            let label = node.accesskit_node().label();
            assert!(label.is_some(), "{node:?} has no name");
            reached.extend(label);
        }
    }
    for name in [
        "Use shown picture",
        "Open a source",
        "Clear the source",
        "strength",
        "paint where it may change",
        "paint region 1",
        "Brush",
        "Lasso",
        "Box",
        "Add",
        "Erase",
        "size",
        "hardness",
        "feather",
        "Invert",
        "Fill",
        "Clear mask",
        "Grow",
        "Shrink",
        "grow or shrink by, in pixels",
        "masked part alone",
        "mask of region 1",
        "words of region 1",
        "weight of region 1",
        "show mask of region 1",
        "remove region 1",
        "Add a region",
        "show result",
        "show source",
        "show wipe",
        "masks",
        "Histogram",
    ] {
        let is_greyed = name == "Use shown picture";
        assert!(
            is_greyed || reached.contains(name),
            "{name} is not among {reached:?}"
        );
    }
}
