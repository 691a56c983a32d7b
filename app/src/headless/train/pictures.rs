//! What the trainings from folders of pictures are told on the command line.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::control_training::{PictureRequest, Schedule};
use vernier_engine::recipe::ModelRef;
use vernier_engine::train::folder::{ImageFolder, TableColumns};
use vernier_engine::{EngineError, Result as EngineResult};

use super::args::{fraction, not_negative, positive};
use super::{checked_name, command, out_file, work_folder};
use crate::assets;
use crate::failure::Failure;

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
    /// What the engine is asked.
    pub(super) fn request(&self) -> Result<PictureRequest, Failure> {
        let (model, model_folder) = match &self.model {
            Some(folder) => (ModelRef::at(folder), folder.clone()),
            None => (ModelRef::embedded(), assets::require_embedded_model()?),
        };
        Ok(PictureRequest {
            name: checked_name(&self.name)?,
            about: self.about.clone(),
            command: command::of_this_run(),
            model,
            model_folder,
            clip: self.clip.clone(),
            out: out_file(self.out.as_deref(), &self.name)?,
            batch: self.batch.into(),
            seed: self.seed,
            device: self.device.parse()?,
            dtype: self.dtype.parse()?,
        })
    }

    pub(super) fn schedule(&self, pace: Pace) -> Result<Schedule, Failure> {
        Ok(Schedule {
            steps: pace.steps,
            workers: self.workers.map(usize::from),
            learning_rate: pace.lr,
            decay: self.decay,
            betas: (0.9, 0.99),
            weight_decay: self.weight_decay,
            work: work_folder(self.work.as_deref(), &self.name, self.fresh)?,
            strip_every: None,
        })
    }

    /// The pictures, with the values of `attributes` where there is a table.
    pub(super) fn folder(
        &self,
        table: Option<&PathBuf>,
        attributes: &[String],
    ) -> EngineResult<ImageFolder> {
        let Some(table) = table else {
            for (option, given) in [
                ("--file-column", &self.file_column),
                ("--caption-column", &self.caption_column),
            ] {
                if given.is_some() {
                    let problem = "names a column, but there is no table; name one with --csv";
                    return Err(EngineError::request(option, problem));
                }
            }
            return ImageFolder::list(&self.data);
        };
        let columns = TableColumns {
            file: self.file_column.clone(),
            caption: self.caption_column.clone(),
            attributes: attributes.to_vec(),
        };
        ImageFolder::table(&self.data, table, &columns)
    }
}
