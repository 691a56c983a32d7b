//! The engine thread: commands in, events out.
//!
//! One thread owns all tensors. The window and headless mode are both clients: they send a
//! [`Command`] with a [`JobId`] of their own choosing and draw what the [`Event`]s say. Jobs run
//! one after the other in the order they came; the model stays loaded between them.
//!
//! Trainings, and readings of pictures that lie on the disk, take minutes to hours, and the artist
//! goes on rendering meanwhile: they have a queue and a thread of their own, with a model of their
//! own. No tensor ever belongs to both. A third thread does nothing but hand commands to the right
//! one of the two, so that a training hears of a cancel even while a large model is being loaded
//! for a picture.

mod background;
mod handle;
mod measure;
mod measure_edits;
mod measuring;
mod pace;
mod post;
mod readings;
mod scene;
mod worker;

use std::path::PathBuf;

use crate::adapters::AdapterLibrary;
use crate::checkpoint::{ControlNetLibrary, MeterOptions};
use crate::control_training::{TrainingNews, TrainingTask};
use crate::controls::ControlLibrary;
use crate::device::DeviceRequest;
use crate::measure::Quantity;
use crate::picture::{Picture, PictureShelf};
use crate::prompt::Wildcards;
use crate::recipe::Recipe;
use crate::render::{EditReport, LatentRgb, Latents};
use crate::talk::PictureReadings;
use crate::upscale::UpscalerLibrary;

pub use handle::Service;
pub use measuring::{
    CacheOptions, EditsTask, MeasureRequest, MeasureTask, Measured, PromptChoice, SweepTask,
    WordsTask,
};

/// A client's number for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// What a job needs to know beyond its recipes. Nothing here changes what a recipe means that
/// names its pictures and leaves nothing to chance.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Where to compute.
    pub device: DeviceRequest,
    /// Folder of the model that recipes without a path mean.
    pub embedded_model: PathBuf,
    /// Where recipes' controls are looked for.
    pub controls: ControlLibrary,
    /// Where recipes' adapters and embeddings are looked for.
    pub adapters: AdapterLibrary,
    /// Where recipes' upscalers are looked for.
    pub upscalers: UpscalerLibrary,
    /// Where recipes' ControlNets are looked for.
    pub controlnets: ControlNetLibrary,
    /// What reads pictures for controls that are to reach a measured value.
    pub meter: MeterOptions,
    /// Whether an [`Event::Preview`] in a few steps comes before each picture, as a dragged slider
    /// wants it.
    pub coarse_first: bool,
    /// Whether [`Event::Picture`] carries the final latents.
    pub want_latents: bool,
    /// Every so many model calls an [`Event::Latents`] comes, for models whose latents can be
    /// coloured; `None` for never.
    pub preview_every: Option<u32>,
    /// Pictures that recipes name; those that it lacks are read from where the recipe says.
    pub pictures: PictureShelf,
    /// Files that prompts choose lines from.
    pub wildcards: Wildcards,
}

/// Numbers to be read from pictures that lie on the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadRequest {
    /// The files.
    pub pictures: Vec<PathBuf>,
    /// What is read from each, scaled and cut to the size that the model learnt.
    pub what: ReadWhat,
    /// The model; `None` for the embedded one.
    pub model: Option<PathBuf>,
}

/// Everybody in one picture to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneRequest {
    /// The picture.
    pub picture: Picture,
    /// What it was made from: who is looked for, and where.
    pub prompt: String,
    /// The model's folder; `None` for the embedded one.
    pub model: Option<PathBuf>,
}

/// What is read from a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadWhat {
    /// A quantity, without a meter.
    Quantity(Quantity),
    /// An attribute that the model's meter reads: of the one subject, or of the whole picture.
    Attribute(String),
}

/// What a client asks for.
#[derive(Debug)]
pub enum Command {
    /// Render these recipes, one picture each.
    Render {
        /// The job's number, unused so far.
        job: JobId,
        /// One picture each, in this order.
        recipes: Vec<Recipe>,
        /// The rest.
        options: RenderOptions,
    },
    /// Render and read pictures until something is measured.
    Measure {
        /// The job's number, unused so far.
        job: JobId,
        /// What and how.
        request: Box<MeasureRequest>,
        /// The rest; nobody is shown the pictures.
        options: RenderOptions,
    },
    /// Train a control beside everything else. A cancel stops it after the step at hand with its
    /// state kept: the same task goes on from there.
    Train {
        /// The job's number, unused so far.
        job: JobId,
        /// What and how.
        task: Box<TrainingTask>,
    },
    /// Read numbers from pictures, beside renders and after trainings.
    ReadPictures {
        /// The job's number, unused so far.
        job: JobId,
        /// Which, and what.
        request: ReadRequest,
        /// Device, embedded model and meter.
        options: RenderOptions,
    },
    /// Read everybody in a picture, beside renders and after trainings.
    ReadScene {
        /// The job's number, unused so far.
        job: JobId,
        /// Which picture.
        request: Box<SceneRequest>,
        /// Device, embedded model and meter.
        options: RenderOptions,
    },
    /// Stop a waiting or running job; a running one stops before its next model call.
    Cancel(JobId),
    /// Cancel everything and end the thread.
    Shutdown,
}

