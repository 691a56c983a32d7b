//! The options of the trainings of subjects and styles.

use std::path::PathBuf;

use clap::Args;
use vernier_engine::EngineError;
use vernier_engine::train::personal::LoraLayers;

use super::super::args::{below_one, fraction, not_negative, positive};

/// What every one of them is told.
#[derive(Debug, Args)]
pub(in super::super::super) struct PersonalArgs {
    /// Folder of the pictures, PNG or JPEG, 3 to 20 of one subject or style; each may have its
    /// caption in NAME.txt beside it
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// The file to write, which is replaced where it is there; its stem is the subject's name
    #[arg(long, value_name = "FILE.safetensors")]
    pub(super) out: PathBuf,
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// What the pictures without a caption of their own show, with a word of its own for the
    /// subject, such as "a photo of a zorb robot"
    #[arg(long, value_name = "PROMPT")]
    pub(super) instance: Option<String>,
    /// Optimiser steps, earlier runs included
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps: u64,
    /// Peak learning rate [default: 1e-3; 5e-3 for textual-inversion, 1e-4 for custom]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub(super) lr: Option<f64>,
    /// Fraction of all steps over which the learning rate falls to zero at the end
    #[arg(long, value_name = "X", default_value_t = 0.5, value_parser = fraction)]
    pub(super) decay: f64,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", default_value_t = 0.01, value_parser = not_negative)]
    pub(super) weight_decay: f64,
    /// Pictures that a worker takes at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) batch: u16,
    /// Batches whose gradients make one step: more of them cost time, but no memory
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) accumulate: u16,
    /// Fraction of captions in whose place the empty one stands
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = below_one)]
    pub(super) caption_dropout: f64,
    /// Decay of the average over the steps that is kept; 0 keeps the last step
    #[arg(long, value_name = "X", default_value_t = 0.97, value_parser = below_one)]
    pub(super) ema: f64,
    /// A prompt to make samples of while it trains; repeatable [default: the captions]
    #[arg(long, value_name = "PROMPT")]
    pub(super) sample: Vec<String>,
    /// Minutes between samples in the work folder; 0 for none
    #[arg(long, value_name = "MIN", default_value_t = 2.0, value_parser = not_negative)]
    pub(super) strips_every: f64,
    /// Seed of branches, order and noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Data-parallel workers on a CPU [default: one a core for small models, one for large ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) workers: Option<u8>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Dtype of U-Net, text encoder and what is trained: f32, bf16, or on CUDA f16; masters are f32
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(super) dtype: String,
    /// Folder of the training state, the encoded pictures and the samples [default:
    /// vernier/training/personal/NAME in the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(super) work: Option<PathBuf>,
    /// Go on from the stored state, and fail where there is none; without it, a state that is
    /// there is gone on from too
    #[arg(long, conflicts_with = "fresh")]
    pub(super) resume: bool,
    /// Begin anew rather than go on from the stored state
    #[arg(long)]
    pub(super) fresh: bool,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// How the class is kept.
#[derive(Debug, Clone, Copy, Args)]
pub(in super::super::super) struct PriorArgs {
    /// Pictures of the class that the model makes before it trains; they stay in the work folder
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) class_pictures: u16,
    /// Weight of their loss beside the subject's
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = not_negative)]
    pub(super) prior_weight: f64,
}

/// A LoRA's layers.
#[derive(Debug, Args)]
pub(in super::super::super) struct BranchArgs {
    /// How the file names its tensors: kohya (A1111, ComfyUI and most others) or peft (Python
    /// diffusers)
    #[arg(long, value_name = "LAYOUT", default_value = "kohya")]
    pub(super) layout: String,
    /// Rank of the branches
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rank: u32,
    /// Scale of the branches, divided by the rank [default: the rank]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub(super) alpha: Option<f64>,
    /// Layers of the U-Net that get a branch: cross (the attention to the text), attention,
    /// attention+feedforward, or all (with residual blocks and their convolutions)
    #[arg(long, value_name = "LAYERS", default_value_t = LoraLayers::Attention, value_parser = layers)]
    pub(super) layers: LoraLayers,
    /// Train the text encoder too
    #[arg(long)]
    pub(super) text_encoder: bool,
    /// Leave half of each branch as it was drawn and train the other: half the numbers at the same
    /// rank (arXiv 2402.16842)
    #[arg(long)]
    pub(super) up_only: bool,
}

