//! What can be measured, and what comes of it.

use std::path::PathBuf;

use crate::measure::{Calibrated, EditBench, EditCase, EditTrial, Interference, Sweep};
use crate::picture::Picture;
use crate::recipe::{ControlUse, Recipe};

/// Something to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasureRequest {
    /// Everything of a recipe but prompt and seed; its controls stay at work beside the measured
    /// ones.
    pub base: Recipe,
    /// What is measured.
    pub task: MeasureTask,
    /// On which prompts.
    pub prompts: PromptChoice,
    /// On which seeds.
    pub seeds: Vec<u64>,
    /// A cache of the model's own pictures that steadies CLIP.
    pub cache: Option<CacheOptions>,
}

/// What is measured.
#[derive(Debug, Clone, PartialEq)]
pub enum MeasureTask {
    /// One control over many settings.
    Sweep(SweepTask),
    /// What words do in a control's place.
    Words(WordsTask),
    /// A control's reliable range and response, which go into its file.
    Calibrate {
        /// Which; its value does not count.
        control: ControlUse,
        /// The file to write instead of the control's own.
        out: Option<PathBuf>,
    },
    /// What controls do to one another.
    Interference {
        /// Two or more, at their settings.
        controls: Vec<ControlUse>,
    },
    /// Edits by several ways of editing.
    Edits(EditsTask),
}

/// Edits by several ways of editing.
#[derive(Debug, Clone, PartialEq)]
pub struct EditsTask {
    /// What is edited, with the number of each case in its list.
    pub cases: Vec<(usize, EditCase)>,
    /// By which ways.
    pub trials: Vec<EditTrial>,
    /// How many cases the page shows at most.
    pub shown: usize,
}

/// One control over many settings.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepTask {
    /// Which, and on which scale; its value does not count.
    pub control: ControlUse,
    /// The settings.
    pub settings: Vec<f64>,
}

/// Words that say more or less of one attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WordsTask {
    /// The attribute that is to move.
    pub attribute: String,
    /// The nouns that can have it; a prompt names one of them.
    pub subjects: Vec<String>,
    /// Two or more, from the least to the most, with `{subject}` for the noun: `an old {subject}`.
    pub wordings: Vec<String>,
}

/// Prompts to measure on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptChoice {
    /// So many that say nothing but who is where, for the subjects that the control is for.
    Neutral {
        /// How many at most.
        count: usize,
        /// These subjects instead; none for those that the control is for.
        nouns: Vec<String>,
    },
    /// The artist's own, one a line.
    Own(String),
}

/// A cache of the model's own pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// Its file, which is made where it is not there.
    pub path: PathBuf,
    /// Pictures made for each text.
    pub shots: usize,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub enum Measured {
    /// A sweep.
    Sweep {
        /// The readings and figures.
        sweep: Box<Sweep>,
        /// Contact sheet and curves.
        page: Picture,
    },
    /// A calibration.
    Calibration {
        /// What was found.
        calibrated: Box<Calibrated>,
        /// The file that holds it now.
        saved: PathBuf,
    },
    /// What controls do to one another.
    Interference(Box<Interference>),
    /// Edits.
    Edits {
        /// The figures.
        bench: Box<EditBench>,
        /// Some of the pictures, side by side.
        page: Picture,
    },
}
