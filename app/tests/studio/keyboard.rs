//! The whole of Generate without a mouse.

use std::collections::BTreeSet;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{AccessKitNode, NodeT as _, Queryable as _, by};

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
