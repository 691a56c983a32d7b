//! The desktop window.
//!
//! [`state`] is the studio without its window; `panes` and `shell` draw it and ask it for
//! changes; `link` is its end of the engine thread. A frame goes through [`StudioApp`]: what the
//! engine told is taken in, the studio looks at itself, everything is drawn, and what was asked for
//! is done.

mod app;
pub mod command;
mod desk;
mod files;
pub mod gpu;
mod keeper;
mod keeping;
mod link;
mod panes;
mod settings;
mod shell;
pub mod state;
mod theme;
mod widgets;
mod workspaces;

use std::time::{Duration, Instant};

use egui::ViewportBuilder;

use crate::failure::Failure;

pub use app::{Anew, Reopened, StudioApp, StudioOptions};
pub use settings::Settings;

/// The smallest screen that the window is made for, in points.
const SMALLEST: [f32; 2] = [1024.0, 640.0];

/// A window that loses its GPU sooner than this would lose it again and again.
const SHORTEST_LIFE: Duration = Duration::from_secs(20);

/// Opens the window and stays until it is closed; one whose GPU is lost is opened anew.
///
/// # Errors
/// There is no display, or nothing that can draw on it.
pub(crate) fn run(mut options: StudioOptions) -> Result<(), Failure> {
    loop {
        let started = Instant::now();
        show(options.clone())?;
        let Some(reopened) = options.anew.take() else {
            return Ok(());
        };
        if started.elapsed() < SHORTEST_LIFE {
            let sentence = "the GPU was lost soon after the start; what was open is saved. Update \
                            its driver, or hide it (VK_ICD_FILENAMES= names the drivers to use)";
            return Err(Failure::Failed(sentence.to_owned()));
        }
        options.open = reopened.project;
        options.is_reopened = true;
    }
}

/// Opens a window and stays until it is closed.
fn show(options: StudioOptions) -> Result<(), Failure> {
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_title("Vernier")
            .with_app_id("vernier")
            .with_inner_size([1440.0, 900.0])
            .with_min_inner_size(SMALLEST),
        ..eframe::NativeOptions::default()
    };
    let start = move |cc: &eframe::CreationContext<'_>| {
        let app: Box<dyn eframe::App> = Box::new(StudioApp::new(cc, &options)?);
        Ok(app)
    };
    eframe::run_native("vernier", native, Box::new(start)).map_err(|e| {
        Failure::Failed(format!(
            "the window cannot be opened ({e}); `vernier render` works without a display"
        ))
    })
}

/// Whether there is a display to open a window on.
pub(crate) fn has_display() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}
