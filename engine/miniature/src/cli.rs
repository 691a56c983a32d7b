//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tch::Kind;
use vernier_engine::device::DeviceRequest;
use vernier_engine::recipe::{AdapterUse, EmbeddingUse};

/// Trains Vernier's embedded model on its procedural world, stage by stage.
///
/// Every stage resumes where it stopped; Ctrl-C stops one and keeps its state.
#[derive(Parser, Debug, Clone)]
#[command(name = "train-miniature", version, about)]
pub struct Cli {
    /// Folder of training states [default: vernier/training in the user's cache].
    #[arg(long, global = true, value_name = "DIR")]
    pub work: Option<PathBuf>,
    /// Folder that receives the model.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        default_value = "assets/miniature"
    )]
    pub out: PathBuf,
    /// Pairs of pictures in the pool.
    #[arg(long, global = true, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub pairs: u64,
    /// Dtype of the forward and backward passes; masters are fp32.
    #[arg(long, global = true, default_value = "bf16")]
    pub dtype: Dtype,
    /// Where to train: auto, cpu, cuda or cuda:N.
    #[arg(long, global = true, default_value = "auto")]
    pub device: DeviceRequest,
    /// What to do.
    #[command(subcommand)]
    pub stage: Stage,
}

/// Dtype of the passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// Brain floats.
    Bf16,
}

