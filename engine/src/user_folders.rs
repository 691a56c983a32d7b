//! Vernier's folders in the user's own, by the XDG base directory rules.

use std::path::{Path, PathBuf};

/// What the user made and would miss: `$XDG_DATA_HOME/vernier` or `~/.local/share/vernier`.
/// `None` where the environment names neither.
pub fn data() -> Option<PathBuf> {
    folder("XDG_DATA_HOME", ".local/share")
}

/// What the user set: `$XDG_CONFIG_HOME/vernier` or `~/.config/vernier`.
pub fn config() -> Option<PathBuf> {
    folder("XDG_CONFIG_HOME", ".config")
}

/// What can be made again: `$XDG_CACHE_HOME/vernier` or `~/.cache/vernier`.
pub fn cache() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME", ".cache")
}

fn folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let base = set(variable)
        .map(PathBuf::from)
        // The rules say that a relative one does not count.
        .filter(|path| path.is_absolute())
        .or_else(|| Some(Path::new(&set("HOME")?).join(below_home)))?;
    Some(base.join("vernier"))
}
