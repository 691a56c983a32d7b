//! What the window is used for: one picture, or many side by side.

mod measure;
mod sweep;
mod train;

pub(crate) use measure::{MeasureView, measure_workspace};
pub(crate) use sweep::{SweepView, export as export_sweep, sweep_workspace};
pub(crate) use train::{TrainAsked, TrainView, train_workspace};

use egui::{Button, Ui};

/// What fills the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Workspace {
    /// One picture and its sliders.
    #[default]
    Generate,
    /// A grid over one or two axes.
    Sweep,
    /// How far controls can be trusted.
    Measure,
    /// Controls are made.
    Train,
}

impl Workspace {
    const ALL: [Self; 4] = [Self::Generate, Self::Sweep, Self::Measure, Self::Train];

    fn title(self) -> &'static str {
        match self {
            Self::Generate => "Generate",
            Self::Sweep => "Sweep",
            Self::Measure => "Measure",
            Self::Train => "Train",
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