impl Dtype {
    /// libtorch's name of it.
    pub fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// What to do, in the order in which a model comes to be.
#[derive(Subcommand, Debug, Clone)]
pub enum Stage {
    /// Draws the pool of pictures and writes the tokenizer.
    Pool,
    /// Trains both CLIP towers.
    Clip(Schedule),
    /// Measures what the text tower carries; fails where an attribute is lost.
    Gate,
    /// Trains the autoencoder.
    Vae(Schedule),
    /// Standardises and exports the autoencoder, then encodes the pool.
    Encode,
    /// Fits the colours of latents that previews are drawn in; "encode" does so too.
    LatentRgb,
    /// Trains the U-Net.
    Unet(UNetSchedule),
    /// Trains the attribute meter.
    Meter(Schedule),
    /// Measures the exported model on held-out prompts.
    Evaluate(Evaluate),
    /// Writes pictures of the world and a table of their attribute values to the folder --out.
    ExportFolder(ExportFolder),
    /// Writes pictures of one subject that captions never name, and their captions, to the folder
    /// --out: what `vernier train lora` and the like learn from.
    ExportSubject(ExportSubject),
    /// Measures how much of that subject is in rendered pictures, with a LoRA or a word and
    /// without, and what else they change.
    MeasureSubject(MeasureSubject),
    /// Writes pictures of the world to edit, with masks and the truth about each edit, to the folder
    /// --out, for `vernier measure edit`.
    EditCases(EditCases),
}

/// How long and how fast a network is trained.
#[derive(Args, Debug, Clone)]
pub struct Schedule {
    /// All steps, earlier runs included.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: u64,
    /// Data-parallel workers, one thread each on a CPU; a GPU has one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    pub workers: u8,
    /// Pictures (or pairs, or crops) that a worker takes each step.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: Option<u32>,
    /// Peak learning rate.
    #[arg(long, value_parser = positive)]
    pub lr: Option<f64>,
    /// Fraction of all steps over which the learning rate falls to zero at the end.
    #[arg(long, default_value_t = 0.4, value_parser = fraction)]
    pub decay: f64,
    /// Weights of an exported network to start from, where no training state is stored yet.
    #[arg(long, value_name = "FILE.safetensors")]
    pub from: Option<PathBuf>,
}

/// The U-Net's schedule, and how often to look.
#[derive(Args, Debug, Clone)]
pub struct UNetSchedule {
    /// The schedule.
    #[command(flatten)]
    pub schedule: Schedule,
    /// Minutes between sheets of samples in the work folder; 0 for none.
    #[arg(long, default_value_t = 15)]
    pub samples_every: u32,
}

/// Settings of an evaluation.
#[derive(Args, Debug, Clone)]
pub struct Evaluate {
    /// Prompts; half with one subject, half with two.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    pub prompts: u64,
    /// Sampling steps.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Guidance scale.
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub guidance: f64,
    /// Also writes the pictures here, as one sheet.
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Reads the world's own pictures instead of rendered ones: the meter's own ceiling.
    #[arg(long)]
    pub truth: bool,
}

/// What an exported folder shows.
#[derive(Args, Debug, Clone)]
pub struct ExportFolder {
    /// Pictures.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..1_000_000))]
    pub count: u64,
    /// Number of the first scene: folders that share no numbers share no scenes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    pub first: u64,
    /// Fraction of pictures with two subjects; their table has columns for the second one too.
    #[arg(long, default_value_t = 0.0, value_parser = fraction)]
    pub two_subjects: f64,
    /// Fraction of pictures whose brightness, and whose warmth, is exactly neutral.
    #[arg(long, default_value_t = 0.5, value_parser = fraction)]
    pub neutral_light: f64,
    /// Kinds of subjects, such as man,woman [default: all].
    #[arg(long, value_name = "NOUNS", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Attributes that captions never name, such as age,smile.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub omit: Vec<String>,
}

/// A subject, and how often it is shown.
#[derive(Args, Debug, Clone)]
pub struct ExportSubject {
    /// Pictures.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..1000))]
    pub count: u64,
    /// Who it is.
    #[command(flatten)]
    pub who: Who,
}

/// What is measured of a subject.
#[derive(Args, Debug, Clone)]
pub struct MeasureSubject {
    /// Who it is.
    #[command(flatten)]
    pub who: Who,
    /// Pictures of each sort: of the subject, of its class, of anything else.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..1000))]
    pub count: u64,
    /// A LoRA: FILE, and =WEIGHT. Repeatable; each is measured by itself.
    #[arg(long, value_name = "FILE[=WEIGHT]")]
    pub lora: Vec<AdapterUse>,
    /// A word's vectors: NAME=FILE. Repeatable; each is measured by itself.
    #[arg(long, value_name = "NAME=FILE")]
    pub embedding: Vec<EmbeddingUse>,
    /// Share of a LoRA's weight in the negative half of guidance. Repeatable; each LoRA is
    /// measured with each of them too.
    #[arg(long, value_name = "X", value_parser = fraction)]
    pub steering: Vec<f64>,
    /// Sampling steps.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Guidance scale.
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    pub guidance: f64,
}

/// A subject of the world.
#[derive(Args, Debug, Clone)]
pub struct Who {
    /// Which of all subjects of its kind.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    pub seed: u64,
    /// Its kind.
    #[arg(long, default_value = "man")]
    pub kind: String,
    /// The word that stands for it in the captions.
    #[arg(long, default_value = "zorb")]
    pub word: String,
}

/// Which cases are written.
#[derive(Args, Debug, Clone)]
pub struct EditCases {
    /// Cases; any 15 in a row hold each type of edit with one, two and three things.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..100_000))]
    pub count: u64,
    /// Number of the first case.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..1 << 40))]
    pub first: u64,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "is not a number".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err("must be above 0".to_owned())
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    let value = number(text)?;
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err("must be within 0 and 1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let parses = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        assert!(parses("train-miniature clip --steps 10 --pairs 5"));
        for wrong in [
            "train-miniature clip",
            "train-miniature clip --steps 0",
            "train-miniature clip --steps 10 --workers 0",
            "train-miniature clip --steps 10 --batch 0",
            "train-miniature clip --steps 10 --lr nan",
            "train-miniature clip --steps 10 --decay 1.5",
            "train-miniature pool --pairs 0",
            "train-miniature pool --device gpu",
            "train-miniature export-folder",
            "train-miniature export-folder --count 5 --two-subjects 2",
        ] {
            assert!(!parses(wrong), "{wrong}");
        }
    }
}
