//! `vernier project export`: pictures out of a project.

use std::io::Write as _;
use std::path::Path;

use vernier_engine::atomic::{self, Existing};
use vernier_engine::project::{ProjectFile, ResultEntry, result_png_name};
use vernier_engine::{EngineError, Result};

use super::{ExportArgs, tell};
use crate::failure::Failure;
use crate::headless::{job, say};

/// Writes every picture as `SEED-ID.png`.
pub(super) fn run(args: &ExportArgs) -> Result<(), Failure> {
    let opened = ProjectFile::open_to_read(&args.file)?;
    tell(&opened.notes);
    job::require_writable_folder(&args.out)?;
    let mut failed = 0;
    for result in &opened.project.results {
        // One damaged picture must not keep the others in.
        if let Err(error) = export(&opened.file, result, &args.out) {
            eprintln!("{error}");
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Failed(format!(
            "{}: {failed} of {} pictures could not be written to {}",
            args.file.display(),
            opened.project.results.len(),
            args.out.display()
        ))),
    }
}

fn export(file: &ProjectFile, result: &ResultEntry, folder: &Path) -> Result<()> {
    let png = file.attachment(&result_png_name(&result.id))?;
    let path = folder.join(format!("{}-{}.png", result.recipe.seed, result.id));
    let written = atomic::write(&path, Existing::Keep, |file| {
        file.write_all(&png).map_err(|e| EngineError::io(&path, e))
    })?;
    if !written && std::fs::read(&path).map_err(|e| EngineError::io(&path, e))? != png {
        let problem = "is there already with other content; choose another folder";
        return Err(EngineError::bad_file(path, problem));
    }
    say(&path.display().to_string());
    Ok(())
}
