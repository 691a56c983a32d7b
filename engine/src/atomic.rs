//! Files that are either whole or not there.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use crate::{EngineError, Result};

/// What happens when the target exists already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The new file takes its place.
    Replace,
    /// The old file stays, and the write says so.
    Keep,
}

/// Writes `path` through a temporary file in the same folder: write, fsync, rename.
///
/// Gives `false` where the file exists and `existing` is [`Existing::Keep`].
///
/// # Errors
/// The folder cannot be written, or `fill` fails; no half-written file stays behind.
pub fn write(
    path: &Path,
    existing: Existing,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<bool> {
    Ok(write_and_keep(path, existing, fill)?.is_some())
}

/// As [`write()`], and gives the file, open for reading and writing.
///
/// Gives `None` where the file exists and `existing` is [`Existing::Keep`].
///
/// # Errors
/// As [`write()`].
pub fn write_and_keep(
    path: &Path,
    existing: Existing,
    fill: impl FnOnce(&mut BufWriter<&File>) -> Result<()>,
) -> Result<Option<File>> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".vernier-").suffix(".tmp");
    // tempfile's own default is readable by the owner alone; the umask still applies to this one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder
        .tempfile_in(folder)
        .map_err(|e| EngineError::io(folder, e))?;
    {
        let mut writer = BufWriter::new(file.as_file());
        fill(&mut writer)?;
        writer.flush().map_err(|e| EngineError::io(path, e))?;
    }
    file.as_file()
        .sync_all()
        .map_err(|e| EngineError::io(path, e))?;
    match existing {
        Existing::Replace => {
            let file = file.persist(path);
            Ok(Some(file.map_err(|e| EngineError::io(path, e.error))?))
        }
        Existing::Keep => match file.persist_noclobber(path) {
            Ok(file) => Ok(Some(file)),
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(None),
            Err(e) => Err(EngineError::io(path, e.error)),
        },
    }
}
