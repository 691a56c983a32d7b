//! How the window looks, at the smallest and at a usual size, dark and light.

use egui_kittest::SnapshotResults;
use egui_kittest::kittest::Queryable as _;
use vernier::studio::Settings;
use vernier::studio::state::{Layer, Tool};
use vernier_engine::picture::Picture;

use super::desk::{choose_theme, options, window};

#[test]
fn it_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for (name, size, theme) in [
        ("generate_1366x768_dark", [1366.0, 768.0], "dark"),
        ("generate_1366x768_light", [1366.0, 768.0], "light"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), false);
        let settings = Settings {
            theme: theme.to_owned(),
            ..Settings::default()
        };
        settings
            .write(options.settings.as_deref().unwrap())
            .unwrap();
        // Which controls there are must not matter here.
        options.engine.controls = vernier_engine::controls::ControlLibrary::new(Vec::new());
        let Some(mut harness) = window(size, &options) else {
            return;
        };
        choose_theme(&harness, theme);
        harness.run_steps(6);
        harness.remove_cursor();
        harness.run_steps(2);
        results.add(harness.try_snapshot(name));
    }
}

#[test]
fn edit_looks_as_it_did() {
    let mut results = SnapshotResults::new();
    for theme in ["dark", "light"] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), false);
        let settings = Settings {
            theme: theme.to_owned(),
            ..Settings::default()
        };
        settings
            .write(options.settings.as_deref().unwrap())
            .unwrap();
        options.engine.controls = vernier_engine::controls::ControlLibrary::new(Vec::new());
        let Some(mut harness) = window([1366.0, 768.0], &options) else {
            return;
        };
        choose_theme(&harness, theme);
        harness.get_by_label("Edit workspace").click();
        harness.run_steps(3);
        let studio = harness.state_mut().studio_mut();
        let [width, height] = studio.edit_size_px();
        let slope = |x: u32, y: u32| [x * 255 / width, y * 255 / height, 128].map(|c| c as u8);
        let picture = Picture {
            width_px: width,
            height_px: height,
            rgb: (0..width * height)
                .flat_map(|i| slope(i % width, i / width))
                .collect(),
        };
        let picture = studio.options().pictures.insert(picture);
        studio.set_source(picture);
        let [w, h] = [width, height].map(f64::from);
        studio.edit.brush_radius_px = w / 8.0;
        studio.begin_stroke([w * 0.3, h * 0.4], false);
        studio.continue_stroke([w * 0.5, h * 0.5]);
        studio.end_stroke();
        for (at, words) in ["a red car", "a white cat"].into_iter().enumerate() {
            studio.add_region();
            studio.bench.recipe.regions[at].prompt = words.to_owned();
            studio.edit.tool = Tool::Box;
            let left = w * (0.1 + 0.45 * at as f64);
            studio.begin_stroke([left, h * 0.6], false);
            studio.continue_stroke([left + w * 0.3, h * 0.9]);
            studio.end_stroke();
        }
        studio.edit.tool = Tool::Brush;
        studio.edit.choose_layer(Layer::Mask);
        harness.run_steps(6);
        harness.remove_cursor();
        harness.run_steps(2);
        results.add(harness.try_snapshot(format!("edit_1366x768_{theme}")));
    }
}
