//! Where the checkout lies, and how to start programs in it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

/// The checkout that this program was started from.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Finds the checkout: cargo names it at run time; the folder we were built in is the fallback.
    pub(crate) fn find() -> Result<Self> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().context("xtask lies in no folder")?;
        Ok(Self::at(root))
    }

    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The link that `.cargo/config.toml` names as LIBTORCH.
    pub(crate) fn libtorch_link(&self) -> PathBuf {
        self.root.join(".libtorch")
    }

    /// The LIBTORCH that the user has set, if any.
    ///
    /// Cargo sets LIBTORCH for this program from `.cargo/config.toml`, so a value that names our
    /// own link is not the user's.
    pub(crate) fn own_libtorch(&self) -> Option<PathBuf> {
        self.own_libtorch_in(env::var_os("LIBTORCH"))
    }

    fn own_libtorch_in(&self, value: Option<OsString>) -> Option<PathBuf> {
        value
            .map(PathBuf::from)
            .filter(|path| *path != self.libtorch_link())
    }

    /// A command with the environment that a shell would give it: without the LIBTORCH that cargo
    /// has added for us, lest cargo take it for a change and compile libtorch's bindings again.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if self.own_libtorch().is_none() {
            command.env_remove("LIBTORCH");
        }
        command
    }

    /// Cargo, as the one that started us.
    pub(crate) fn cargo(&self) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Builds the workspace's binary `name` and becomes it.
    ///
    /// `--workspace` is for the features of shared dependencies: they are then the same as in the
    /// tests, and nothing compiles twice.
    pub(crate) fn run_program(&self, name: &str, args: &[String]) -> Result<()> {
        self.build_program(name)?;
        let mut program = Command::new(program(name)?);
        program.args(args);
        become_process(program)
    }

    /// Builds the workspace's binary `name` in the release profile.
    pub(crate) fn build_program(&self, name: &str) -> Result<()> {
        let mut cargo = self.cargo();
        cargo.args(["build", "--release", "--workspace", "--bin", name]);
        let status = cargo.status().context("cannot start cargo")?;
        if !status.success() {
            std::process::exit(status.code().unwrap_or(1));
        }
        Ok(())
    }
}

/// Where cargo puts the workspace's release binary `name`: in the target folder we came from.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let me = env::current_exe().context("cannot tell where this program lies")?;
    let target = me
        .ancestors()
        .nth(2)
        .context("this program lies in no target folder")?;
    Ok(target
        .join("release")
        .join(name)
        .with_extension(env::consts::EXE_EXTENSION))
}

/// Replaces this process, so that signals and the exit code are the other program's own.
#[cfg(unix)]
pub(crate) fn become_process(mut command: Command) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", command.get_program().display()))
}

/// Runs the other program and passes its exit code on.
#[cfg(not(unix))]
pub(crate) fn become_process(mut command: Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    std::process::exit(status.code().unwrap_or(1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_users_libtorch_from_cargos() {
        let checkout = Checkout::at(Path::new("/home/ada/vernier"));
        let own = |value: &str| checkout.own_libtorch_in(Some(value.into()));
        assert_eq!(own("/home/ada/vernier/.libtorch"), None);
        assert_eq!(own("/opt/libtorch"), Some("/opt/libtorch".into()));
        assert_eq!(own(""), Some("".into()));
        assert_eq!(checkout.own_libtorch_in(None), None);
    }
}
