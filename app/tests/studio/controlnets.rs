//! ControlNets in the window.

use std::path::Path;

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vernier::studio::StudioOptions;
use vernier_engine::checkpoint::{ControlNetLibrary, tiny};
use vernier_engine::picture::{self, Picture};

use super::desk::{Window, click, drop_file, key, options, shown, studio, until, window};

const SIZE: [f32; 2] = [1366.0, 900.0];

/// Weight, start and end of each, and what is made of its picture.
fn used(harness: &Window) -> Vec<String> {
    let nets = studio(harness).bench.recipe.controlnets.iter();
    nets.filter(|used| !used.muted)
        .map(|c| {
            format!(
                "{} {} {}-{} {}",
                c.name, c.weight, c.start, c.end, c.preprocessor
            )
        })
        .collect()
}

/// Options with the ControlNet `edges` for the embedded model at hand.
fn with_controlnet(folder: &Path) -> StudioOptions {
    let mut options = options(folder, true);
    let nets = folder.join("controlnets");
    tiny::write_controlnet(&options.engine.embedded_model, &nets.join("edges"), 3).unwrap();
    options.engine.controlnets = ControlNetLibrary::new(vec![nets]);
    options
}

fn write_drawing(path: &Path) {
    let inside = |i: usize| (10..40).contains(&(i % 64)) && (20..50).contains(&(i / 64));
    let drawing = Picture {
        width_px: 64,
        height_px: 64,
        rgb: (0..64 * 64)
            .flat_map(|i| [if inside(i) { 220 } else { 30 }; 3])
            .collect(),
    };
    std::fs::write(path, picture::to_plain_png(&drawing).unwrap()).unwrap();
}

#[test]
fn a_controlnet_is_found_given_a_picture_set_muted_and_undone() {
    let folder = tempfile::tempdir().unwrap();
    let options = with_controlnet(folder.path());
    let drawing = folder.path().join("drawing.png");
    write_drawing(&drawing);
    let Some(mut harness) = window(SIZE, &options) else {
        return;
    };
    harness.state_mut().studio_mut().bench.recipe.steps = 3;
    let plain = shown(&mut harness);

    until(&mut harness, "ControlNets", |h| {
        !studio(h).controlnets().is_empty()
    });
    key(&mut harness, Modifiers::COMMAND, Key::F);
    harness
        .get_by_label("search the library")
        .type_text("edges");
    harness.run_steps(2);
    click(&mut harness, "library: Adapters");
    click(&mut harness, "use edges");
    let tab = harness.get_all_by_label("Controls").next().unwrap();
    tab.click();
    harness.run_steps(3);
    // It waits for a picture, and the next file that is dropped is one to follow.
    harness.get_by_label("open a picture for edges");
    assert!(used(&harness).is_empty());
    drop_file(&mut harness, &drawing);
    until(&mut harness, "there", |h| used(h) == ["edges 1 0-1 none"]);
    assert!(studio(&harness).bench.recipe.source.is_none());
    let with = shown(&mut harness);
    assert_ne!(with.rgb, plain.rgb, "the picture follows");
    assert!(harness.query_by_label("open a picture for edges").is_none());
    harness.get_by_label("map of edges");

    click(&mut harness, "preprocessor of edges");
    click(&mut harness, "canny");
    assert_eq!(used(&harness), ["edges 1 0-1 canny"]);
    let size = (plain.width_px, plain.height_px);
    let rows = harness.state_mut().studio_mut().controlnet_rows();
    let map = rows[0].map.clone().unwrap();
    assert_eq!((map.width_px, map.height_px), size);
    assert!(map.rgb.iter().all(|&c| c == 0 || c == 255) && map.rgb.contains(&255));
    assert_ne!(shown(&mut harness).rgb, with.rgb);
    let slider = egui::accesskit::Role::Slider;
    harness
        .get_by_role_and_label(slider, "weight of ControlNet edges")
        .focus();
    harness.step();
    key(&mut harness, Modifiers::NONE, Key::ArrowLeft);
    assert_eq!(used(&harness), ["edges 0.99 0-1 canny"]);

    click(&mut harness, "mute ControlNet edges");
    assert!(used(&harness).is_empty());
    assert_eq!(
        shown(&mut harness).rgb,
        plain.rgb,
        "as if it were not there"
    );
    click(&mut harness, "mute ControlNet edges");
    click(&mut harness, "another picture for edges");
    click(&mut harness, "edges follows the shown picture");
    let followed = studio(&harness).bench.recipe.controlnets[0].picture.clone();
    assert_eq!(followed.path, None);
    click(&mut harness, "remove ControlNet edges");
    assert!(studio(&harness).bench.recipe.controlnets.is_empty());
    key(&mut harness, Modifiers::COMMAND, Key::Z);
    assert_eq!(
        used(&harness),
        ["edges 0.99 0-1 canny"],
        "undo brings it back"
    );
}