/// How the meaning of the class is kept.
#[derive(Debug, Clone, Copy, Args)]
pub(in super::super::super) struct SemanticArgs {
    /// Keep what --instance means near what --class means, with this weight in the loss; 1 is
    /// usual (`ClassDiffusion`, arXiv 2405.17532)
    #[arg(long = "semantic-preservation", value_name = "W", value_parser = positive)]
    pub(super) weight: Option<f64>,
}

/// A word of its own.
#[derive(Debug, Args)]
pub(in super::super::super) struct WordArgs {
    /// Vectors that the word stands for
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) vectors: u8,
    /// What the word begins as: a word or two that say what the subject is
    #[arg(long, value_name = "WORDS")]
    pub(super) init: String,
}

#[derive(Debug, Args)]
pub(in super::super::super) struct LoraArgs {
    #[command(flatten)]
    pub(super) personal: PersonalArgs,
    #[command(flatten)]
    pub(super) branches: BranchArgs,
    /// The class that the subject belongs to, such as "a photo of a robot": keeps it as the model
    /// knows it, by the model's own pictures of it
    #[arg(long, value_name = "PROMPT")]
    pub(super) class: Option<String>,
    #[command(flatten)]
    pub(super) prior: PriorArgs,
    #[command(flatten)]
    pub(super) semantic: SemanticArgs,
}

#[derive(Debug, Args)]
pub(in super::super::super) struct DreamBoothArgs {
    #[command(flatten)]
    pub(super) personal: PersonalArgs,
    #[command(flatten)]
    pub(super) branches: BranchArgs,
    /// The class that the subject belongs to, such as "a photo of a robot"
    #[arg(long, value_name = "PROMPT")]
    pub(super) class: String,
    #[command(flatten)]
    pub(super) prior: PriorArgs,
    #[command(flatten)]
    pub(super) semantic: SemanticArgs,
}

#[derive(Debug, Args)]
pub(in super::super::super) struct TextualInversionArgs {
    #[command(flatten)]
    pub(super) personal: PersonalArgs,
    /// The word to learn, which every caption must have [default: the file's stem]
    #[arg(long, value_name = "WORD")]
    pub(super) word: Option<String>,
    #[command(flatten)]
    pub(super) vectors: WordArgs,
    /// How the file names its tensor: diffusers (which A1111 and `ComfyUI` read too) or kohya
    #[arg(long, value_name = "LAYOUT", default_value = "diffusers", value_parser = ["diffusers", "kohya"])]
    pub(super) layout: String,
    /// What the subject is, for --semantic-preservation, such as "a robot"
    #[arg(long, value_name = "PROMPT")]
    pub(super) class: Option<String>,
    #[command(flatten)]
    pub(super) semantic: SemanticArgs,
}

#[derive(Debug, Args)]
pub(in super::super::super) struct CustomArgs {
    #[command(flatten)]
    pub(super) personal: PersonalArgs,
    /// A word to learn too, which every caption must have; it needs --init
    #[arg(long, value_name = "WORD", requires = "init")]
    pub(super) word: Option<String>,
    /// Vectors that the word stands for
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(super) vectors: u8,
    /// What the word begins as: a word or two that say what the subject is
    #[arg(long, value_name = "WORDS", requires = "word")]
    pub(super) init: Option<String>,
    /// Write a LoRA of this rank, by singular values, rather than the whole differences
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rank: Option<u32>,
    /// How a LoRA names its tensors: kohya or peft
    #[arg(
        long,
        value_name = "LAYOUT",
        default_value = "kohya",
        requires = "rank"
    )]
    pub(super) layout: String,
    /// The class that the subject belongs to: keeps it as the model knows it, by the model's own
    /// pictures of it
    #[arg(long, value_name = "PROMPT")]
    pub(super) class: Option<String>,
    #[command(flatten)]
    pub(super) prior: PriorArgs,
    #[command(flatten)]
    pub(super) semantic: SemanticArgs,
}

fn layers(text: &str) -> Result<LoraLayers, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}
