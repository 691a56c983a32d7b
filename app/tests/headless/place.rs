//! A tiny model where the program looks for its own, and the program itself.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use vernier_engine::checkpoint::tiny;

/// A folder with assets, in which the program runs.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_model(&folder.path().join("assets/miniature"), 1).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.path("assets/miniature")
    }

    /// The program, ready to run here.
    pub(crate) fn vernier(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vernier"));
        command
            .current_dir(self.folder.path())
            .env("VERNIER_ASSETS", self.path("assets"))
            .env("OMP_NUM_THREADS", "1")
            // Without arguments it would open its window.
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Output {
        self.vernier().args(args).output().unwrap()
    }

    /// Runs `vernier render` with a short prompt and few steps, and `args` on top.
    pub(crate) fn render(&self, args: &[&str]) -> Output {
        let mut all = vec!["render", "--prompt", "a cat", "--steps", "3"];
        all.extend(args);
        self.run(&all)
    }

    /// Names in a folder, sorted.
    pub(crate) fn names(&self, folder: &str) -> Vec<String> {
        names(&self.path(folder))
    }
}

/// Names in a folder, sorted; none where it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Fails with all that the program said unless it succeeded.
#[track_caller]
pub(crate) fn assert_success(output: &Output) {
    assert!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        stdout(output),
        stderr(output)
    );
}
