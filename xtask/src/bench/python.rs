//! The Python that the peer runs in: one that the user names, or one made in the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::interrupt;
use crate::setup::{cache_folder, lock_cache, system};

/// The list that pip installs from, and that tells which versions count.
const REQUIREMENTS: &str = include_str!("../../bench/requirements.txt");

/// The Python to measure against: `named` once it is checked, else the one in the cache, if any.
pub(super) fn find(named: Option<PathBuf>) -> Result<Option<PathBuf>> {
    let python = match named {
        Some(python) => python,
        None if made_marker()?.exists() => cached()?,
        None => return Ok(None),
    };
    check(&python)?;
    Ok(Some(python))
}

/// Makes a Python environment with the peer in the cache, unless it is there and serves.
pub(super) fn make(scripts: &Path) -> Result<PathBuf> {
    let python = cached()?;
    let _lock = lock_cache(&cache_folder()?)?;
    if made_marker()?.exists() && check(&python).is_ok() {
        return Ok(python);
    }
    system::ensure_pip()?;
    let folder = environment()?;
    eprintln!("Making a Python with diffusers in {}", folder.display());
    if let Err(error) = fill(&folder, &python, scripts) {
        let _ = fs::remove_dir_all(&folder);
        return Err(error);
    }
    check(&python)?;
    let marker = made_marker()?;
    fs::write(&marker, "").with_context(|| format!("cannot write {}", marker.display()))?;
    Ok(python)
}

fn fill(folder: &Path, python: &Path, scripts: &Path) -> Result<()> {
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv", "--clear"]).arg(folder);
    ensure!(
        interrupt::run(venv)?,
        "Python could not make an environment (Debian, Ubuntu: apt-get install python3-venv)"
    );
    let mut pip = system::pip_of(python);
    pip.args([
        "install",
        "--no-cache-dir",
        "--only-binary=:all:",
        "--requirement",
    ])
    .arg(scripts.join("requirements.txt"));
    ensure!(
        interrupt::run(pip)?,
        "pip could not install diffusers (its own words are above)"
    );
    Ok(())
}

/// Checks that `python` has the peer in the versions that the targets were set against.
fn check(python: &Path) -> Result<()> {
    let program = "import torch, diffusers; print(torch.__version__, diffusers.__version__)";
    let output = Command::new(python)
        .args(["-c", program])
        .output()
        .with_context(|| format!("cannot start {}", python.display()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let found: Vec<&str> = printed.split_whitespace().collect();
    let wanted = [required("torch")?, required("diffusers")?];
    ensure!(
        output.status.success() && matches_versions(&found, &wanted),
        "{} must have torch {} and diffusers {}; it has {}",
        python.display(),
        wanted[0],
        wanted[1],
        if found.len() == 2 {
            found.join(" and ")
        } else {
            "not both of them".to_owned()
        }
    );
    Ok(())
}

fn matches_versions(found: &[&str], wanted: &[&str]) -> bool {
    // A build of torch may carry its kind: 2.11.0+cpu.
    found
        .iter()
        .map(|version| version.split('+').next().unwrap_or_default())
        .eq(wanted.iter().copied())
}

fn required(package: &str) -> Result<&'static str> {
    REQUIREMENTS
        .lines()
        .find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))
        .with_context(|| format!("xtask/bench/requirements.txt does not name {package}"))
}

fn environment() -> Result<PathBuf> {
    Ok(cache_folder()?.join("bench-python"))
}

fn cached() -> Result<PathBuf> {
    Ok(environment()?.join("bin").join("python"))
}

/// Written last, so that a half-made environment is not taken for one.
fn made_marker() -> Result<PathBuf> {
    Ok(environment()?.join("made-by-vernier"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_build_of_the_versions_in_the_list() {
        let wanted = [required("torch").unwrap(), required("diffusers").unwrap()];
        assert_eq!(wanted, ["2.11.0", "0.42.1"]);
        assert!(matches_versions(&["2.11.0+cu130", "0.42.1"], &wanted));
        assert!(!matches_versions(&["2.11.0", "0.42.0"], &wanted));
        assert!(!matches_versions(&["2.11.0"], &wanted));
    }

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let error = find(Some("/nowhere/python".into()))
            .unwrap_err()
            .to_string();
        assert!(error.contains("/nowhere/python"), "{error}");
    }
}
