//! `vernier control`: the controls that there are.

mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vernier_engine::control_exchange::{ImportRequest, export_control, import_control};
use vernier_engine::controls::ControlFile;
use vernier_engine::recipe::{ControlUse, ModelRef};

use super::say;
use super::train::{below_one, checked_name, command, own_folder};
use crate::assets;
use crate::failure::Failure;

/// What can be done with controls.
#[derive(Debug, Subcommand)]
pub(super) enum ControlCommand {
    /// List all controls
    List,
    /// Tell everything about one
    Show(ShowArgs),
    /// Bring in a file: a direction of the attribute-control project (.pt), a Concept Slider or
    /// another LoRA (.pt, .safetensors), or a control of somebody else's
    Import(Box<ImportArgs>),
    /// Write a copy of one to a file, for somebody else
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its name or its file
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file
    file: PathBuf,
    /// The control's name [default: the file's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it moves, as the meter calls it [default: what the file or its name says]
    #[arg(long, value_name = "ATTRIBUTE")]
    attribute: Option<String>,
    /// Nouns that it is for, such as man,woman [default: what the file or its name says]
    #[arg(long, value_name = "NOUNS", value_delimiter = ',')]
    subjects: Vec<String>,
    /// One sentence about it, for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    about: String,
    /// Fraction of the sampling steps that pass before it begins [default: 0.2 for a direction,
    /// 0.25 for a slider]
    #[arg(long, value_name = "X", value_parser = below_one)]
    start: Option<f64>,
    /// α of a slider's branches, where the file does not say it or says it wrong
    #[arg(long, value_name = "X")]
    alpha: Option<f64>,
    /// The model that a slider is for [default: the embedded model]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Its name or its file
    name: String,
    /// The file to write; one that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// control, or for a slider lora, which other programs read
    #[arg(long, value_name = "FORMAT", default_value = "control")]
    format: String,
}

/// Does what the command line says.
pub(super) fn run(command: &ControlCommand) -> Result<(), Failure> {
    match command {
        ControlCommand::List => {
            for line in show::table(&assets::controls().list()) {
                say(&line);
            }
            Ok(())
        }
        ControlCommand::Show(args) => {
            let path = find(&args.name)?;
            let file = ControlFile::open(&path)?;
            for line in show::lines(&file) {
                say(&line);
            }
            Ok(())
        }
        ControlCommand::Import(args) => import(args),
        ControlCommand::Export(args) => export(args),
    }
}

/// The file of the control `name`.
fn find(name: &str) -> Result<PathBuf, Failure> {
    Ok(assets::controls().find(&ControlUse::new(name, None, 0.0))?)
}

fn import(args: &ImportArgs) -> Result<(), Failure> {
    let (model, model_folder) = match &args.model {
        Some(folder) => (ModelRef::at(folder), folder.clone()),
        None => (ModelRef::embedded(), assets::embedded_model()),
    };
    if let Some(name) = &args.name {
        checked_name(name)?;
    }
    let imported = import_control(&ImportRequest {
        file: args.file.clone(),
        name: args.name.clone(),
        attribute: args.attribute.clone(),
        subjects: args.subjects.clone(),
        about: args.about.clone(),
        start: args.start,
        alpha: args.alpha,
        command: command::of_this_run(),
        model,
        model_folder,
        folder: own_folder()?,
    })?;
    for note in &imported.notes {
        eprintln!("{note}");
    }
    say(&imported.path.display().to_string());
    Ok(())
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let control = ControlFile::open(&find(&args.name)?)?;
    export_control(&control, args.format.parse()?, &args.out)?;
    say(&args.out.display().to_string());
    Ok(())
}
