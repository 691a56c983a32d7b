//! A window whose GPU is lost is opened anew.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use egui::ViewportCommand;

use super::StudioApp;
use crate::studio::gpu;
use crate::studio::state::{Studio, ToastKind};

/// Where a window says that it is to be opened anew, and with which project.
#[derive(Debug, Clone, Default)]
pub struct Anew(Arc<Mutex<Option<Reopened>>>);

/// What a window opened anew begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reopened {
    /// The project that was open, where it has a place; the others are gone on with anyway.
    pub project: Option<PathBuf>,
}

impl Anew {
    /// What was said, once.
    pub fn take(&self) -> Option<Reopened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn say(&self, reopened: Reopened) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reopened);
    }
}

impl StudioApp {
    /// Closes a window that nothing can be drawn in any more; its work is saved on the way out.
    pub(super) fn leave_lost_device(&mut self, ctx: &egui::Context) {
        let is_lost = self.render_state.as_ref().is_some_and(gpu::is_lost);
        if !is_lost || self.is_leaving {
            return;
        }
        self.is_leaving = true;
        self.anew.say(Reopened {
            project: self.keeping.path().map(ToOwned::to_owned),
        });
        ctx.send_viewport_cmd(ViewportCommand::Close);
    }
}

/// Tells why the window is a new one.
pub(super) fn tell(studio: &mut Studio) {
    let text = "The GPU was lost, so the window was opened anew; your work was saved before. What \
                was in the queue is to be asked for again.";
    studio.toasts.push(ToastKind::Trouble, text, None);
}
