//! `cargo xtask setup`: libtorch in the user's cache, a link to it in the checkout.

mod download;
mod libtorch;
pub(crate) mod system;

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::checkout::Checkout;
pub(crate) use libtorch::LibtorchSet;
use libtorch::VERSION;

/// What `cargo xtask setup` was asked for.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct SetupOptions {
    /// The set to use. None keeps what is linked already, and otherwise looks for a driver.
    pub(crate) set: Option<LibtorchSet>,
    /// Change nothing, only say what would be done.
    pub(crate) dry_run: bool,
}

/// Brings libtorch into the cache, unless it is there, and links it at `.libtorch`.
///
/// Returns one sentence that says which libtorch the build will use. A LIBTORCH of the user's own
/// is checked and left alone, and so is `LIBTORCH_USE_PYTORCH`.
pub(crate) fn set_up(checkout: &Checkout, options: SetupOptions) -> Result<String> {
    if !options.dry_run {
        system::ensure_cxx()?;
    }
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        no_set_may_be_asked(options, "LIBTORCH_USE_PYTORCH is set")?;
        return Ok("LIBTORCH_USE_PYTORCH is set: the build uses Python's own torch.".to_owned());
    }
    if let Some(own) = checkout.own_libtorch() {
        no_set_may_be_asked(options, "LIBTORCH is set")?;
        libtorch::check(&own)
            .with_context(|| format!("LIBTORCH names {}, which does not serve", own.display()))?;
        return Ok(format!(
            "libtorch {VERSION}: your own, {} (LIBTORCH).",
            own.display()
        ));
    }

    let link = checkout.libtorch_link();
    if let Some(ready) = linked(&link, options.set) {
        return Ok(ready);
    }
    let set = options.set.unwrap_or_else(LibtorchSet::for_this_machine);
    let cached = cache_folder()?.join(set.folder_name());
    let torch = cached.join("torch");
    let is_cached = libtorch::check(&torch).is_ok();
    if options.dry_run {
        let download = if is_cached {
            format!(
                "libtorch {VERSION} ({set} set) is in the cache at {}",
                cached.display()
            )
        } else {
            let size = set.size();
            format!(
                "Would download libtorch {VERSION} ({set} set, {size}) to {}",
                cached.display()
            )
        };
        return Ok(format!("{download}; would link {} to it.", link.display()));
    }
    libtorch::check_link_is_ours(&link)?;
    if !is_cached {
        download::into_cache(&cached, set, &checkout.root().join("xtask"))?;
    }
    libtorch::link(&link, &torch)?;
    Ok(format!(
        "libtorch {VERSION} ({set} set) is ready: {} is linked to it.",
        link.display()
    ))
}

/// A set can be chosen only where the choice is ours.
fn no_set_may_be_asked(options: SetupOptions, why: &str) -> Result<()> {
    match options.set {
        None => Ok(()),
        Some(set) => {
            bail!("{why}, so the {set} set would not be used: unset it, or leave the option out")
        }
    }
}

/// What is linked, when it serves and is the set that was asked for.
fn linked(link: &Path, wanted: Option<LibtorchSet>) -> Option<String> {
    libtorch::check(link).ok()?;
    let found = libtorch::set_behind(link);
    if wanted.is_some() && wanted != found {
        return None;
    }
    let mut ready = match found {
        Some(set) => format!("libtorch {VERSION} ({set} set) is ready."),
        None => format!("libtorch {VERSION} is ready: {}.", link.display()),
    };
    if wanted.is_none()
        && found == Some(LibtorchSet::Cpu)
        && LibtorchSet::for_this_machine() == LibtorchSet::Cuda
    {
        ready.push_str(
            " An NVIDIA driver is here: `cargo xtask setup --cuda` brings the set that uses it.",
        );
    }
    Some(ready)
}

/// Vernier's folder in the user's cache: `$XDG_CACHE_HOME/vernier`, or `~/.cache/vernier`.
pub(crate) fn cache_folder() -> Result<PathBuf> {
    // The XDG rules say that a relative path there counts as none.
    let xdg = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let cache = xdg.or_else(|| env::home_dir().map(|home| home.join(".cache")));
    let cache =
        cache.context("there is no home folder: set XDG_CACHE_HOME to a folder for the cache")?;
    Ok(cache.join("vernier"))
}

/// Holds the cache's lock, so that two set-ups do not bring the same files at once.
pub(crate) fn lock_cache(cache: &Path) -> Result<File> {
    fs::create_dir_all(cache)
        .with_context(|| format!("cannot make the folder {}", cache.display()))?;
    let path = cache.join(".lock");
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    if lock.try_lock().is_err() {
        eprintln!("Waiting for another set-up to finish");
        lock.lock()
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use libtorch::tests::fake_libtorch;

    #[test]
    fn keeps_what_is_linked_unless_another_set_is_asked_for() {
        let temp = tempfile::tempdir().unwrap();
        let cpu = temp
            .path()
            .join(LibtorchSet::Cpu.folder_name())
            .join("torch");
        fake_libtorch(&cpu, VERSION);
        let link = temp.path().join(".libtorch");
        assert_eq!(linked(&link, None), None);
        libtorch::link(&link, &cpu).unwrap();
        assert!(linked(&link, None).unwrap().contains("CPU set"));
        assert!(linked(&link, Some(LibtorchSet::Cpu)).is_some());
        assert_eq!(linked(&link, Some(LibtorchSet::Cuda)), None);
    }

    #[test]
    fn a_link_into_a_cleared_cache_is_not_ready() {
        let temp = tempfile::tempdir().unwrap();
        let link = temp.path().join(".libtorch");
        libtorch::link(&link, &temp.path().join("gone")).unwrap();
        assert_eq!(linked(&link, None), None);
    }
}
