//! The engine thread: commands in, events out.
//!
//! One thread owns all tensors. The window and headless mode are both clients: they send a
//! [`Command`] with a [`JobId`] of their own choosing and draw what the [`Event`]s say. Jobs run
//! one after the other in the order they came; the model stays loaded between them.

mod handle;
mod pace;
mod worker;

use std::path::PathBuf;

use crate::checkpoint::MeterOptions;
use crate::controls::ControlLibrary;
use crate::device::DeviceRequest;
use crate::picture::Picture;
use crate::recipe::Recipe;
use crate::render::Latents;

pub use handle::Service;

/// A client's number for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

/// What a job needs to know beyond its recipes; nothing here changes a picture.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Where to compute.
    pub device: DeviceRequest,
    /// Folder of the model that recipes without a path mean.
    pub embedded_model: PathBuf,
    /// Where recipes' controls are looked for.
    pub controls: ControlLibrary,
    /// What reads pictures for controls that are to reach a measured value.
    pub meter: MeterOptions,
    /// Whether an [`Event::Preview`] in a few steps comes before each picture, as a dragged slider
    /// wants it.
    pub coarse_first: bool,
    /// Whether [`Event::Picture`] carries the final latents.
    pub want_latents: bool,
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
        /// Time it took in seconds.
        secs: f64,
    },
    /// All pictures are done.
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
