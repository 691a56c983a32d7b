//! The options of `vernier train`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::att_adapter::AttAdapterArgs;
use super::personal::{CustomArgs, DreamBoothArgs, LoraArgs, TextualInversionArgs};
use super::value::ValueArgs;

/// What can be trained.
#[derive(Debug, Subcommand)]
pub(in super::super) enum TrainCommand {
    /// A LoRA of a subject or a style from a few pictures
    ///
    /// (arXiv 2106.09685)
    Lora(Box<LoraArgs>),
    /// A LoRA of a subject that leaves its class as it is, by the model's own pictures of the class
    ///
    /// (`DreamBooth`, arXiv 2208.12242)
    Dreambooth(Box<DreamBoothArgs>),
    /// A word of its own for a subject: new vectors for the text encoder, nothing else
    ///
    /// (textual inversion, arXiv 2208.01618)
    TextualInversion(Box<TextualInversionArgs>),
    /// New keys and values of the attention to the text, with a word of its own or without
    ///
    /// (Custom Diffusion, arXiv 2212.04488)
    Custom(Box<CustomArgs>),
    #[command(flatten)]
    Control(ControlTraining),
}

/// Controls that can be trained.
#[derive(Debug, Subcommand)]
pub(in super::super) enum ControlTraining {
    /// A token direction: a vector that is added to the subject's tokens
    ///
    /// (Continuous, Subject-Specific Attribute Control, arXiv 2403.17064)
    Direction(Box<DirectionArgs>),
    /// A Concept Slider: low-rank branches beside the U-Net's layers
    ///
    /// (Concept Sliders, arXiv 2311.12092)
    Slider(Box<SliderArgs>),
    /// Value tokens from a folder of pictures: brightness, detail, realism or what two texts say
    ///
    /// (AttriCtrl, arXiv 2508.02151)
    Value(Box<ValueArgs>),
    /// An adapter from pictures and a table of their attribute values
    ///
    /// (Att-Adapter, arXiv 2503.11937)
    AttAdapter(Box<AttAdapterArgs>),
}

/// What both kinds of control are made from.
#[derive(Debug, Args)]
pub(in super::super) struct CommonArgs {
    /// The control's name
    pub(super) name: String,
    /// What it moves, as the meter calls it [default: its name]
    #[arg(long, value_name = "ATTRIBUTE")]
    pub(super) attribute: Option<String>,
    /// A prompt with more of the attribute, {subject} in the place of the noun; repeatable
    #[arg(long, value_name = "TEXT", required_unless_present = "pairs")]
    pub(super) positive: Vec<String>,
    /// A prompt with less of it, the other end of the positive one in the same place; repeatable
    #[arg(long, value_name = "TEXT", required_unless_present = "pairs")]
    pub(super) negative: Vec<String>,
    /// The prompt without the attribute: one for all, or one for each pair [default: a {subject}]
    #[arg(long, value_name = "TEXT")]
    pub(super) target: Vec<String>,
    /// Nouns that the attribute belongs to, such as man,woman
    #[arg(
        long,
        value_name = "NOUNS",
        value_delimiter = ',',
        required_unless_present = "pairs"
    )]
    pub(super) subjects: Vec<String>,
    /// What may stand before the prompts, such as "in a forest ,"; repeatable, one is chosen at
    /// random each time
    #[arg(long, value_name = "TEXT")]
    pub(super) prefix: Vec<String>,
    /// A YAML file of prompts instead: for a direction as the attribute-control project has them,
    /// for a slider as the Concept Sliders project has them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["positive", "negative", "target", "prefix"])]
    pub(super) pairs: Option<PathBuf>,
    /// One sentence about it, for people
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(super) about: String,
    /// Fraction of the sampling steps that pass before it begins [default: 0.2 for a direction,
    /// 0.25 for a slider]
    #[arg(long, value_name = "X", value_parser = below_one)]
    pub(super) start: Option<f64>,
    /// Model folder in diffusers layout [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// The file to write [default: NAME.safetensors among your own controls]
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16
    #[arg(long, value_name = "DTYPE", default_value = "f32")]
    pub(super) dtype: String,
    /// Do nothing where the file is there, made by this command for this model
    #[arg(long)]
    pub(super) unless_done: bool,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
}

/// How a training goes.
#[derive(Debug, Args)]
pub(in super::super) struct ScheduleArgs {
    /// Data-parallel workers on a CPU [default: one a core for small models, one for large ones]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) workers: Option<u8>,
    /// Sampler states that a worker takes each step, each from a walk of its own
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) walks: u8,
    /// Sampler steps in a walk [default: what suits the model]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) sampling_steps: Option<u16>,
    /// Guidance scale of the walks [default: what suits the model; 3 for a slider]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(super) guidance: Option<f64>,
    /// Fraction of all steps over which the learning rate falls to zero at the end
    #[arg(long, value_name = "X", default_value_t = 0.5, value_parser = fraction)]
    pub(super) decay: f64,
    /// AdamW's decays of the first and the second moment
    #[arg(long, value_name = "X,X", default_value = "0.9,0.99", value_parser = betas)]
    pub(super) betas: (f64, f64),
    /// AdamW's weight decay
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = not_negative)]
    pub(super) weight_decay: f64,
    /// Seed of prompts, noise and everything else that is drawn
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Folder of the training state and the strips [default: vernier/training/controls/NAME in
    /// the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(super) work: Option<PathBuf>,
    /// Begin anew rather than go on from the stored state
    #[arg(long)]
    pub(super) fresh: bool,
    /// Minutes between strips of pictures in the work folder; 0 for none
    #[arg(long, value_name = "MIN", default_value_t = 2.0, value_parser = not_negative)]
    pub(super) strips_every: f64,
}

