//! What the thread does.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use vernier_engine::adapters::{files_to_keep, unpack_files};
use vernier_engine::controls::{adapters_to_keep, unpack_adapters};
use vernier_engine::picture::{self, PictureShelf};
use vernier_engine::project::{Opened, Project, ProjectFile, result_png_name};
use vernier_engine::{EngineError, Result};

use super::{ControlPlaces, KeeperCommand};
use crate::studio::files::FileEvent;
use crate::studio::state::NewPicture;

/// How the files of projects that nobody has given a place are called.
const UNTITLED: &str = "untitled";

pub(super) fn run(
    inbox: &Receiver<KeeperCommand>,
    shelf: &PictureShelf,
    controls: &ControlPlaces,
    tell: &impl Fn(FileEvent),
) {
    let mut open: Option<Open> = None;
    while let Ok(command) = inbox.recv() {
        match command {
            KeeperCommand::Untitled {
                folder,
                fresh,
                wants_new,
            } => match untitled(&folder, &fresh, wants_new) {
                Ok(opened) => tell(take(opened, true, shelf, controls, &mut open)),
                Err(error) => tell(FileEvent::Failed(error.to_string())),
            },
            KeeperCommand::Open(path) => match ProjectFile::open(&path) {
                Ok(opened) => tell(take(opened, false, shelf, controls, &mut open)),
                Err(error) => tell(FileEvent::Failed(error.to_string())),
            },
            KeeperCommand::Save {
                path,
                project,
                pictures,
                is_asked,
            } => match &mut open {
                Some(Open { file, .. }) if file.path() == path => {
                    match save(file, &project, &pictures, controls) {
                        Ok(()) => tell(FileEvent::Saved { path, is_asked }),
                        Err(error) => tell(FileEvent::NotSaved {
                            sentence: error.to_string(),
                            pictures,
                        }),
                    }
                }
                // The window has gone on to another project since; only a failure is news.
                _ => {
                    if let Err(error) = save_left(shelf, controls, &path, &project, &pictures) {
                        tell(FileEvent::Failed(error.to_string()));
                    }
                }
            },
            KeeperCommand::SaveAs {
                path,
                project,
                pictures,
            } => match save_as(&mut open, shelf, controls, &path, &project, &pictures) {
                Ok(()) => tell(FileEvent::Saved {
                    path,
                    is_asked: true,
                }),
                Err(error) => tell(FileEvent::NotSaved {
                    sentence: error.to_string(),
                    pictures,
                }),
            },
            KeeperCommand::Read(id) => tell(read(open.as_ref(), id)),
        }
    }
}

/// The project that is worked on.
struct Open {
    file: ProjectFile,
    /// Nobody has given it a place yet.
    is_untitled: bool,
}

/// Saves a project that is no longer the open one.
fn save_left(
    shelf: &PictureShelf,
    controls: &ControlPlaces,
    path: &Path,
    project: &Project,
    pictures: &[NewPicture],
) -> Result<()> {
    let mut left = ProjectFile::open(path)?;
    left.file.share_pictures(project, shelf);
    save(&mut left.file, project, pictures, controls)
}

fn save(
    file: &mut ProjectFile,
    project: &Project,
    pictures: &[NewPicture],
    controls: &ControlPlaces,
) -> Result<()> {
    let mut attachments = encoded(pictures)?;
    attachments.extend(adapters_to_keep(project, file, &controls.own));
    attachments.extend(files_to_keep(project, file, &controls.adapters));
    file.save(project, &attachments)
}

fn take(
    mut opened: Opened,
    is_untitled: bool,
    shelf: &PictureShelf,
    controls: &ControlPlaces,
    open: &mut Option<Open>,
) -> FileEvent {
    let notes = opened.file.share_pictures(&opened.project, shelf);
    opened.notes.extend(notes);
    if let Some(folder) = &controls.from_projects {
        let notes = unpack_adapters(&opened.project, &opened.file, folder);
        opened.notes.extend(notes);
    }
    if let Some(folder) = &controls.adapters_from_projects {
        let notes = unpack_files(&opened.project, &opened.file, folder);
        opened.notes.extend(notes);
    }
    let path = opened.file.path().to_owned();
    *open = Some(Open {
        file: opened.file,
        is_untitled,
    });
    let missing = opened.project.missing_models();
    let missing = missing.into_iter().map(|model| {
        let place = model.path.clone().unwrap_or_default();
        (model.name.clone(), place)
    });
    FileEvent::Project {
        path,
        is_untitled,
        missing: missing.collect(),
        project: Box::new(opened.project),
        notes: opened.notes,
    }
}

fn encoded(pictures: &[NewPicture]) -> Result<Vec<(String, Vec<u8>)>> {
    let entry = |new: &NewPicture| -> Result<(String, Vec<u8>)> {
        let png = picture::to_png(&new.picture, &new.recipe)?;
        Ok((result_png_name(&new.id), png))
    };
    pictures.iter().map(entry).collect()
}

fn save_as(
    open: &mut Option<Open>,
    shelf: &PictureShelf,
    controls: &ControlPlaces,
    path: &Path,
    project: &Project,
    pictures: &[NewPicture],
) -> Result<()> {
    let mut file = match open {
        Some(open) => open.file.save_as(path, project)?,
        None => ProjectFile::create(path, project)?,
    };
    // A new file gets the recipes' pictures from there.
    file.share_pictures(project, shelf);
    save(&mut file, project, pictures, controls)?;
    let named = Open {
        file,
        is_untitled: false,
    };
    if let Some(old) = open.replace(named).filter(|old| old.is_untitled) {
        // Everything in it is in the new file; it would only come back as a surprise.
        std::fs::remove_file(old.file.path()).ok();
    }
    Ok(())
}

/// The first untitled project that no other window has open; with `wants_new`, the first that
/// holds no work.
fn untitled(folder: &Path, fresh: &Project, wants_new: bool) -> Result<Opened> {
    std::fs::create_dir_all(folder).map_err(|e| EngineError::io(folder, e))?;
    let mut number = 1;
    loop {
        let path = folder.join(format!("{UNTITLED}-{number}.vernier"));
        number += 1;
        if !path.exists() {
            let file = ProjectFile::create(&path, fresh)?;
            return Ok(Opened {
                file,
                project: fresh.clone(),
                notes: Vec::new(),
            });
        }
        match ProjectFile::open(&path) {
            Ok(opened) if wants_new && opened.project.bench != fresh.bench => {}
            Ok(opened) if wants_new && !opened.project.results.is_empty() => {}
            Ok(opened) => return Ok(opened),
            // Open elsewhere, or damaged: it is left alone.
            Err(error) => log::debug!("{error}"),
        }
    }
}

fn read(open: Option<&Open>, id: String) -> FileEvent {
    let Some(Open { file, .. }) = open else {
        return FileEvent::Failed(format!("the picture {id} has no project file"));
    };
    let name = result_png_name(&id);
    let pixels = file
        .attachment(&name)
        .and_then(|bytes| picture::pixels_in(&bytes, &file.path().join(&name)));
    match pixels {
        Ok(picture) => FileEvent::Pixels {
            id,
            picture: Arc::new(picture),
        },
        Err(error) => FileEvent::Failed(error.to_string()),
    }
}
