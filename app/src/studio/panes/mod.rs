//! The parts of the window that show the studio.

mod adapters;
mod canvas;
mod controlnets;
mod controls;
mod filmstrip;
mod histogram;
mod library;
mod picture_prompts;
mod prompt;
mod queue;
mod settings;
mod talk;

pub(crate) use canvas::{
    CanvasView, HANDLE, Keys, ZOOM_RANGE, canvas_pane, corner_note, heat_scale,
};
pub(crate) use controls::controls_pane;
pub(crate) use filmstrip::{Thumbnails, filmstrip_pane};
pub(crate) use histogram::HistogramPanel;
pub(crate) use library::{LibraryView, library_pane};
pub(crate) use prompt::{PromptView, prompt_pane};
pub(crate) use queue::{fraction, progress_text, queue_pane};
pub(crate) use settings::settings_pane;
pub(crate) use talk::{TalkView, talk_pane};
