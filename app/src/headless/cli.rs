//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use vernier_engine::EngineError;
use vernier_engine::recipe::{
    AdapterUse, ControlNetUse, ControlUse, EmbeddingUse, PicturePromptUse,
};
use vernier_engine::sampling::{PredictionType, SamplerName};

use super::adapter::AdapterCommand;
use super::batch::BatchArgs;
use super::bench::BenchWork;
use super::control::ControlCommand;
use super::convert::ConvertArgs;
use super::edit::EditCommand;
use super::editing::EditArgs;
use super::highres_args::HighresArgs;
use super::measure::{CalibrateArgs, MeasureCommand};
use super::merge::MergeCommand;
use super::models::ModelsCommand;
use super::project::ProjectCommand;
use super::schedule_args::ScheduleArgs;
use super::talk::TalkArgs;
use super::text_args::TextArgs;
use super::train::TrainCommand;
use super::upscale::UpscaleArgs;

/// A text-to-image studio whose controls are calibrated like instruments.
///
/// Without a command it opens the window; where there is no display, it renders the sample prompts
/// to `renders/`.
#[derive(Debug, Parser)]
#[command(name = "vernier", version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Open the window
    Studio(StudioArgs),
    /// Render pictures from a prompt or a recipe
    Render(Box<RenderArgs>),
    /// Change things of a picture by words, and nothing else
    Edit(Box<EditCommand>),
    /// Change a picture by what is said: "make her smile a bit more", "the left one older", "undo
    /// that"
    Talk(TalkArgs),
    /// Enlarge pictures, by a network of the ESRGAN family or by interpolation
    Upscale(UpscaleArgs),
    /// Render the named recipes of a project, or one part of them, and list what came out
    Batch(BatchArgs),
    /// Make, show and repair project files
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Render pictures again from the recipes they carry, and compare
    Replay(ReplayArgs),
    /// Tell what a model, a recipe, a picture or a weights file is
    Info(InfoArgs),
    /// Convert models: a folder to a single file and back, PyTorch's files to safetensors
    Convert(ConvertArgs),
    /// Make LoRAs of subjects and styles from a few pictures, and controls: token directions and
    /// Concept Sliders from prompts, value tokens and adapters from pictures
    #[command(subcommand)]
    Train(TrainCommand),
    /// List, show and export controls
    #[command(subcommand)]
    Control(ControlCommand),
    /// List and check models, and add folders of other programs
    #[command(subcommand)]
    Models(ModelsCommand),
    /// List, show and convert LoRAs, LyCORIS adapters and embeddings of other programs
    #[command(subcommand)]
    Adapter(AdapterCommand),
    /// Make one LoRA of several, or of a whole checkpoint
    #[command(subcommand)]
    Merge(MergeCommand),
    /// Find how far a control can be trusted on a model, and give it a scale of -1 to 1
    Calibrate(Box<CalibrateArgs>),
    /// Measure what controls do
    #[command(subcommand)]
    Measure(MeasureCommand),
    /// The timed half of `cargo xtask bench`
    #[command(subcommand, hide = true)]
    Bench(BenchWork),
}

