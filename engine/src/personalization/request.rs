//! What a personalization is told, and how it ends.

use std::path::PathBuf;

use crate::adapters::LoraFormat;
use crate::device::{DeviceRequest, Dtype};
use crate::recipe::ModelRef;
use crate::train::personal::LoraOptions;

/// A subject or a style that is to be learnt.
#[derive(Debug, Clone)]
pub struct PersonalRequest {
    /// Its name, which is the file's too.
    pub name: String,
    /// The command that asks for it.
    pub command: String,
    /// The model, as recipes name it.
    pub model: ModelRef,
    /// The model's folder.
    pub model_folder: PathBuf,
    /// The file to write.
    pub out: PathBuf,
    /// How it names its tensors.
    pub format: LoraFormat,
    /// Folder of the pictures, each with its caption in `NAME.txt` or none.
    pub data: PathBuf,
    /// The caption of pictures that bring none.
    pub instance: Option<String>,
    /// What keeps the class as it is.
    pub class: Option<ClassPlan>,
    /// The LoRA's layers.
    pub lora: LoraOptions,
    /// Pictures that a worker takes at once, 1 or more.
    pub batch: usize,
    /// Batches whose gradients make one step, 1 or more.
    pub accumulate: usize,
    /// Fraction of captions, 0..1, in whose place the empty one stands.
    pub caption_dropout: f64,
    /// Decay of the average that is kept, 0..1; 0 keeps the last step.
    pub ema_decay: f64,
    /// Prompts of the samples; empty for the captions' own.
    pub sample_prompts: Vec<String>,
    /// Seed of branches, order and noise.
    pub seed: u64,
    /// Where to compute.
    pub device: DeviceRequest,
    /// dtype of text encoder and U-Net, and of the branches, which have fp32 masters.
    pub dtype: Dtype,
    /// Whether there must be a stored state to go on from.
    pub must_resume: bool,
}

/// Prior preservation (arXiv 2208.12242, section 3.3).
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPlan {
    /// The class in words, such as `a photo of a dog`.
    pub prompt: String,
    /// Pictures of it that the model makes before the training, 1 or more.
    pub count: usize,
    /// Weight of their loss beside the subject's, 0 or more.
    pub weight: f64,
}

/// How a personalization ended.
#[derive(Debug, Clone, PartialEq)]
pub enum PersonalEnd {
    /// It is saved at this path.
    Done(PathBuf),
    /// It was stopped; its state is kept, and the same request goes on from there.
    Stopped {
        /// Steps done, over all runs.
        step: u64,
        /// Steps asked for.
        total_steps: u64,
    },
}
