//! Pictures of a run as results of a project.

use std::path::Path;

use vernier_engine::adapters::files_to_keep;
use vernier_engine::controls::adapters_to_keep;
use vernier_engine::project::{Project, ProjectFile, ResultEntry, result_png_name};
use vernier_engine::recipe::Recipe;
use vernier_engine::{EngineError, Result};

use super::job::{self, Made};
use super::report::Reporter;
use crate::assets;

/// A project that is open for as long as the run takes.
#[derive(Debug)]
pub(super) struct Results {
    file: ProjectFile,
    project: Project,
}

impl Results {
    /// Opens the project `path`, or makes it with the first of `recipes` on its bench.
    pub(super) fn open(path: &Path, recipes: &[Recipe], reporter: &mut Reporter) -> Result<Self> {
        if !path.exists()
            && let Some(first) = recipes.first()
        {
            job::require_writable_file(path)?;
            let project = Project::new(name_of(path), first.clone());
            let file = ProjectFile::create(path, &project)?;
            return Ok(Self { file, project });
        }
        let opened = ProjectFile::open(path)?;
        for note in opened.notes {
            job::note(note, reporter);
        }
        Ok(Self {
            file: opened.file,
            project: opened.project,
        })
    }

    /// Adds a picture whose file lies at `picture`, and saves.
    pub(super) fn add(&mut self, made: &Made, picture: &Path) -> Result<()> {
        let png = std::fs::read(picture).map_err(|e| EngineError::io(picture, e))?;
        let result = ResultEntry::new(made.recipe.clone(), made.secs, &self.project);
        let picture = (result_png_name(&result.id), png);
        self.project.results.push(result);
        self.know_files_of(&made.recipe);
        self.project.list_models();
        let library = assets::own_controls();
        let mut attachments = adapters_to_keep(&self.project, &self.file, &library);
        let library = assets::adapters();
        attachments.extend(files_to_keep(&self.project, &self.file, &library));
        attachments.push(picture);
        self.file.save(&self.project, &attachments)
    }

    /// Gives the bench the hashes of the adapters and embeddings that it names, once `made` tells
    /// them, so that it finds them in the project too.
    fn know_files_of(&mut self, made: &Recipe) {
        let bench = &mut self.project.bench.recipe;
        for own in bench.adapters.iter_mut().filter(|a| a.hash.is_empty()) {
            let same = made
                .adapters
                .iter()
                .find(|a| (&a.name, &a.path) == (&own.name, &own.path));
            own.hash = same.map_or_else(String::new, |same| same.hash.clone());
        }
        for own in bench.embeddings.iter_mut().filter(|e| e.hash.is_empty()) {
            let same = made
                .embeddings
                .iter()
                .find(|e| (&e.name, &e.path) == (&own.name, &own.path));
            own.hash = same.map_or_else(String::new, |same| same.hash.clone());
        }
    }
}

/// What a project in the file `path` is called, unless somebody names it.
pub(super) fn name_of(path: &Path) -> String {
    path.file_stem().map_or_else(
        || "project".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}