/// How a direction comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// The text encoder's own difference at the subject, in seconds
    Difference,
    /// Trained through the U-Net
    Learned,
}

#[derive(Debug, Args)]
pub(in super::super) struct DirectionArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
    /// How it comes to be
    #[arg(long, value_name = "METHOD", default_value = "learned")]
    pub(super) method: Method,
    /// What the loss compares: x0 or epsilon
    #[arg(long, value_name = "SPACE", default_value = "x0")]
    pub(super) loss: String,
    /// Start from the text encoder's difference rather than from zero
    #[arg(long)]
    pub(super) from_difference: bool,
    /// Optimiser steps, earlier runs included
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps: u64,
    /// Peak learning rate, in units of what the prompts move the subject's embedding by
    #[arg(long, value_name = "X", default_value_t = 0.25, value_parser = positive)]
    pub(super) lr: f64,
    /// Scales that are tried at every state
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    pub(super) scales: u8,
    /// Smallest and largest of them, before a random sign
    #[arg(long, value_name = "X,X", default_value = "0.1,1.5", value_parser = ascending)]
    pub(super) scale_range: (f64, f64),
    #[command(flatten)]
    pub(super) schedule: ScheduleArgs,
}

#[derive(Debug, Args)]
pub(in super::super) struct SliderArgs {
    #[command(flatten)]
    pub(super) common: CommonArgs,
    /// Layers that get a branch: noxattn (all but the attention to the text), full, xattn or
    /// selfattn
    #[arg(long, value_name = "LAYERS", default_value = "noxattn")]
    pub(super) layers: String,
    /// Rank of the branches
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) rank: u32,
    /// Scale of the branches, divided by the rank
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = positive)]
    pub(super) alpha: f64,
    /// How far the difference of the prompts is enlarged [default: what --pairs says, else 4]
    #[arg(long, value_name = "X", value_parser = positive)]
    pub(super) eta: Option<f64>,
    /// Words to say of the subject in all prompts, one at a time, so that the slider leaves them
    /// alone
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub(super) preserve: Vec<String>,
    /// Optimiser steps, earlier runs included
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) steps: u64,
    /// Peak learning rate
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = positive)]
    pub(super) lr: f64,
    #[command(flatten)]
    pub(super) schedule: ScheduleArgs,
}

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| "is not a number")?;
    if value.is_finite() {
        Ok(value)
    } else {
        Err("is not a finite number".to_owned())
    }
}

/// A number that `fits`, or the sentence about what would.
fn fitting(text: &str, fits: impl Fn(f64) -> bool, sentence: &str) -> Result<f64, String> {
    number(text).and_then(|value| {
        if fits(value) {
            Ok(value)
        } else {
            Err(sentence.to_owned())
        }
    })
}

pub(in super::super) fn positive(text: &str) -> Result<f64, String> {
    fitting(text, |x| x > 0.0, "must be above 0")
}

pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    fitting(text, |x| x >= 0.0, "must be 0 or more")
}

pub(super) fn fraction(text: &str) -> Result<f64, String> {
    fitting(text, |x| (0.0..=1.0).contains(&x), "must be within 0 and 1")
}

pub(in super::super) fn below_one(text: &str) -> Result<f64, String> {
    fitting(
        text,
        |x| (0.0..1.0).contains(&x),
        "must be from 0 to below 1",
    )
}

fn two(text: &str) -> Result<(f64, f64), String> {
    match text.split_once(',') {
        Some((a, b)) => Ok((number(a)?, number(b)?)),
        None => Err("must be two numbers with a comma between".to_owned()),
    }
}

fn betas(text: &str) -> Result<(f64, f64), String> {
    let (a, b) = two(text)?;
    if [a, b].iter().all(|x| (0.0..1.0).contains(x)) {
        Ok((a, b))
    } else {
        Err("must both be from 0 to below 1".to_owned())
    }
}

fn ascending(text: &str) -> Result<(f64, f64), String> {
    let (a, b) = two(text)?;
    if 0.0 <= a && a < b {
        Ok((a, b))
    } else {
        Err("must be 0 or more, the first below the second".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{ascending, below_one, betas, fraction, positive};

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert_eq!(positive("0.5"), Ok(0.5));
        assert_eq!(ascending("0.1,5"), Ok((0.1, 5.0)));
        assert_eq!(betas("0.5,0.8"), Ok((0.5, 0.8)));
        assert!(positive("0").is_err() && positive("nan").is_err());
        assert!(fraction("1.5").is_err() && below_one("1").is_err());
        assert!(betas("0.5,1").is_err() && betas("0.5").is_err());
        assert!(ascending("2,1").is_err() && ascending("-1,1").is_err());
    }
}
