//! The thread that reads and writes the project file, so that the window never waits for a disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{Builder, JoinHandle};

use vernier_engine::picture::{self, PictureShelf};
use vernier_engine::project::{Opened, Project, ProjectFile, result_png_name};
use vernier_engine::{EngineError, Result};

use super::files::FileEvent;
use super::state::NewPicture;

/// How the files of projects that nobody has given a place are called.
const UNTITLED: &str = "untitled";

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum KeeperCommand {
    /// Go on with a project that nobody has given a place, or begin one with what is given.
    Untitled {
        /// Where such projects lie.
        folder: PathBuf,
        /// What a new one holds.
        fresh: Box<Project>,
        /// Whether one with work in it is passed over.
        wants_new: bool,
    },
    /// Open a project.
    Open(PathBuf),
    /// Save the open one.
    Save {
        /// As it is now.
        project: Box<Project>,
        /// Pictures that the file does not hold.
        pictures: Vec<NewPicture>,
        /// Whether the artist has asked for it.
        is_asked: bool,
    },
    /// Save it under another name, and go on there.
    SaveAs {
        /// The new file.
        path: PathBuf,
        /// As it is now.
        project: Box<Project>,
        /// Pictures that the file does not hold.
        pictures: Vec<NewPicture>,
    },
    /// Read a result's pixels.
    Read(String),
}

/// The window's end of the thread.
#[derive(Debug)]
pub(crate) struct Keeper {
    commands: Option<Sender<KeeperCommand>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread; it tells what came of everything through `tell`. Pictures that recipes
    /// name go from the project to `shelf` when it is opened, and from there to it when it is
    /// saved.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(
        shelf: PictureShelf,
        tell: impl Fn(FileEvent) + Send + 'static,
    ) -> Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let thread = Builder::new()
            .name("vernier-project".to_owned())
            .spawn(move || run(&inbox, &shelf, &tell))
            .map_err(|e| EngineError::io(Path::new("project thread"), e))?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
        })
    }

    /// Asks for something.
    pub(crate) fn send(&self, command: KeeperCommand) {
        if let Some(commands) = &self.commands {
            commands.send(command).ok();
        }
    }
}

/// Waits until everything that was asked for is on the disk.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

