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
            file.persist(path)
                .map_err(|e| EngineError::io(path, e.error))?;
            Ok(true)
        }
        Existing::Keep => match file.persist_noclobber(path) {
            Ok(_) => Ok(true),
            Err(e) if e.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(e) => Err(EngineError::io(path, e.error)),
        },
    }
}
