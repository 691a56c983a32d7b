//! A window without a screen.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use eframe::egui_wgpu::RenderState;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use egui_kittest::{Harness, SnapshotOptions};
use vernier::studio::state::Studio;
use vernier::studio::{Settings, StudioApp, StudioOptions};
use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::picture::Picture;
use vernier_engine::service::RenderOptions;

/// The one tolerance of all snapshots: software Vulkan compiles for the processor at hand, so a
/// few pixels at edges differ from machine to machine.
pub(crate) fn tolerance() -> SnapshotOptions {
    SnapshotOptions::new().threshold(1.0).max_failed_pixels(40)
}

/// Whether anything can draw here; says so where nothing can.
fn can_draw() -> bool {
    static CAN_DRAW: OnceLock<bool> = OnceLock::new();
    *CAN_DRAW.get_or_init(|| {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let all = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        if all.is_empty() {
            println!("skipped: there is no graphics adapter (Debian: mesa-vulkan-drivers)");
        }
        !all.is_empty()
    })
}

/// A window of `size` points; nothing of the user's own is read or written. `None` where nothing
/// can draw.
pub(crate) fn window(
    size: [f32; 2],
    options: &StudioOptions,
) -> Option<Harness<'static, StudioApp>> {
    window_on(size, options).map(|(harness, _)| harness)
}

/// The same with what draws it.
pub(crate) fn window_on(
    size: [f32; 2],
    options: &StudioOptions,
) -> Option<(Harness<'static, StudioApp>, RenderState)> {
    if !can_draw() {
        return None;
    }
    let options = options.clone();
    let (outbox, drawn_by) = std::sync::mpsc::channel();
    let harness = Harness::builder()
        .with_size(size)
        .with_max_steps(60)
        .with_options(tolerance())
        .wgpu()
        .build_eframe(move |cc| {
            outbox.send(cc.wgpu_render_state.clone().unwrap()).unwrap();
            StudioApp::new(cc, &options).unwrap()
        });
    Some((harness, drawn_by.recv().unwrap()))
}

/// The same with projects that are kept in `folder`, as the program itself has it.
pub(crate) fn keeping(folder: &Path) -> StudioOptions {
    StudioOptions {
        unsaved: Some(folder.join("unsaved")),
        ..options(folder, false)
    }
}

/// Options that keep to `folder`, and no project: one that is opened a moment later would take the
/// bench from under a test.
pub(crate) fn options(folder: &Path, live: bool) -> StudioOptions {
    let plain = StudioOptions::plain();
    StudioOptions {
        settings: Some(folder.join("studio.json")),
        own_controls: Some(folder.join("controls")),
        live: Some(live),
        engine: RenderOptions {
            adapters: AdapterLibrary::new(
                vec![folder.join("adapters")],
                vec![folder.join("embeddings")],
                vec![folder.join("project-adapters")],
            ),
            ..plain.engine.clone()
        },
        project_adapters: Some(folder.join("project-adapters")),
        ..plain
    }
}

/// Writes settings with this theme for a window that is opened with `options`.
pub(crate) fn write_theme(options: &StudioOptions, name: &str) {
    let settings = Settings {
        theme: name.to_owned(),
        ..Settings::default()
    };
    let path = options.settings.as_deref().unwrap();
    settings.write(path).unwrap();
}

/// The harness sets a theme of its own after the window has set the artist's.
pub(crate) fn choose_theme(harness: &Harness<'static, StudioApp>, name: &str) {
    harness.ctx.set_theme(match name {
        "light" => egui::Theme::Light,
        _ => egui::Theme::Dark,
    });
}

/// Draws frames until `is_so`, for a minute at most.
#[track_caller]
pub(crate) fn until(
    harness: &mut Harness<'static, StudioApp>,
    what: &str,
    is_so: impl Fn(&Harness<'static, StudioApp>) -> bool,
) {
    let started = Instant::now();
    while !is_so(harness) {
        assert!(started.elapsed() < Duration::from_mins(1), "never {what}");
        harness.step();
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Draws frames until the picture is what the bench asks for.
#[track_caller]
pub(crate) fn until_shown(harness: &mut Harness<'static, StudioApp>) {
    until(harness, "shown", |h| {
        h.state()
            .studio()
            .shown_picture()
            .is_some_and(|(_, is_current)| is_current)
    });
}

/// Writes `text` in place of the prompt.
pub(crate) fn write_prompt(harness: &mut Harness<'static, StudioApp>, text: &str) {
    harness.get_by_label("prompt").focus();
    harness.step();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.step();
    harness.get_by_label("prompt").type_text(text);
    harness.step();
    harness.step();
}

#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        std::fs::read(&self.0).map_err(|e| e.to_string())
    }
}

/// Lets go of the file `path` over the window.
pub(crate) fn drop_file(harness: &mut Harness<'static, StudioApp>, path: &Path) {
    let dropped = Arc::new(Dropped(path.to_owned()));
    harness.input_mut().dropped_files.push(dropped);
    harness.step();
}

/// Project files below `folder`.
pub(crate) fn projects_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|p| p.extension().is_some_and(|e| e == "vernier"))
        .collect()
}

/// The window and all that it shows.
pub(crate) type Window = Harness<'static, StudioApp>;

/// What the window is about.
pub(crate) fn studio(harness: &Window) -> &Studio {
    harness.state().studio()
}

/// Clicks what is called `label`, and lets the window answer.
pub(crate) fn click(harness: &mut Window, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(4);
}

/// Presses a key, and lets the window answer.
pub(crate) fn key(harness: &mut Window, modifiers: Modifiers, key: Key) {
    harness.key_press_modifiers(modifiers, key);
    harness.run_steps(3);
}

/// The picture that is shown once the bench's own is there.
pub(crate) fn shown(harness: &mut Window) -> Arc<Picture> {
    harness.run_steps(2);
    until_shown(harness);
    studio(harness).shown_picture().unwrap().0
}
