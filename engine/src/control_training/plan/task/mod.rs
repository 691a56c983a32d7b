//! A plan's training, ready to run.

mod from_plan;
mod quantity;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::super::work::Work;
use super::super::{
    AttAdapterOptions, DirectionMethod, PictureRequest, Schedule, TrainingEnd, TrainingNews,
    TrainingRequest, ValueOptions, train_att_adapter, train_direction, train_slider, train_value,
};
use crate::train::slider::SliderOptions;
use crate::{EngineError, Result};

pub use source::PictureSource;

/// Where things lie that a plan does not say.
#[derive(Debug, Clone)]
pub struct Places {
    /// Folder of the model that plans without one mean.
    pub embedded_model: PathBuf,
    /// Folder of the artist's own controls.
    pub own_controls: Option<PathBuf>,
    /// Folder of all trainings' work folders.
    pub work: Option<PathBuf>,
    /// The command to write down in the control; `None` for the plan's own.
    pub command: Option<String>,
    /// Time between reports of progress.
    pub report_every: Duration,
}

/// A training, ready to run.
#[derive(Debug, Clone)]
pub struct TrainingTask {
    kind: Kind,
    /// What the artist should know before it begins.
    notes: Vec<String>,
    work: PathBuf,
}

#[derive(Debug, Clone)]
enum Kind {
    Direction(TrainingRequest, DirectionMethod),
    Slider(TrainingRequest, SliderOptions, Vec<String>, Schedule),
    Value(PictureRequest, ValueOptions, PictureSource, Schedule),
    AttAdapter(PictureRequest, AttAdapterOptions, PictureSource, Schedule),
}

impl TrainingTask {
    /// Trains and saves the control. It can be stopped by `stop` and is resumed from its work
    /// folder.
    ///
    /// # Errors
    /// See [`train_direction`], [`train_slider`], [`train_value`] and [`train_att_adapter`].
    pub fn run(
        &self,
        stop: Arc<AtomicBool>,
        news: &mut dyn FnMut(TrainingNews),
    ) -> Result<TrainingEnd> {
        for note in &self.notes {
            news(TrainingNews::Note(note.clone()));
        }
        match &self.kind {
            Kind::Direction(request, method) => train_direction(request, method, stop, news),
            Kind::Slider(request, options, preserved, schedule) => {
                train_slider(request, options, preserved, schedule, stop, news)
            }
            Kind::Value(request, options, source, schedule) => {
                train_value(request, options, &source.open()?, schedule, stop, news)
            }
            Kind::AttAdapter(request, options, source, schedule) => {
                train_att_adapter(request, options, &source.open()?, schedule, stop, news)
            }
        }
    }

    /// The file that it writes.
    pub fn out(&self) -> &Path {
        match &self.kind {
            Kind::Direction(request, _) | Kind::Slider(request, ..) => &request.out,
            Kind::Value(request, ..) | Kind::AttAdapter(request, ..) => &request.out,
        }
    }

    /// The command that it writes into the control.
    pub fn command(&self) -> &str {
        match &self.kind {
            Kind::Direction(request, _) | Kind::Slider(request, ..) => &request.command,
            Kind::Value(request, ..) | Kind::AttAdapter(request, ..) => &request.command,
        }
    }

    /// The model's folder.
    pub fn model_folder(&self) -> &Path {
        match &self.kind {
            Kind::Direction(request, _) | Kind::Slider(request, ..) => &request.model_folder,
            Kind::Value(request, ..) | Kind::AttAdapter(request, ..) => &request.model_folder,
        }
    }

    /// The folder of its state.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Forgets the stored state, so that it begins anew.
    ///
    /// # Errors
    /// The state cannot be deleted.
    pub fn begin_anew(&self) -> Result<()> {
        let state = Work::state_in(&self.work);
        match std::fs::remove_file(&state) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(EngineError::io(state, e)),
            _ => Ok(()),
        }
    }
}
