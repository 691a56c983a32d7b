//! Opening a project file so that nobody else writes to it meanwhile.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{EngineError, Result};

/// A save of another program may put a new file in the place of the one that was opened; so often
/// it is tried again.
const ATTEMPTS: usize = 8;

/// Opens `path` for reading and writing and locks it until it is closed; and a note where the disk
/// knows no locks.
pub(super) fn open_to_write(path: &Path) -> Result<(File, Option<String>)> {
    require_file(path)?;
    for _ in 0..ATTEMPTS {
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|e| EngineError::io(path, e))?;
        let note = lock(&file, path)?;
        if is_still_at(&file, path) {
            return Ok((file, note));
        }
    }
    Err(in_use(path))
}

/// Opens `path` for reading; it may be written to meanwhile.
pub(super) fn open_to_read(path: &Path) -> Result<File> {
    require_file(path)?;
    File::open(path).map_err(|e| EngineError::io(path, e))
}

/// Locks `file`, or says who has it; a note where the disk knows no locks.
pub(super) fn lock(file: &File, path: &Path) -> Result<Option<String>> {
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Err(in_use(path)),
        Err(TryLockError::Error(e)) => Ok(Some(format!(
            "{}: this disk keeps no locks ({e}); do not open the project in two programs at once",
            path.display()
        ))),
    }
}

fn in_use(path: &Path) -> EngineError {
    EngineError::bad_file(
        path,
        "is open in another Vernier; close it there, or work on a copy",
    )
}

/// What is no plain file could keep the program waiting for ever.
fn require_file(path: &Path) -> Result<()> {
    let about = fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
    if about.is_file() {
        return Ok(());
    }
    let what = if about.is_dir() {
        "is a folder"
    } else {
        "is no plain file"
    };
    let problem = format!("{what}, where a project file is needed");
    Err(EngineError::bad_file(path, problem))
}

/// Whether `file` is what lies at `path` now.
#[cfg(unix)]
pub(super) fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let place = |about: fs::Metadata| (about.dev(), about.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => place(open) == place(there),
        _ => false,
    }
}

/// Whether `file` is what lies at `path` now.
#[cfg(not(unix))]
pub(super) fn is_still_at(_file: &File, _path: &Path) -> bool {
    // A file that is open cannot be replaced there.
    true
}
