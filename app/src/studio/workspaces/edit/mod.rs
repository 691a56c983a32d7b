//! Changing a picture: what to start from, where it may change, and what stands where.

mod canvas;
mod pointer;
mod regions;
mod side;
mod words;

use egui::{CentralPanel, Panel, Ui};

use crate::studio::command::UiCommand;
use crate::studio::panes::{CanvasView, HistogramPanel};
use crate::studio::state::Studio;

/// What the workspace remembers between frames.
#[derive(Debug, Default)]
pub(crate) struct EditView {
    gesture: Option<pointer::Gesture>,
    /// The part of the picture that is masked, of a mask's revision.
    share: Option<(u64, f64)>,
    is_being_typed: bool,
    /// The region, or the change, whose words shall be written next.
    wants_words: Option<usize>,
}

impl EditView {
    /// Whether a region's words have just changed.
    pub(crate) fn is_being_typed(&self) -> bool {
        self.is_being_typed
    }
}

/// Draws the workspace; `canvas` is Generate's, so that one looks at the same place.
pub(crate) fn edit_workspace(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut EditView,
    canvas: &mut CanvasView,
    histogram: &mut HistogramPanel,
) -> Option<UiCommand> {
    let mut asked = None;
    view.is_being_typed = false;
    Panel::left("edit settings")
        .default_size(300.0)
        .size_range(260.0..=420.0)
        .show(ui, |ui| {
            asked = side::side_ui(ui, studio, view, canvas, histogram);
        });
    CentralPanel::no_frame().show(ui, |ui| canvas::canvas_ui(ui, studio, view, canvas));
    asked
}
