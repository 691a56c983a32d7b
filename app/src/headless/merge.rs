//! `vernier merge`: one LoRA of several, or of a whole checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use vernier_engine::EngineError;
use vernier_engine::adapters::{
    Adapter, AdapterFile, LoraFormat, MergeOptions, Merged, extract, merge,
};
use vernier_engine::checkpoint::Networks;
use vernier_engine::recipe::AdapterUse;

use super::cli::parse_adapter;
use super::say;
use super::train::{command, positive};
use crate::assets;
use crate::failure::Failure;

/// What can be merged.
#[derive(Debug, Subcommand)]
pub(super) enum MergeCommand {
    /// Several LoRAs: their sum, their mean (a soup), or Model Stock's
    Loras(LorasArgs),
    /// What a checkpoint differs from its base by, as a LoRA
    Extract(ExtractArgs),
}

#[derive(Debug, Args)]
pub(super) struct OutArgs {
    /// The file to write; one that is there is not overwritten
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// How it names its tensors: kohya or peft
    #[arg(long, value_name = "LAYOUT", default_value = "kohya")]
    layout: String,
}

#[derive(Debug, Args)]
pub(super) struct LorasArgs {
    /// LoRAs, each a file or a name and =WEIGHT [default: 1]
    #[arg(value_name = "FILE[=WEIGHT]", required = true, value_parser = parse_adapter)]
    loras: Vec<AdapterUse>,
    /// How they are put together: sum, mean, or stock, which draws back layers in which they
    /// disagree (arXiv 2403.19522)
    #[arg(long, value_name = "RULE", default_value = "sum")]
    rule: String,
    /// Bring the outcome to this rank by singular values [default: all of it, exactly]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    /// Count the first blocks of a network with this share and let it rise to 1 at the last
    /// (`LiNeS`, arXiv 2410.17146): keeps more of the base's composition
    #[arg(long, value_name = "X", value_parser = positive)]
    first_blocks: Option<f64>,
    /// The model that they are for: a folder or a single file [default: the embedded model]
    #[arg(long, value_name = "DIR|FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    out: OutArgs,
}

#[derive(Debug, Args)]
pub(super) struct ExtractArgs {
    /// The checkpoint: a folder or a single file
    #[arg(value_name = "DIR|FILE")]
    model: PathBuf,
    /// What it was made from [default: the embedded model]
    #[arg(long, value_name = "DIR|FILE")]
    base: Option<PathBuf>,
    /// Rank of the LoRA
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    rank: u32,
    /// Take the text encoder too
    #[arg(long)]
    text_encoder: bool,
    #[command(flatten)]
    out: OutArgs,
}

/// Does what the command line says.
pub(super) fn run(command: &MergeCommand) -> Result<(), Failure> {
    match command {
        MergeCommand::Loras(args) => loras(args),
        MergeCommand::Extract(args) => extracted(args),
    }
}

fn loras(args: &LorasArgs) -> Result<(), Failure> {
    check_out(&args.out)?;
    let model = Networks::open(&folder(args.model.as_deref())?)?;
    let modules = model.modules();
    let library = assets::adapters();
    let mut read = Vec::new();
    for lora in &args.loras {
        let file = AdapterFile::open(&library.find(lora)?)?;
        read.push((Adapter::read(&file, &modules)?, lora.unet_weight));
    }
    let adapters: Vec<(&Adapter, f64)> = read.iter().map(|(a, weight)| (a, *weight)).collect();
    let options = MergeOptions {
        rule: args.rule.parse()?,
        rank: args.rank,
        by_depth: args.first_blocks.map(|first| (first, 1.0 - first)),
    };
    save(&merge(&adapters, &modules, &options)?, &args.out)
}

fn extracted(args: &ExtractArgs) -> Result<(), Failure> {
    check_out(&args.out)?;
    let base = Networks::open(&folder(args.base.as_deref())?)?;
    let tuned = Networks::open(&args.model)?;
    let texts = args.text_encoder.then(|| (base.text(), tuned.text()));
    let merged = extract((&base.unet, &tuned.unet), texts, args.rank)?;
    save(&merged, &args.out)
}

fn folder(model: Option<&Path>) -> Result<PathBuf, Failure> {
    match model {
        Some(folder) => Ok(folder.to_owned()),
        None => assets::require_embedded_model(),
    }
}

fn check_out(out: &OutArgs) -> Result<(), Failure> {
    let path = &out.out;
    if path.extension().is_none_or(|e| e != "safetensors") {
        let problem = format!("{} must end in .safetensors", path.display());
        return Err(EngineError::request("out", problem).into());
    }
    if path.exists() {
        let problem = format!("{} is there already; choose another name", path.display());
        return Err(EngineError::request("out", problem).into());
    }
    out.layout.parse::<LoraFormat>()?;
    Ok(())
}

fn save(merged: &Merged, out: &OutArgs) -> Result<(), Failure> {
    for note in &merged.notes {
        eprintln!("{note}");
    }
    eprintln!(
        "{} layers; the rank holds {:.1} % of their differences",
        merged.layers.len(),
        100.0 * merged.kept
    );
    let name = out.out.file_stem().unwrap_or_default().to_string_lossy();
    let notes = BTreeMap::from([
        ("ss_network_module".to_owned(), "networks.lora".to_owned()),
        ("ss_output_name".to_owned(), name.into_owned()),
        ("vernier.command".to_owned(), command::of_this_run()),
    ]);
    merged.save(&out.out, out.layout.parse()?, &notes)?;
    say(&out.out.display().to_string());
    Ok(())
}