#[derive(Debug, Args)]
pub(super) struct StudioArgs {
    /// A project (.vernier), a recipe (.json), or a picture (.png) that carries one
    #[arg(value_name = "FILE")]
    pub(super) open: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RenderArgs {
    /// What to show, in as many words as you like
    #[arg(long, value_name = "TEXT", required_unless_present = "recipe")]
    pub(super) prompt: Option<String>,
    /// What to steer away from; without guidance it does nothing
    #[arg(long, value_name = "TEXT")]
    pub(super) negative: Option<String>,
    /// Folder of the files that prompts choose lines from: __NAME__ is a line of NAME.txt, {a|b}
    /// needs none [default: wildcards in the user's data folder]
    #[arg(long, value_name = "DIR")]
    pub(super) wildcards: Option<PathBuf>,
    /// Model: a folder in diffusers layout, a single file (.safetensors, .ckpt), or the name of one
    /// that "vernier models list" tells [default: the embedded model]
    #[arg(long, value_name = "DIR|FILE")]
    pub(super) model: Option<PathBuf>,
    /// What the model's U-Net predicts, where its files do not say or say it wrongly: epsilon,
    /// v_prediction or sample [default: as the model says]
    #[arg(long, value_name = "TYPE", value_parser = parse_prediction)]
    pub(super) prediction: Option<String>,
    /// Seed of the first picture; the next ones count up [default: random]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Sampling steps [default: what suits the model]
    #[arg(long, value_name = "N")]
    pub(super) steps: Option<u32>,
    /// Guidance scale; 1 turns guidance off [default: what suits the model]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub(super) guidance: Option<f64>,
    #[arg(long, value_name = "NAME", help = sampler_help())]
    pub(super) sampler: Option<String>,
    /// Width and height in pixels, multiples of 8 [default: the model's own]
    #[arg(long, value_name = "WxH", value_parser = parse_size)]
    pub(super) size: Option<(u32, u32)>,
    /// How many pictures, each with its own seed; of every recipe where there are several
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) count: u32,
    /// Dtype of the U-Net and the text encoder: f32, bf16, or on CUDA f16 [default: f32]
    #[arg(long, value_name = "DTYPE")]
    pub(super) dtype: Option<String>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Folder for the pictures; none that is there is overwritten
    #[arg(long, value_name = "DIR", default_value = "renders")]
    pub(super) out: PathBuf,
    /// A control at work: NAME@SUBJECT=X in calibrated units (-1 to 1, 0 is neutral),
    /// NAME@SUBJECT:=X until the meter reads X (0 to 1), NAME@SUBJECT~X in raw units; without
    /// @SUBJECT on the whole picture. Repeatable; it takes the place of a recipe's control on the
    /// same subject
    #[arg(long = "control", value_name = "CONTROL", value_parser = parse_control)]
    pub(super) controls: Vec<ControlUse>,
    /// A LoRA or LyCORIS adapter at work: FILE or NAME, =WEIGHT [default: 1], and
    /// ,text=WEIGHT for the text encoder's part [default: the same]. NAME is a file's in the
    /// folder adapters of the user's data folder. Repeatable; it takes the place of a recipe's
    /// adapter of the same name
    #[arg(long = "lora", value_name = "FILE[=WEIGHT]", value_parser = parse_adapter)]
    pub(super) adapters: Vec<AdapterUse>,
    /// Pictures in the place of words, through an IP-Adapter: ADAPTER is a file, or a name in the
    /// folder picture-prompts of the user's data folder. Behind the pictures, in any order:
    /// ,weight=W [default: 1] ,takes=NAME for all, style, layout or style-and-layout [default: all]
    /// ,mask=FILE where they count (white) ,start=S and ,end=E as fractions of the steps, and
    /// ,block:LAYERS=W for the weight of some layers alone. Repeatable; they take the place of a
    /// recipe's through the same adapter
    #[arg(long = "picture-prompt", value_name = "ADAPTER=PICTURE[,PICTURE...]", value_parser = parse_picture_prompt)]
    pub(super) picture_prompts: Vec<PicturePromptUse>,
    /// A textual-inversion embedding that the prompts call NAME; those in the folder embeddings of
    /// the user's data folder go by their files' names. Repeatable
    #[arg(long = "embedding", value_name = "NAME=FILE", value_parser = parse_embedding)]
    pub(super) embeddings: Vec<EmbeddingUse>,
    /// A ControlNet at work: NAME, FILE or folder, the PICTURE that it follows, and behind it
    /// ,preprocessor=canny (or invert, blur, tile, inpaint) [default: none, the picture is a map
    /// already], ,weight=X [default: 1], ,start=PART and ,end=PART of the steps [default: 0 and 1].
    /// NAME is a file's or folder's in the folder controlnets of the user's data folder; Vernier
    /// comes with none. Repeatable; they take the place of a recipe's ControlNets
    #[arg(long = "controlnet", value_name = "NAME=PICTURE[,...]", value_parser = parse_controlnet)]
    pub(super) controlnets: Vec<ControlNetUse>,
    /// Folder with both of CLIP's towers, to read pictures for controls that are to reach a
    /// measured value [default: the model's own meter]
    #[arg(long, value_name = "DIR")]
    pub(super) clip: Option<PathBuf>,
    /// Also write the final latents to this safetensors file
    #[arg(long, value_name = "FILE")]
    pub(super) latents_out: Option<PathBuf>,
    /// Recipes to start from (.json, or a .png that carries one); other options override them
    #[arg(long, value_name = "FILE")]
    pub(super) recipe: Option<PathBuf>,
    /// Write the recipes that were rendered to this JSON file
    #[arg(long, value_name = "FILE")]
    pub(super) save_recipe: Option<PathBuf>,
    /// Also add every picture to this project, which is made where it is not there
    #[arg(long, value_name = "FILE")]
    pub(super) project: Option<PathBuf>,
    /// Tell events on stdout, one JSON object a line
    #[arg(long)]
    pub(super) json: bool,
    // Last: their headings in the help hold for everything behind them.
    #[command(flatten)]
    pub(super) text: TextArgs,
    #[command(flatten)]
    pub(super) schedule: ScheduleArgs,
    #[command(flatten)]
    pub(super) highres: HighresArgs,
    #[command(flatten)]
    pub(super) edit: EditArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Exit with 1 unless every picture comes out the same, to the last bit
    #[arg(long)]
    pub(super) verify: bool,
    /// Where the model lies now [default: where the recipe says]
    #[arg(long, value_name = "DIR")]
    pub(super) model: Option<PathBuf>,
    /// A picture that recipes start from or take as a mask, where it lies now [default: where the
    /// recipe says]. Repeatable
    #[arg(long = "source", value_name = "FILE")]
    pub(super) sources: Vec<PathBuf>,
    /// Where to compute: cpu, cuda, cuda:N, or auto for CUDA where it is there
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub(super) device: String,
    /// Pictures that Vernier made
    #[arg(value_name = "PICTURE", required = true)]
    pub(super) pictures: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// A model folder or single-file checkpoint, a ControlNet, a project (.vernier), a recipe
    /// (.json), a picture (.png) or a weights file (.safetensors, .pt, .pth, .ckpt, .bin)
    #[arg(value_name = "DIR|FILE")]
    pub(super) path: PathBuf,
}

fn sampler_help() -> String {
    let names = SamplerName::ALL.map(SamplerName::name).join(", ");
    format!("One of {names} [default: the model's own]")
}

pub(super) fn parse_control(text: &str) -> Result<ControlUse, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_prediction(text: &str) -> Result<String, String> {
    let known = text.parse::<PredictionType>();
    known.map(|_| text.to_owned()).map_err(|e| e.to_string())
}

pub(super) fn parse_adapter(text: &str) -> Result<AdapterUse, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_picture_prompt(text: &str) -> Result<PicturePromptUse, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_embedding(text: &str) -> Result<EmbeddingUse, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

fn parse_controlnet(text: &str) -> Result<ControlNetUse, String> {
    text.parse().map_err(|e: EngineError| e.to_string())
}

pub(super) fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let bad = || "write it as WIDTHxHEIGHT, such as 512x768".to_owned();
    let (width, height) = text.split_once(['x', 'X']).ok_or_else(bad)?;
    Ok((
        width.parse().map_err(|_| bad())?,
        height.parse().map_err(|_| bad())?,
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("512x768"), Ok((512, 768)));
        for bad in ["512", "x", "512x", "-8x8", "8x8x8"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }
}
