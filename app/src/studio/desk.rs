//! Work with folders of pictures, beside the window: reading, thumbnails, saving.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use vernier_engine::picture::Picture;
use vernier_engine::train::folder::{picture_size_px, read_picture};
use vernier_engine::{EngineError, Result};

use super::state::{RunRecord, Sheet};

/// Side of a thumbnail in pixels.
pub(crate) const THUMBNAIL_PX: u32 = 80;
/// Threads that make thumbnails.
const THUMBNAIL_THREADS: usize = 2;

/// What is asked of the desk.
#[derive(Debug)]
pub(crate) enum DeskCommand {
    /// Read a folder.
    Open(PathBuf),
    /// Write what differs between two sheets.
    Save {
        /// As it shall be.
        sheet: Arc<Sheet>,
        /// As it was last read or written.
        saved: Arc<Sheet>,
    },
    /// Look for trainings that were paused, below this folder.
    FindRuns(PathBuf),
    /// Keep what is known of a training in its work folder.
    KeepRun(PathBuf, Box<RunRecord>),
    /// Forget a training: its record, and with `true` its whole work folder.
    ForgetRun(PathBuf, bool),
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum DeskEvent {
    /// A folder was read.
    Opened(Arc<Sheet>),
    /// It was not; one sentence.
    NotOpened(String),
    /// The changes are on the disk.
    Saved(Arc<Sheet>),
    /// They are not; one sentence.
    NotSaved(String),
    /// Files that are no pictures, each with a sentence.
    Unreadable(PathBuf, Vec<(PathBuf, String)>),
    /// A thumbnail, or why there is none.
    Thumbnail(PathBuf, Result<Picture, String>),
    /// Trainings that were paused, with their work folders.
    Runs(Vec<(PathBuf, RunRecord)>),
    /// Something else did not work; one sentence.
    Failed(String),
}

/// The desk. Dropping it waits until everything is on the disk.
pub(crate) struct Desk {
    commands: Option<Sender<DeskCommand>>,
    thread: Option<JoinHandle<()>>,
    wishes: Arc<Wishes>,
}

/// Thumbnails that are wanted now: what was wanted before and is no longer seen is not made.
#[derive(Default)]
struct Wishes {
    paths: Mutex<Option<Vec<PathBuf>>>,
    changed: Condvar,
}

impl Desk {
    /// Starts its threads; `tell` is called on them.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(tell: impl Fn(DeskEvent) + Clone + Send + 'static) -> Result<Self> {
        let no_thread = |e| EngineError::io(Path::new("thread for pictures"), e);
        let (commands, inbox) = mpsc::channel();
        let wishes = Arc::new(Wishes::default());
        *wishes.lock() = Some(Vec::new());
        for _ in 0..THUMBNAIL_THREADS {
            let (wishes, tell) = (Arc::clone(&wishes), tell.clone());
            Builder::new()
                .name("vernier-thumbnails".to_owned())
                .spawn(move || make_thumbnails(&wishes, &tell))
                .map_err(no_thread)?;
        }
        let thread = Builder::new()
            .name("vernier-desk".to_owned())
            .spawn(move || work(&inbox, &tell))
            .map_err(no_thread)?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
            wishes,
        })
    }

    /// Asks for something, without waiting.
    pub(crate) fn send(&self, command: DeskCommand) {
        if let Some(commands) = &self.commands {
            commands.send(command).ok();
        }
    }

    /// Says which thumbnails are wanted now, the first first.
    pub(crate) fn want_thumbnails(&self, mut paths: Vec<PathBuf>) {
        paths.reverse();
        if let Some(wanted) = self.wishes.lock().as_mut() {
            *wanted = paths;
        }
        self.wishes.changed.notify_all();
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        *self.wishes.lock() = None;
        self.wishes.changed.notify_all();
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Wishes {
    fn lock(&self) -> MutexGuard<'_, Option<Vec<PathBuf>>> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a wish; `None` once the desk is gone.
    fn next(&self) -> Option<PathBuf> {
        let mut wanted = self.lock();
        loop {
            if let Some(path) = wanted.as_mut()?.pop() {
                return Some(path);
            }
            let waited = self.changed.wait(wanted);
            wanted = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn make_thumbnails(wishes: &Wishes, tell: &impl Fn(DeskEvent)) {
    while let Some(path) = wishes.next() {
        // Scaled and cut as the training sees it.
        let made = read_picture(&path, (THUMBNAIL_PX, THUMBNAIL_PX)).map_err(|e| e.to_string());
        tell(DeskEvent::Thumbnail(path, made));
    }
}

fn work(inbox: &Receiver<DeskCommand>, tell: &impl Fn(DeskEvent)) {
    while let Ok(command) = inbox.recv() {
        match command {
            DeskCommand::Open(path) => open(&path, tell),
            DeskCommand::Save { sheet, saved } => tell(match sheet.save(&saved) {
                Ok(()) => DeskEvent::Saved(sheet),
                Err(e) => DeskEvent::NotSaved(e.to_string()),
            }),
            DeskCommand::FindRuns(folder) => tell(DeskEvent::Runs(RunRecord::find(&folder))),
            DeskCommand::KeepRun(folder, record) => {
                if let Err(e) = record.write(&folder) {
                    tell(DeskEvent::Failed(e.to_string()));
                }
            }
            DeskCommand::ForgetRun(folder, with_everything) => {
                let forgotten = if with_everything {
                    std::fs::remove_dir_all(&folder)
                } else {
                    std::fs::remove_file(RunRecord::path(&folder))
                };
                if let Err(e) = forgotten
                    && e.kind() != std::io::ErrorKind::NotFound
                {
                    tell(DeskEvent::Failed(EngineError::io(&folder, e).to_string()));
                }
            }
        }
    }
}

/// Reads a folder, or the folder of a table; then looks at every picture's first bytes.
fn open(path: &Path, tell: &impl Fn(DeskEvent)) {
    let is_table = path.is_file();
    let folder = if is_table {
        path.parent().unwrap_or(path)
    } else {
        path
    };
    let sheet = match Sheet::open(folder, is_table.then_some(path)) {
        Ok(sheet) => Arc::new(sheet),
        Err(e) => return tell(DeskEvent::NotOpened(e.to_string())),
    };
    tell(DeskEvent::Opened(Arc::clone(&sheet)));
    let mut seen = HashSet::new();
    let paths = (0..sheet.rows.len()).map(|row| sheet.path(row));
    let unreadable = paths
        .filter(|path| seen.insert(path.clone()))
        .filter_map(|path| {
            let problem = picture_size_px(&path).err()?.to_string();
            Some((path, problem))
        });
    let unreadable = unreadable.collect();
    tell(DeskEvent::Unreadable(sheet.folder.clone(), unreadable));
}