fn run(inbox: &Receiver<KeeperCommand>, shelf: &PictureShelf, tell: &impl Fn(FileEvent)) {
    let mut open: Option<Open> = None;
    while let Ok(command) = inbox.recv() {
        match command {
            KeeperCommand::Untitled {
                folder,
                fresh,
                wants_new,
            } => match untitled(&folder, &fresh, wants_new) {
                Ok(opened) => tell(take(opened, true, shelf, &mut open)),
                Err(error) => tell(FileEvent::Failed(error.to_string())),
            },
            KeeperCommand::Open(path) => match ProjectFile::open(&path) {
                Ok(opened) => tell(take(opened, false, shelf, &mut open)),
                Err(error) => tell(FileEvent::Failed(error.to_string())),
            },
            KeeperCommand::Save {
                project,
                pictures,
                is_asked,
            } => {
                let Some(Open { file, .. }) = &mut open else {
                    tell(FileEvent::NotSaved {
                        sentence: "there is no project file; save under a name".to_owned(),
                        pictures,
                    });
                    continue;
                };
                match encoded(&pictures).and_then(|new| file.save(&project, &new)) {
                    Ok(()) => tell(FileEvent::Saved {
                        path: file.path().to_owned(),
                        is_asked,
                    }),
                    Err(error) => tell(FileEvent::NotSaved {
                        sentence: error.to_string(),
                        pictures,
                    }),
                }
            }
            KeeperCommand::SaveAs {
                path,
                project,
                pictures,
            } => match save_as(&mut open, shelf, &path, &project, &pictures) {
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

fn take(
    mut opened: Opened,
    is_untitled: bool,
    shelf: &PictureShelf,
    open: &mut Option<Open>,
) -> FileEvent {
    let notes = opened.file.share_pictures(&opened.project, shelf);
    opened.notes.extend(notes);
    let path = opened.file.path().to_owned();
    *open = Some(Open {
        file: opened.file,
        is_untitled,
    });
    FileEvent::Project {
        path,
        is_untitled,
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
    path: &Path,
    project: &Project,
    pictures: &[NewPicture],
) -> Result<()> {
    let new = encoded(pictures)?;
    let mut file = match open {
        Some(open) => open.file.save_as(path, project)?,
        None => ProjectFile::create(path, project)?,
    };
    // A new file gets the recipes' pictures from there.
    file.share_pictures(project, shelf);
    file.save(project, &new)?;
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use vernier_engine::picture::Picture;
    use vernier_engine::project::ResultEntry;
    use vernier_engine::recipe::Recipe;

    use super::*;
    use crate::studio::state::testing;

    fn recipe() -> Recipe {
        testing::recipe("a cat", 1)
    }

    fn start() -> (Keeper, Receiver<FileEvent>) {
        let (outbox, events) = mpsc::channel();
        let tell = move |event| drop(outbox.send(event));
        let keeper = Keeper::start(PictureShelf::default(), tell).unwrap();
        (keeper, events)
    }

    fn next(events: &Receiver<FileEvent>) -> FileEvent {
        events.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    fn begin(keeper: &Keeper, folder: &Path, wants_new: bool) {
        keeper.send(KeeperCommand::Untitled {
            folder: folder.join("unsaved"),
            fresh: Box::new(Project::new("Untitled", recipe())),
            wants_new,
        });
    }

    fn with_picture(project: &Project) -> (Box<Project>, Vec<NewPicture>) {
        let mut project = project.clone();
        let entry = ResultEntry::new(recipe(), 0.5, &project);
        let new = NewPicture {
            id: entry.id.clone(),
            picture: Arc::new(Picture {
                width_px: 8,
                height_px: 8,
                rgb: vec![7; 192],
            }),
            recipe: Arc::new(recipe()),
        };
        project.results.push(entry);
        (Box::new(project), vec![new])
    }

    /// Saves `project` with one picture more, and gives the picture's id.
    fn save_with_picture(
        keeper: &Keeper,
        events: &Receiver<FileEvent>,
        project: &Project,
    ) -> String {
        let (project, pictures) = with_picture(project);
        let id = pictures[0].id.clone();
        keeper.send(KeeperCommand::Save {
            project,
            pictures,
            is_asked: false,
        });
        assert!(matches!(next(events), FileEvent::Saved { .. }));
        id
    }

    #[test]
    fn an_untitled_project_comes_back_until_it_has_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, events) = start();
        begin(&keeper, folder.path(), false);
        let FileEvent::Project {
            project,
            path: first,
            ..
        } = next(&events)
        else {
            panic!();
        };
        let id = save_with_picture(&keeper, &events, &project);
        drop(keeper);

        let (keeper, events) = start();
        begin(&keeper, folder.path(), false);
        let FileEvent::Project {
            project,
            path,
            is_untitled,
            ..
        } = next(&events)
        else {
            panic!();
        };
        assert_eq!(
            (&path, is_untitled, project.results.len()),
            (&first, true, 1)
        );
        keeper.send(KeeperCommand::Read(id));
        let FileEvent::Pixels { picture, .. } = next(&events) else {
            panic!();
        };
        assert_eq!(picture.rgb[0], 7);

        let named = folder.path().join("portrait.vernier");
        keeper.send(KeeperCommand::SaveAs {
            path: named.clone(),
            project: project.clone(),
            pictures: Vec::new(),
        });
        assert!(matches!(
            next(&events),
            FileEvent::Saved { is_asked: true, .. }
        ));
        assert!(named.is_file() && !first.exists());
        begin(&keeper, folder.path(), false);
        let FileEvent::Project { project, .. } = next(&events) else {
            panic!();
        };
        assert!(project.results.is_empty(), "a fresh one");
    }

    #[test]
    fn a_new_project_leaves_the_work_in_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, events) = start();
        begin(&keeper, folder.path(), false);
        let FileEvent::Project {
            project,
            path: first,
            ..
        } = next(&events)
        else {
            panic!();
        };
        save_with_picture(&keeper, &events, &project);
        begin(&keeper, folder.path(), true);
        let FileEvent::Project { path, project, .. } = next(&events) else {
            panic!();
        };
        assert_ne!(path, first);
        assert!(project.results.is_empty() && first.exists());
    }

    #[test]
    fn what_cannot_be_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (keeper, events) = start();
        let (project, pictures) = with_picture(&Project::new("p", recipe()));
        keeper.send(KeeperCommand::SaveAs {
            path: folder.path().join("missing/p.vernier"),
            project,
            pictures,
        });
        let FileEvent::NotSaved { sentence, pictures } = next(&events) else {
            panic!();
        };
        assert_eq!(pictures.len(), 1);
        assert!(sentence.contains("missing"), "{sentence}");
    }
}
