//! `vernier project star`, `remove`, `rename`, `adopt` and `relink`: what the window does to a
//! project without rendering.

use std::path::{Path, PathBuf};

use clap::Args;
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::project::{ProjectChange, ProjectFile};

use super::{FileArgs, tell};
use crate::failure::Failure;
use crate::headless::say;

#[derive(Debug, Args)]
pub(in crate::headless) struct StarArgs {
    #[command(flatten)]
    project: FileArgs,
    /// The picture's id, as `vernier project show` tells it
    #[arg(value_name = "ID")]
    result: String,
    /// Take the mark off instead
    #[arg(long)]
    off: bool,
}

#[derive(Debug, Args)]
pub(in crate::headless) struct RemoveArgs {
    #[command(flatten)]
    project: FileArgs,
    /// The picture's id
    #[arg(value_name = "ID", required_unless_present = "recipe_name")]
    result: Option<String>,
    /// A named recipe instead
    #[arg(long, value_name = "NAME", conflicts_with = "result")]
    recipe_name: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::headless) struct RenameArgs {
    #[command(flatten)]
    project: FileArgs,
    /// The new name
    #[arg(value_name = "TEXT")]
    name: String,
}

#[derive(Debug, Args)]
pub(in crate::headless) struct AdoptArgs {
    #[command(flatten)]
    project: FileArgs,
    /// The picture's id
    #[arg(value_name = "ID")]
    result: String,
}

#[derive(Debug, Args)]
pub(in crate::headless) struct RelinkArgs {
    #[command(flatten)]
    project: FileArgs,
    /// The model's name, as `vernier project show` tells it
    #[arg(value_name = "MODEL")]
    model: String,
    /// Its folder
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

/// Marks a picture, or takes the mark off.
pub(super) fn star(args: &StarArgs) -> Result<(), Failure> {
    let change = ProjectChange::Star {
        result: args.result.clone(),
        is_starred: !args.off,
    };
    apply(&args.project.file, &change)
}

/// Takes a picture or a recipe out.
pub(super) fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let change = match (&args.recipe_name, &args.result) {
        (Some(name), _) => ProjectChange::RemoveRecipe(name.clone()),
        (None, result) => ProjectChange::RemoveResult(result.clone().unwrap_or_default()),
    };
    apply(&args.project.file, &change)
}

/// Gives the project another name.
pub(super) fn rename(args: &RenameArgs) -> Result<(), Failure> {
    apply(
        &args.project.file,
        &ProjectChange::Rename(args.name.clone()),
    )
}

/// Puts a picture's recipe onto the bench.
pub(super) fn adopt(args: &AdoptArgs) -> Result<(), Failure> {
    apply(
        &args.project.file,
        &ProjectChange::Adopt(args.result.clone()),
    )
}

/// Says where a model lies now.
pub(super) fn relink(args: &RelinkArgs) -> Result<(), Failure> {
    Checkpoint::open(&args.path)?;
    let change = ProjectChange::Relink {
        model: args.model.clone(),
        path: args.path.clone(),
    };
    apply(&args.project.file, &change)
}

fn apply(path: &Path, change: &ProjectChange) -> Result<(), Failure> {
    let opened = ProjectFile::open(path)?;
    tell(&opened.notes);
    let (mut file, mut project) = (opened.file, opened.project);
    project.apply(change)?;
    file.save(&project, &[])?;
    say(&path.display().to_string());
    Ok(())
}
