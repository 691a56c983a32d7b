//! `vernier project`: project files.

mod bring;
mod change;
mod export;
mod show;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use vernier_engine::project::ProjectFile;

use super::say;
use crate::failure::Failure;

use change::{AdoptArgs, RelinkArgs, RemoveArgs, RenameArgs, StarArgs};
pub(super) use show::show;

/// What can be done with project files.
#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Make one from recipes, or from pictures that carry theirs
    New(NewArgs),
    /// Tell what is in one
    Show(ShowArgs),
    /// Put a recipe into one, under a name
    Add(AddArgs),
    /// Mark a picture of one, or take the mark off
    Star(StarArgs),
    /// Take a picture or a named recipe out of one
    Remove(RemoveArgs),
    /// Give one another name
    Rename(RenameArgs),
    /// Put the recipe of a picture onto the bench of one
    Adopt(AdoptArgs),
    /// Say where a model lies now, for all recipes of one
    Relink(RelinkArgs),
    /// Write the pictures of one to a folder
    Export(ExportArgs),
    /// Save what is whole in a damaged one into a new file; it is only read
    Recover(RecoverArgs),
    /// Write one anew without what it no longer needs
    Compact(FileArgs),
}

#[derive(Debug, Args)]
pub(super) struct FileArgs {
    /// The project
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The file to make; one that is there is not overwritten
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Recipes (.json) or pictures (.png). The first recipe goes to the bench, each is kept under
    /// the name of its file, and pictures become results
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    from: Vec<PathBuf>,
    /// The project's name [default: the file's]
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The project
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Tell it as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The project
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The recipe's name, which is not taken yet
    #[arg(long, value_name = "NAME")]
    recipe_name: String,
    /// A file with one recipe (.json, or a .png that carries one)
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The project
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Folder for the pictures; none that is there is overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct RecoverArgs {
    /// The damaged project
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file to make; one that is there is not overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Does what the command line says.
pub(super) fn run(command: &ProjectCommand) -> Result<(), Failure> {
    match command {
        ProjectCommand::New(args) => bring::new(args),
        ProjectCommand::Show(args) => show(&args.file, args.json),
        ProjectCommand::Add(args) => bring::add(args),
        ProjectCommand::Star(args) => change::star(args),
        ProjectCommand::Remove(args) => change::remove(args),
        ProjectCommand::Rename(args) => change::rename(args),
        ProjectCommand::Adopt(args) => change::adopt(args),
        ProjectCommand::Relink(args) => change::relink(args),
        ProjectCommand::Export(args) => export::run(args),
        ProjectCommand::Recover(args) => recover(args),
        ProjectCommand::Compact(args) => compact(args),
    }
}

fn recover(args: &RecoverArgs) -> Result<(), Failure> {
    let recovered = ProjectFile::recover(&args.file, &args.out)?;
    tell(&recovered.notes);
    for name in &recovered.kept {
        say(&format!("saved {name}"));
    }
    for name in &recovered.lost {
        say(&format!("lost {name}"));
    }
    let project = &recovered.project;
    say(&format!(
        "{}: recipes {}, results {}; attachments saved {}, lost {}",
        args.out.display(),
        project.recipes.len(),
        project.results.len(),
        recovered.kept.len(),
        recovered.lost.len()
    ));
    Ok(())
}

fn compact(args: &FileArgs) -> Result<(), Failure> {
    let mut opened = ProjectFile::open(&args.file)?;
    tell(&opened.notes);
    let (before, _) = opened.file.size_and_dead_bytes();
    // The table of contents may be a makeshift one; a save makes it whole.
    opened.file.save(&opened.project, &[])?;
    opened.file.compact()?;
    let (after, _) = opened.file.size_and_dead_bytes();
    say(&format!(
        "{}: {after} bytes, before {before}",
        args.file.display()
    ));
    Ok(())
}

/// Tells what the artist should know about a file.
fn tell(notes: &[String]) {
    for note in notes {
        eprintln!("{note}");
    }
}
