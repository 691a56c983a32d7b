//! What a training is told, and what it tells.

use std::path::PathBuf;
use std::time::Duration;

use crate::controls::ControlInfo;
use crate::device::{DeviceRequest, Dtype};
use crate::recipe::ModelRef;
use crate::train::StepReport;
use crate::train::direction::PromptPair;

/// What every control is made from, whatever its method.
#[derive(Debug, Clone)]
pub struct TrainingRequest {
    /// The control's name.
    pub name: String,
    /// What it moves, in the meter's words.
    pub attribute: String,
    /// Nouns of the subjects that it is for.
    pub subjects: Vec<String>,
    /// One sentence for people.
    pub about: String,
    /// Fraction of the steps, 0..1, that pass before it begins.
    pub start: f64,
    /// The command that asks for it.
    pub command: String,
    /// The model, as recipes name it.
    pub model: ModelRef,
    /// The model's folder.
    pub model_folder: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// Prompts without, with more and with less of the attribute.
    pub pairs: Vec<PromptPair>,
    /// Where to compute.
    pub device: DeviceRequest,
    /// Dtype of the U-Net and the text encoder.
    pub dtype: Dtype,
}

/// How long and how fast a control is trained.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// All steps, earlier runs included.
    pub steps: u64,
    /// Data-parallel workers; `None` for as many as suit the model and the machine.
    pub workers: Option<usize>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Fraction of all steps, at the end, over which the learning rate falls to zero.
    pub decay: f64,
    /// AdamW's decay of the first and the second moment.
    pub betas: (f64, f64),
    /// AdamW's decay of the parameters, per unit of learning rate.
    pub weight_decay: f64,
    /// Folder of the training state and the strips.
    pub work: PathBuf,
    /// Time between strips of pictures in the work folder; `None` for none.
    pub strip_every: Option<Duration>,
    /// Time between reports of progress.
    pub report_every: Duration,
}

/// What a training tells on its way.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingNews {
    /// A sentence for people.
    Note(String),
    /// Prompts encoded, of all.
    Encoded {
        /// Wordings done.
        done: usize,
        /// All wordings.
        total: usize,
    },
    /// Pictures read and encoded, of all.
    Pictures {
        /// Pictures done.
        done: usize,
        /// All pictures.
        total: usize,
    },
    /// Steps done.
    Progress(StepReport),
    /// Pictures at several strengths of the control as it is now.
    Strip {
        /// Steps done.
        step: u64,
        /// The file.
        path: PathBuf,
    },
}

/// How a training ended.
#[derive(Debug, Clone)]
pub enum TrainingEnd {
    /// The control is made and saved.
    Done(Box<ControlInfo>),
    /// It was stopped; its state is kept, and the same request goes on from there.
    Stopped {
        /// Steps done, over all runs.
        step: u64,
        /// Steps asked for.
        total_steps: u64,
    },
}