/// What the engine thread tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The job waits for its turn.
    Queued {
        /// Which job.
        job: JobId,
    },
    /// The job's turn has come.
    Started {
        /// Which job.
        job: JobId,
        /// How many pictures it makes.
        pictures: usize,
    },
    /// A model is being read.
    ModelLoading {
        /// For which job.
        job: JobId,
        /// The model's name.
        model: String,
    },
    /// The model is ready.
    ModelLoaded {
        /// For which job.
        job: JobId,
        /// The model's name.
        model: String,
        /// The hash over its files, in hex.
        hash: String,
        /// `cpu`, `cuda:0`, …
        device: String,
        /// Why that device.
        device_reason: String,
        /// Loading time in seconds.
        secs: f64,
    },
    /// Something that the artist should know, though the job goes on.
    Note {
        /// About which job.
        job: JobId,
        /// One sentence.
        message: String,
    },
    /// A model call has ended.
    Progress {
        /// Which job.
        job: JobId,
        /// Which picture, from 0.
        picture: usize,
        /// How many pictures.
        pictures: usize,
        /// Model calls done for this picture.
        step: usize,
        /// Model calls that this picture takes.
        steps: usize,
        /// Model calls per second; 0 while unknown.
        its_per_sec: f64,
        /// Seconds until the whole job ends, where that can be said.
        eta_secs: Option<f64>,
    },
    /// A quick look at the picture that is being made.
    Preview {
        /// Which job.
        job: JobId,
        /// Which picture, from 0.
        index: usize,
        /// Its pixels.
        picture: Picture,
        /// Sampling steps that it was made with.
        steps: u32,
    },
    /// What the model makes of the picture so far.
    Latents {
        /// Which job.
        job: JobId,
        /// Which picture, from 0.
        picture: usize,
        /// Model calls done for this picture.
        step: usize,
        /// The clean latents that the last call predicts.
        latents: Latents,
        /// How to colour them.
        rgb: LatentRgb,
        /// Side of the square of pixels that one latent stands for.
        pixels_per_cell: u32,
    },
    /// A picture is done.
    Picture {
        /// Which job.
        job: JobId,
        /// Which picture, from 0.
        index: usize,
        /// Its pixels.
        picture: Picture,
        /// What made it, with the model's hash resolved.
        recipe: Box<Recipe>,
        /// Its final latents, where they were asked for.
        latents: Option<Latents>,
        /// What an edit did, where the recipe has one.
        edit: Option<Box<EditReport>>,
        /// Time it took in seconds.
        secs: f64,
    },
    /// Something was measured.
    Measured {
        /// Which job.
        job: JobId,
        /// What came of it.
        measured: Measured,
    },
    /// A training is on its way. Strips come as [`Event::Strip`].
    Training {
        /// Which job.
        job: JobId,
        /// What there is to tell.
        news: TrainingNews,
    },
    /// Pictures at several strengths of the control that is being trained.
    Strip {
        /// Which job.
        job: JobId,
        /// Steps done.
        step: u64,
        /// All of them on one: a prompt a row, a strength a column.
        picture: Picture,
    },
    /// A training has made its control.
    Trained {
        /// Which job.
        job: JobId,
        /// The control's file.
        saved: PathBuf,
    },
    /// A training was stopped and its state kept; [`Event::Cancelled`] follows.
    TrainingStopped {
        /// Which job.
        job: JobId,
        /// Steps done, over all runs.
        step: u64,
        /// Steps asked for.
        total_steps: u64,
    },
    /// Numbers were read from pictures.
    Readings {
        /// Which job.
        job: JobId,
        /// Place of the first of them among the job's pictures.
        first: usize,
        /// The numbers, or why a picture has none.
        readings: Vec<Result<f64, String>>,
    },
    /// Everybody in a picture was read.
    Scene {
        /// Which job.
        job: JobId,
        /// What the meter reads; nothing where there is none.
        readings: Box<PictureReadings>,
    },
    /// All pictures are done, or whatever else the job was to make.
    Finished {
        /// Which job.
        job: JobId,
    },
    /// The job ended early; pictures told before stay good.
    Failed {
        /// Which job.
        job: JobId,
        /// One sentence.
        message: String,
        /// Whether the request itself was at fault.
        is_usage: bool,
    },
    /// The job was cancelled; pictures told before stay good.
    Cancelled {
        /// Which job.
        job: JobId,
    },
}
