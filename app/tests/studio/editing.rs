//! Edit: a source, a mask painted with the pointer, regions with words of their own.

use std::path::Path;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{Key, Modifiers, PointerButton, Pos2, Rect, pos2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioApp;
use vernier::studio::state::{Layer, Shown, Studio, Tool};
use vernier_engine::picture::{Ink, Mask, Picture};

use super::desk::{options, until, window, write_prompt};

pub(crate) const SIZE: [f32; 2] = [1366.0, 900.0];

pub(crate) type Window = Harness<'static, StudioApp>;

pub(crate) fn studio(harness: &Window) -> &Studio {
    harness.state().studio()
}

/// Edit, with no picture yet.
fn edit_window(folder: &Path) -> Option<Window> {
    let mut harness = window(SIZE, &options(folder, false))?;
    harness.run_steps(2);
    let recipe = &mut harness.state_mut().studio_mut().bench.recipe;
    recipe.steps = 6;
    harness.get_by_label("Edit workspace").click();
    harness.run_steps(2);
    Some(harness)
}

/// Edit, with the bench's own picture as the source.
fn with_source(folder: &Path) -> Option<Window> {
    let mut harness = edit_window(folder)?;
    render(&mut harness);
    harness.get_by_label("Use shown picture").click();
    harness.run_steps(2);
    assert!(studio(&harness).bench.recipe.source.is_some());
    Some(harness)
}

/// Renders the bench and waits for the picture.
pub(crate) fn render(harness: &mut Window) -> Arc<Picture> {
    let before = studio(harness).results().count();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Enter);
    until(harness, "kept", |h| studio(h).results().count() > before);
    harness.run_steps(2);
    let last = studio(harness).results().next_back().unwrap();
    last.picture.clone().unwrap()
}

/// The picture's place on the screen.
fn picture_rect(harness: &Window) -> Rect {
    let canvas = harness.get_by_label_contains("edit canvas").rect();
    // As a view that fits shows it, with a margin around.
    let room = canvas.shrink(12.0);
    let side = room.width().min(room.height());
    Rect::from_center_size(room.center(), egui::vec2(side, side))
}

/// A place in the picture by parts of its sides.
fn place(harness: &Window, at: [f32; 2]) -> Pos2 {
    let rect = picture_rect(harness);
    pos2(
        rect.left() + at[0] * rect.width(),
        rect.top() + at[1] * rect.height(),
    )
}

/// Presses, moves over all places, lets go.
pub(crate) fn draw(harness: &mut Window, button: PointerButton, places: &[[f32; 2]]) {
    let places: Vec<Pos2> = places.iter().map(|at| place(harness, *at)).collect();
    let press = |pos: Pos2, pressed: bool| egui::Event::PointerButton {
        pos,
        button,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.hover_at(places[0]);
    harness.step();
    harness.event(press(places[0], true));
    harness.step();
    for pos in &places[1..] {
        harness.hover_at(*pos);
        harness.step();
    }
    harness.event(press(places[places.len() - 1], false));
    harness.run_steps(2);
    harness.remove_cursor();
    harness.run_steps(2);
}

pub(crate) fn mask(harness: &mut Window, layer: Layer) -> Option<Arc<Mask>> {
    let shown = harness.state_mut().studio_mut().shown_mask(layer);
    shown.map(|shown| shown.mask)
}

/// Pixels that differ, inside and outside of a mask.
fn changed(before: &Picture, after: &Picture, mask: &Mask) -> [usize; 2] {
    let mut changed = [0; 2];
    let pixels = before.rgb.chunks(3).zip(after.rgb.chunks(3));
    for ((a, b), coverage) in pixels.zip(mask.coverage()) {
        if a != b {
            changed[usize::from(*coverage == 0)] += 1;
        }
    }
    changed
}

#[test]
fn only_what_is_painted_changes_and_undo_takes_the_stroke_back() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_source(folder.path()) else {
        return;
    };
    harness.get_by_label_contains("everything may change");
    let source = studio(&harness).results().next().unwrap().picture.clone();
    let source = source.unwrap();
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.25, 0.5], [0.4, 0.5], [0.5, 0.45]],
    );
    let painted = mask(&mut harness, Layer::Mask).unwrap();
    let [width, height] = [source.width_px, source.height_px];
    assert!(painted.get(width * 2 / 5, height / 2) > 200);
    assert_eq!(painted.get(width * 9 / 10, height / 10), 0);
    harness.get_by_label_contains("outside of it the pixels stay as they are");
    let strength = harness.get_by_role_and_label(Role::Slider, "strength");
    strength.set_value_accesskit(0.9);
    harness.run_steps(2);
    write_prompt(&mut harness, "a red car");
    let result = render(&mut harness);
    let [inside, outside] = changed(&source, &result, &painted);
    assert_eq!(outside, 0, "outside of the mask the pixels are equal");
    assert!(inside > 0, "inside something has changed");

    let recipe = studio(&harness).bench.recipe.clone();
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.8, 0.8], [0.85, 0.8]],
    );
    assert_ne!(studio(&harness).bench.recipe, recipe);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
    assert_eq!(studio(&harness).bench.recipe, recipe, "one step");
    assert_eq!(mask(&mut harness, Layer::Mask).unwrap(), painted);
    assert_eq!(studio(&harness).shown_picture().unwrap().0.rgb, result.rgb);
}

