//! What the window is used for: one picture, or many side by side.

mod sweep;

pub(crate) use sweep::{SweepView, export as export_sweep, sweep_workspace};

use egui::{Button, Ui};

/// What fills the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Workspace {
    /// One picture and its sliders.
    #[default]
    Generate,
    /// A grid over one or two axes.
    Sweep,
}

impl Workspace {
    const ALL: [Self; 2] = [Self::Generate, Self::Sweep];

    fn title(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Sweep => "Sweep",
        }
    }

    /// Draws the tabs.
    pub(crate) fn tabs(&mut self, ui: &mut Ui) {
        for workspace in Self::ALL {
            let tab = Button::selectable(*self == workspace, workspace.title());
            if ui.add(tab).clicked() {
                *self = workspace;
            }
        }
    }
}
