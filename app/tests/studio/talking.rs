//! The talk line.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::command::UiCommand;
use vernier_engine::recipe::ControlScale;

use super::desk::{options, until, until_shown, window, write_prompt};

#[test]
fn a_sentence_moves_a_slider_and_the_picture_and_undo_restores_both() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window([1366.0, 900.0], &options(folder.path(), true)) else {
        return;
    };
    harness.run_steps(2);
    write_prompt(&mut harness, "a man next to a woman in a room");
    harness.state_mut().studio_mut().bench.recipe.steps = 8;
    std::thread::sleep(std::time::Duration::from_millis(700));
    harness.run_steps(2);
    until_shown(&mut harness);
    let before = harness.state().studio().bench.clone();
    let first = harness.state().studio().shown_picture().unwrap().0;

    harness.key_press_modifiers(Modifiers::COMMAND, Key::J);
    harness.run_steps(3);
    assert!(harness.get_by_label("say what to change").is_focused());
    harness
        .get_by_label("say what to change")
        .type_text("smile a lot more");
    harness.run_steps(2);
    harness.key_press(Key::Enter);
    until(&mut harness, "a question", |h| {
        !h.state().studio().talk().exchanges().is_empty()
    });
    harness.run_steps(2);
    harness.get_by_label("answer the woman's").click();
    until(&mut harness, "readings of the new picture", |h| {
        let exchanges = h.state().studio().talk().exchanges();
        exchanges.last().is_some_and(|last| last.after.is_some())
    });
    let after = harness.state().studio().bench.clone();
    let [smile] = after.recipe.controls.as_slice() else {
        panic!("{:?}", after.recipe.controls);
    };
    assert_eq!(
        (smile.name.as_str(), smile.subject.as_deref()),
        ("smile", Some("woman"))
    );
    let exchanges = harness.state().studio().talk().exchanges();
    assert_eq!(smile.scale, ControlScale::Measured, "{exchanges:?}");
    assert!(
        smile.resolved.is_some(),
        "the slider shows where it was found"
    );
    let (second, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(is_current && second.rgb != first.rgb);

    harness.state_mut().studio_mut().apply(UiCommand::Undo);
    harness.run_steps(2);
    let (back, is_current) = harness.state().studio().shown_picture().unwrap();
    assert!(is_current && back.rgb == first.rgb);
    assert_eq!(
        harness.state().studio().bench,
        before,
        "one step takes all of it back"
    );
}
