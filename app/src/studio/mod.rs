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

use egui::ViewportBuilder;

use crate::failure::Failure;

pub use app::{StudioApp, StudioOptions};
pub use settings::Settings;

/// The smallest screen that the window is made for, in points.
const SMALLEST: [f32; 2] = [1024.0, 640.0];

/// Opens the window and stays until it is closed.
///
/// # Errors
/// There is no display, or nothing that can draw on it.
pub(crate) fn run(options: StudioOptions) -> Result<(), Failure> {
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
