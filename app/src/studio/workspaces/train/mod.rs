//! Controls are made: the pictures that they learn from, what is to be trained, how it goes.

mod form;
mod pictures;
mod run;

use egui::{Button, Panel, Ui};

use crate::studio::state::Studio;

use pictures::PicturesView;
use run::RunView;

/// What the workspace remembers between frames.
#[derive(Default)]
pub(crate) struct TrainView {
    tab: Tab,
    pictures: PicturesView,
    run: RunView,
    /// How many trainings there were: a new one is shown.
    known_runs: usize,
}

/// What is beside the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Tab {
    /// The folder of pictures.
    #[default]
    Pictures,
    /// The shown training.
    Training,
}

/// What the workspace asks of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TrainAsked {
    /// A folder of pictures to open.
    OpenPictures,
    /// To show how this control responds.
    Calibrate(String),
    /// To put this control on the bench, and to go there.
    Bench(String),
}

impl TrainView {
    /// Whether a cell is being written in.
    pub(crate) fn is_being_typed(&self) -> bool {
        self.pictures.is_being_typed
    }

    /// Pictures whose thumbnails are wanted now, where that has changed.
    pub(crate) fn take_wanted_thumbnails(&mut self) -> Option<Vec<std::path::PathBuf>> {
        self.pictures.take_wanted()
    }
}

/// Draws the workspace.
pub(crate) fn train_workspace(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut TrainView,
) -> Option<TrainAsked> {
    let mut asked = None;
    let runs = studio.training.runs().len();
    if runs > view.known_runs && studio.training.is_active() {
        view.tab = Tab::Training;
    }
    view.known_runs = runs;
    Panel::left("what to train")
        .default_size(330.0)
        .size_range(280.0..=460.0)
        .show(ui, |ui| {
            let has_chosen = form::form_ui(ui, studio);
            if has_chosen {
                view.tab = Tab::Training;
            }
        });
    egui::CentralPanel::default_margins().show(ui, |ui| {
        ui.horizontal(|ui| {
            let unsaved = if studio.training.is_unsaved() {
                "Pictures *"
            } else {
                "Pictures"
            };
            for (tab, title) in [(Tab::Pictures, unsaved), (Tab::Training, "Training")] {
                let button = Button::selectable(view.tab == tab, title);
                if ui.add(button).clicked() {
                    view.tab = tab;
                }
            }
        });
        ui.separator();
        view.pictures.is_being_typed = false;
        asked = match view.tab {
            Tab::Pictures => pictures::pictures_ui(ui, studio, &mut view.pictures),
            Tab::Training => run::run_ui(ui, studio, &mut view.run),
        };
    });
    asked
}
