//! `vernier adapter`: LoRAs and embeddings of other programs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vernier_engine::adapters::{AdapterFile, AdapterKind, Embedding, Summary, convert};
use vernier_engine::picture_prompts::{PicturePromptFile, is_picture_prompt};
use vernier_engine::recipe::{AdapterUse, EmbeddingUse};

use super::say;
use crate::assets;
use crate::failure::Failure;

/// What can be done with adapters.
#[derive(Debug, Subcommand)]
pub(super) enum AdapterCommand {
    /// List the adapters and embeddings in Vernier's data folder
    List,
    /// Tell what an adapter or an embedding is: format, rank, alpha, what it is for and touches
    Show(ShowArgs),
    /// Write a LoRA with another program's names; every weight keeps its bits
    Convert(ConvertArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its file or its name
    #[arg(value_name = "FILE")]
    file: String,
}

#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// Its file or its name
    #[arg(value_name = "FILE")]
    file: String,
    /// The file to write; one that is there is not overwritten
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// kohya (A1111, ComfyUI and most others) or peft (Python diffusers)
    #[arg(long, value_name = "FORMAT")]
    format: String,
}

/// Does what the command line says.
pub(super) fn run(command: &AdapterCommand) -> Result<(), Failure> {
    match command {
        AdapterCommand::List => {
            list();
            Ok(())
        }
        AdapterCommand::Show(args) => show(&args.file),
        AdapterCommand::Convert(args) => {
            let path = assets::adapters().find(&AdapterUse::new(&args.file, 1.0))?;
            let file = AdapterFile::open(&path)?;
            convert(&file, args.format.parse()?, &args.out)?;
            say(&args.out.display().to_string());
            Ok(())
        }
    }
}

fn list() {
    let all = assets::adapters().list();
    let names = all.iter().map(|found| found.name.chars().count());
    let width = names.max().unwrap_or(0);
    for found in all {
        say(&format!("{:width$}  {}", found.name, found.in_a_line()));
    }
}

fn show(name: &str) -> Result<(), Failure> {
    let library = assets::adapters();
    let path = match library.find(&AdapterUse::new(name, 1.0)) {
        Ok(path) => path,
        // Embeddings have a folder of their own.
        Err(error) => match library.find_embedding(&EmbeddingUse::new(name)) {
            Ok(path) => path,
            Err(_) => match library.picture_prompts().adapters().remove(name) {
                Some(path) => path,
                None => return Err(error.into()),
            },
        },
    };
    let file = AdapterFile::open(&path)?;
    let mut lines = Vec::new();
    let mut tell = |what: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("{what:<14} {value}"));
        }
    };
    tell("file", path.display().to_string());
    tell("hash", file.hash.clone());
    if is_picture_prompt(&file.headers()) {
        tell("kind", PicturePromptFile::look(&path)?.kind.to_string());
    } else if file.layers.is_empty() {
        tell(
            "kind",
            AdapterKind::of(&Embedding::read(&path)?).to_string(),
        );
    } else {
        let summary = Summary::of(&file)?;
        tell_adapter(&summary, &mut tell);
    }
    for line in &lines {
        say(line);
    }
    Ok(())
}

fn tell_adapter(summary: &Summary, tell: &mut dyn FnMut(&str, String)) {
    let kinds = summary.kinds.iter();
    let kinds = kinds.map(|(kind, count)| format!("{kind} on {count} layers"));
    tell("kind", kinds.collect::<Vec<_>>().join(", "));
    tell("names", format!("as {}", summary.naming));
    let ranks: Vec<String> = summary.ranks.iter().map(ToString::to_string).collect();
    tell("rank", ranks.join(", "));
    if let Some((low, high)) = summary.scales {
        let is_one = low.to_bits() == high.to_bits();
        let scale = if is_one {
            format!("{low} of the rank")
        } else {
            format!("{low} to {high} of the rank")
        };
        tell("alpha", scale);
    }
    let family = summary.family.as_ref();
    tell(
        "made for",
        family.map_or("not told".to_owned(), ToString::to_string),
    );
    for (group, count) in &summary.touches {
        tell("touches", format!("{group}: {count}"));
    }
    if summary.homeless > 0 {
        tell(
            "left out",
            format!("{} layers that no known model has", summary.homeless),
        );
    }
    if summary.unknown > 0 {
        tell(
            "left out",
            format!("{} tensors of no known kind", summary.unknown),
        );
    }
    let embeddings: Vec<&str> = summary.embeddings.iter().map(String::as_str).collect();
    tell("brings along", embeddings.join(", "));
    tell("trigger words", summary.trigger_words.join(", "));
    for (what, text) in &summary.notes {
        tell(what, text.clone());
    }
}
