//! How the window looks, at the smallest and at a usual size, dark and light.

use egui_kittest::SnapshotResults;
use vernier::studio::Settings;

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