#[test]
fn lasso_box_and_inversion_by_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_source(folder.path()) else {
        return;
    };
    harness.key_press(Key::M);
    harness.run_steps(2);
    assert_eq!(studio(&harness).edit.tool, Tool::Box);
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.2, 0.2], [0.5, 0.5], [0.6, 0.6]],
    );
    let boxed = mask(&mut harness, Layer::Mask).unwrap();
    assert!((boxed.share() - 0.16).abs() < 0.01, "{}", boxed.share());

    harness.key_press(Key::L);
    harness.key_press(Key::X);
    harness.run_steps(2);
    assert_eq!(studio(&harness).edit.tool, Tool::Lasso);
    assert_eq!(studio(&harness).edit.ink, Ink::Erase);
    let corner = [[0.2, 0.2], [0.4, 0.2], [0.4, 0.6], [0.2, 0.6]];
    draw(&mut harness, PointerButton::Primary, &corner);
    let cut = mask(&mut harness, Layer::Mask).unwrap();
    assert!((cut.share() - 0.08).abs() < 0.01, "{}", cut.share());

    harness.key_press_modifiers(Modifiers::COMMAND, Key::I);
    harness.run_steps(2);
    let inverted = mask(&mut harness, Layer::Mask).unwrap();
    assert_eq!(*inverted, cut.inverted());

    let before = studio(&harness).edit.brush_radius_px;
    harness.key_press(Key::B);
    harness.key_press(Key::CloseBracket);
    harness.run_steps(2);
    assert!(studio(&harness).edit.brush_radius_px > before);
    harness.key_press(Key::OpenBracket);
    harness.run_steps(2);
    assert!((studio(&harness).edit.brush_radius_px - before).abs() < 1e-9);

    // A letter that is written is none of them.
    write_prompt(&mut harness, "a box");
    harness.get_by_label("prompt").focus();
    harness.step();
    harness.key_press(Key::M);
    harness.run_steps(2);
    assert_eq!(studio(&harness).edit.tool, Tool::Brush);
}

#[test]
fn the_right_button_erases_and_escape_leaves_a_stroke() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_source(folder.path()) else {
        return;
    };
    harness.get_by_label("Fill").click();
    harness.run_steps(2);
    draw(
        &mut harness,
        PointerButton::Secondary,
        &[[0.5, 0.5], [0.6, 0.5]],
    );
    let erased = mask(&mut harness, Layer::Mask).unwrap();
    let [width, height] = studio(&harness).edit_size_px();
    assert_eq!(erased.get(width * 55 / 100, height / 2), 0);
    assert_eq!(erased.get(2, 2), 255);

    let from = place(&harness, [0.2, 0.2]);
    harness.hover_at(from);
    harness.step();
    harness.drag_at(from);
    harness.step();
    assert!(studio(&harness).edit.stroke().is_some());
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert!(studio(&harness).edit.stroke().is_none());
    harness.drop_at(from);
    harness.run_steps(2);
    assert_eq!(mask(&mut harness, Layer::Mask).unwrap(), erased);
}

#[test]
fn a_region_gets_words_and_a_place_and_changes_the_picture_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = edit_window(folder.path()) else {
        return;
    };
    write_prompt(&mut harness, "a cat in a room");
    let plain = render(&mut harness);
    harness.get_by_label("Add a region").click();
    harness.run_steps(4);
    assert!(harness.get_by_label("words of region 1").is_focused());
    harness.get_by_label_contains("nothing can be rendered");
    harness
        .get_by_label("words of region 1")
        .type_text("a red car");
    harness.run_steps(2);
    let regions = &studio(&harness).bench.recipe.regions;
    assert_eq!(regions[0].prompt, "a red car");
    assert_eq!(studio(&harness).edit.layer(), Layer::Region(0));
    harness.get_by_label("Box").click();
    harness.run_steps(2);
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.5, 0.0], [0.8, 0.8], [1.0, 1.0]],
    );
    let painted = mask(&mut harness, Layer::Region(0)).unwrap();
    assert!((painted.share() - 0.5).abs() < 0.02, "{}", painted.share());
    assert!(
        studio(&harness).bench.recipe.source.is_none(),
        "none is needed"
    );
    let result = render(&mut harness);
    assert_ne!(plain.rgb, result.rgb);
    harness
        .get_by_label("show mask of region 1")
        .click_accesskit();
    harness.run_steps(2);
    assert!(studio(&harness).edit.is_hidden(0));
    harness.get_by_label("remove region 1").click_accesskit();
    harness.run_steps(2);
    assert!(studio(&harness).bench.recipe.regions.is_empty());
}

#[test]
fn live_renders_again_when_a_stroke_ends() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = with_source(folder.path()) else {
        return;
    };
    harness.get_by_label("Live").click();
    harness.run_steps(2);
    let is_current = |h: &Window| {
        let shown = studio(h).shown_picture();
        studio(h).shown == Shown::Bench && shown.is_some_and(|(_, is_current)| is_current)
    };
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.4, 0.4], [0.5, 0.5]],
    );
    until(&mut harness, "rendered", is_current);
    let first = studio(&harness).shown_picture().unwrap().0;
    draw(
        &mut harness,
        PointerButton::Primary,
        &[[0.6, 0.6], [0.7, 0.7]],
    );
    until(&mut harness, "rendered again", is_current);
    let second = studio(&harness).shown_picture().unwrap().0;
    assert_ne!(first.rgb, second.rgb);
}

#[test]
fn the_histogram_counts_what_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut harness) = window(SIZE, &options(folder.path(), false)) else {
        return;
    };
    harness.run_steps(2);
    harness.state_mut().studio_mut().bench.recipe.steps = 4;
    let picture = render(&mut harness);
    harness.get_by_label("Histogram").click_accesskit();
    let dark = picture.rgb.chunks(3).filter(|p| {
        let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
        (54 * r + 183 * g + 19 * b + 128) >> 8 == 0
    });
    let expected = format!("clipped shadows: {} px", dark.count());
    until(&mut harness, "counted", |h| {
        h.query_by_label_contains(&expected).is_some()
    });
    harness.get_by_label("histogram");
}
