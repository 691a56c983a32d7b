//! What the trainings from folders of pictures are told on the command line.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::Result;
use vernier_engine::control_training::{PicturePlan, TrainingMethod, TrainingPlan};

use super::Passing;
use super::args::{fraction, not_negative, positive};

/// Options of every training from pictures.
#[derive(Debug, Args)]
pub(in super::super) struct PictureArgs {
    /// The control's name
    pub(super) name: String,
    /// Folder of the pictures, PNG or JPEG; without a table each has its caption in NAME.txt
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Column of file names, relative to the folder [default: file_name or the like]
    #[arg(long, value_name = "COLUMN")]
    pub(super) file_column: Option<String>,
    /// Column of captions [default: caption or the like, where there is one]
    #[arg(long, value_name = "COLUMN")]
    pub(super) caption_column: Option<String>,
    /// One sentence about it, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) about: String,
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// Folder of both CLIP towers, where the training looks through them [default: clip in the
    /// model's folder]
    #[arg(long, value_name = "DIR")]
    pub(super) clip: Option<PathBuf>,
    /// The file to write [default: NAME.safetensors among your own controls]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(super) dtype: String,
    /// Data-parallel workers on a CPU [default: one a core for small models, one for large ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) workers: Option<u8>,
    /// Pictures that a worker takes each step
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) batch: u16,
    /// Fraction of all steps over which the learning rate falls to zero at the end
    #[arg(long, value_name = "X", default_value_t = 0.5, value_parser = fraction)]
    pub(super) decay: f64,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", default_value_t = 0.01, value_parser = not_negative)]
    pub(super) weight_decay: f64,
    /// Seed of parameters, order and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Folder of the training state and the encoded pictures [default:
    /// vernier/training/controls/NAME in the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(super) work: Option<PathBuf>,
    /// Begin anew rather than go on from the stored state
    #[arg(long)]
    pub(super) fresh: bool,
    /// Do nothing where the file is there, made by this command for this model
    #[arg(long)]
    pub(super) unless_done: bool,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// How long and how fast.
#[derive(Debug, Clone, Copy, Args)]
pub(in super::super) struct Pace {
    /// Optimiser steps, earlier runs included
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps: u64,
    /// Peak learning rate
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = positive)]
    pub(super) lr: f64,
}

impl PictureArgs {
    pub(super) fn passing(&self) -> Passing {
        Passing {
            unless_done: self.unless_done,
            fresh: self.fresh,
            json: self.json,
        }
    }

    /// Which pictures are meant, with `table` where there is one.
    pub(super) fn source(&self, table: Option<&PathBuf>) -> PicturePlan {
        PicturePlan {
            data: self.data.clone(),
            table: table.cloned(),
            file_column: self.file_column.clone(),
            caption_column: self.caption_column.clone(),
            clip: self.clip.clone(),
            batch: self.batch.into(),
        }
    }

    /// A training by `method`.
    pub(super) fn plan(&self, pace: Pace, method: TrainingMethod) -> Result<TrainingPlan> {
        Ok(TrainingPlan {
            about: self.about.clone(),
            model: self.model.clone(),
            out: self.out.clone(),
            device: self.device.clone(),
            dtype: self.dtype.parse()?,
            workers: self.workers.map(usize::from),
            steps: pace.steps,
            learning_rate: pace.lr,
            decay: self.decay,
            weight_decay: self.weight_decay,
            seed: self.seed,
            work: self.work.clone(),
            ..TrainingPlan::new(&self.name, method)
        })
    }
}
