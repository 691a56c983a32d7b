//! What can be saved from a damaged project.

use std::collections::BTreeSet;
use std::path::Path;

use super::archive::{Archive, Entries, Parts};
use super::document::{self, PROJECT_JSON, Unreadable};
use super::records::Entry;
use super::result::{ResultEntry, id_in};
use super::{Project, ProjectFile, lock};
use crate::atomic::Existing;
use crate::picture;
use crate::recipe::Recipe;
use crate::{EngineError, Result};

/// What [`ProjectFile::recover`] saved.
#[derive(Debug)]
pub struct Recovered {
    /// The new file.
    pub file: ProjectFile,
    /// What it holds.
    pub project: Project,
    /// Names of the attachments that were saved, sorted.
    pub kept: Vec<String>,
    /// Names of those that were there but are not whole, sorted.
    pub lost: Vec<String>,
    /// What else the artist should know: a sentence each.
    pub notes: Vec<String>,
}

impl ProjectFile {
    /// Saves whatever is whole in the file `path`, which is only read, into the new file `out`.
    ///
    /// Of every attachment the newest whole version is taken; where no project is whole, one is
    /// made of the recipes that the pictures carry.
    ///
    /// # Errors
    /// Neither a project nor a picture with a recipe is whole, the file is of a newer version, or
    /// `out` is there already.
    pub fn recover(path: impl AsRef<Path>, out: impl AsRef<Path>) -> Result<Recovered> {
        let (path, out) = (path.as_ref(), out.as_ref());
        let (archive, mut notes) = Archive::open(lock::open_to_read(path)?, path)?;
        let failed = |e| EngineError::io(path, e);
        let all = archive.every_whole_entry().map_err(failed)?;
        let listed = archive.entries().get(PROJECT_JSON);
        let listed = listed.map(|entry| archive.content(entry).map_err(failed));
        let project = match listed.transpose()? {
            Some(Ok(bytes)) => document::parse(&bytes, path),
            _ => Err(Unreadable::Damaged("is not whole".to_owned())),
        };
        let mut project = match project {
            Ok(project) => Some(project),
            Err(Unreadable::Newer(error)) => return Err(error),
            Err(Unreadable::Damaged(_)) => newest_project(&archive, &all, path)?,
        };
        let (entries, lost) = newest_whole(&archive, &all).map_err(failed)?;
        let found = pictures_outside(&archive, &entries, project.as_ref(), path)?;
        if !found.is_empty() {
            notes.push(format!(
                "results put together from the recipes in their pictures: {}",
                found.len()
            ));
        }
        if project.is_none() {
            let name = path
                .file_stem()
                .map(|name| name.to_string_lossy().into_owned());
            let recipe = found.first().map(|(_, recipe)| recipe.clone());
            project = recipe.map(|recipe| Project::new(name.unwrap_or_default(), recipe));
        }
        let Some(mut project) = project else {
            let problem = "nothing in it can be saved: neither a project nor a picture with a \
                           recipe is whole";
            return Err(EngineError::bad_file(path, problem));
        };
        adopt(&mut project, found);
        let json = document::to_bytes(&project, out)?;
        let kept = entries.keys().cloned().collect();
        let parts = Parts {
            source: Some(&archive),
            entries,
            additions: &[(PROJECT_JSON, &json)],
            ..Parts::default()
        };
        let file = Self::write_new(out, Existing::Keep, &parts)?;
        let file = file
            .ok_or_else(|| EngineError::bad_file(out, "is there already; choose another name"))?;
        Ok(Recovered {
            file,
            project,
            kept,
            lost,
            notes,
        })
    }
}

/// The newest older project that is whole, where the newest one has this `problem`.
pub(super) fn older_project(
    archive: &Archive,
    problem: &str,
    path: &Path,
    notes: &mut Vec<String>,
) -> Result<Project> {
    let all = archive.every_whole_entry();
    let all = all.map_err(|e| EngineError::io(path, e))?;
    let Some(mut project) = newest_project(archive, &all, path)? else {
        let problem = format!(
            "{PROJECT_JSON} in it {problem}, and no older one is whole; `vernier project recover` \
             saves the pictures into a new file"
        );
        return Err(EngineError::bad_file(path, problem));
    };
    let found = pictures_outside(archive, archive.entries(), Some(&project), path)?;
    let more = match found.len() {
        0 => String::new(),
        n => format!(", and newer pictures ({n}) were put back from the recipes inside them"),
    };
    notes.push(format!(
        "{}: the newest {PROJECT_JSON} in it is damaged; the last whole one is used{more}",
        path.display()
    ));
    adopt(&mut project, found);
    Ok(project)
}

fn newest_project(archive: &Archive, all: &[Entry], path: &Path) -> Result<Option<Project>> {
    for entry in all.iter().rev().filter(|entry| entry.name == PROJECT_JSON) {
        let content = archive.content(entry);
        let Ok(bytes) = content.map_err(|e| EngineError::io(path, e))? else {
            continue;
        };
        match document::parse(&bytes, path) {
            Ok(project) => return Ok(Some(project)),
            Err(Unreadable::Newer(error)) => return Err(error),
            Err(Unreadable::Damaged(_)) => {}
        }
    }
    Ok(None)
}

/// Of every attachment the version of the table of contents where that is whole, else the newest
/// whole one; and names of those that have none.
fn newest_whole(archive: &Archive, all: &[Entry]) -> std::io::Result<(Entries, Vec<String>)> {
    let mut whole: Entries = all.iter().map(|e| (e.name.clone(), e.clone())).collect();
    let mut lost = Vec::new();
    for (name, entry) in archive.entries() {
        if archive.content(entry)?.is_ok() {
            whole.insert(name.clone(), entry.clone());
        } else if !whole.contains_key(name) {
            lost.push(name.clone());
        }
    }
    whole.remove(PROJECT_JSON);
    lost.retain(|name| name != PROJECT_JSON);
    Ok((whole, lost))
}

/// Pictures of results that `project` does not list, by id, with the recipes inside them.
fn pictures_outside(
    archive: &Archive,
    entries: &Entries,
    project: Option<&Project>,
    path: &Path,
) -> Result<Vec<(String, Recipe)>> {
    let listed = project.into_iter().flat_map(|project| &project.results);
    let listed: BTreeSet<&str> = listed.map(|result| result.id.as_str()).collect();
    let mut found = Vec::new();
    for (name, entry) in entries {
        let Some(id) = id_in(name).filter(|id| !listed.contains(id)) else {
            continue;
        };
        let content = archive.content(entry);
        let Ok(bytes) = content.map_err(|e| EngineError::io(path, e))? else {
            continue;
        };
        if let Ok(recipe) = picture::recipe_in(&bytes, path) {
            found.push((entry.offset, id.to_owned(), recipe));
        }
    }
    // As they were made.
    found.sort_by_key(|(offset, ..)| *offset);
    Ok(found
        .into_iter()
        .map(|(_, id, recipe)| (id, recipe))
        .collect())
}

fn adopt(project: &mut Project, found: Vec<(String, Recipe)>) {
    for (id, recipe) in found {
        let made_at_unix_secs = 0;
        let result = ResultEntry {
            id,
            made_at_unix_secs,
            ..ResultEntry::new(recipe, 0.0, project)
        };
        project.results.push(result);
    }
    project.list_models();
}
