//! `vernier control`: the controls that there are.

mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vernier_engine::EngineError;
use vernier_engine::controls::ControlFile;
use vernier_engine::recipe::ControlUse;

use super::say;
use crate::assets;
use crate::failure::Failure;

/// What can be done with controls.
#[derive(Debug, Subcommand)]
pub(super) enum ControlCommand {
    /// List all controls
    List,
    /// Tell everything about one
    Show(ShowArgs),
    /// Write a copy of one to a file, for somebody else
    Export(ExportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Its name or its file
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Its name or its file
    name: String,
    /// The file to write; one that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
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
        ControlCommand::Export(args) => export(args),
    }
}

/// The file of the control `name`.
fn find(name: &str) -> Result<PathBuf, Failure> {
    Ok(assets::controls().find(&ControlUse::new(name, None, 0.0))?)
}

fn export(args: &ExportArgs) -> Result<(), Failure> {
    let out = &args.out;
    let file = ControlFile::open(&find(&args.name)?)?;
    if out.exists() {
        let problem = "is there already; choose another name";
        return Err(EngineError::request(out.display().to_string(), problem).into());
    }
    file.save_with(out, &file.info)?;
    say(&out.display().to_string());
    Ok(())
}
