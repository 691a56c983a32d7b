//! What the window is used for: one picture, or many side by side.

mod edit;
mod measure;
mod sweep;
mod train;

pub(crate) use edit::{EditView, edit_workspace};
pub(crate) use measure::{MeasureView, measure_workspace};
use sweep::short;
pub(crate) use sweep::{SweepView, export as export_sweep, sweep_workspace};
pub(crate) use train::{TrainAsked, TrainView, train_workspace};

use egui::{Button, Ui};

/// What fills the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Workspace {
    /// One picture and its sliders.
    #[default]
    Generate,
    /// A picture to start from, and where it may change.
    Edit,
    /// A grid over one or two axes.
    Sweep,
    /// How far controls can be trusted.
    Measure,
    /// Controls are made.
    Train,
}

impl Workspace {
    const ALL: [Self; 5] = [
        Self::Generate,
        Self::Edit,
        Self::Sweep,
        Self::Measure,
        Self::Train,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Edit => "Edit",
            Self::Sweep => "Sweep",
            Self::Measure => "Measure",
            Self::Train => "Train",
        }
    }

    /// Draws the tabs.
    pub(crate) fn tabs(&mut self, ui: &mut Ui) {
        for workspace in Self::ALL {
            let tab = Button::selectable(*self == workspace, workspace.title());
            let name = match workspace {
                // A menu is called that, too.
                Self::Edit => "Edit workspace",
                other => other.title(),
            };
            if ui.add(tab).accessible_name(name).clicked() {
                *self = workspace;
            }
        }
    }
}
