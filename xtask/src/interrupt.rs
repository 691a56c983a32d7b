//! Ctrl-C while another program works for us: the program ends, and we can still clean up.

use std::error::Error;
use std::fmt::{self, Display};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The error of a run that Ctrl-C ended: exit code 130.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; nothing half done is left")
    }
}

impl Error for Interrupted {}

/// From here on Ctrl-C does not end this program: it must ask [`check`].
pub(crate) fn catch() {
    // A second handler is refused, and the first does the same.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
}

/// Fails once Ctrl-C was pressed.
pub(crate) fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        bail!(Interrupted);
    }
    Ok(())
}

/// Runs `command` to its end and tells whether it succeeded.
pub(crate) fn run(mut command: Command) -> Result<bool> {
    catch();
    let name = command.get_program().display().to_string();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    Ok(wait(&mut child, Duration::from_millis(50), |_| ())?.success())
}

/// Waits for `child`, calling `look` with its process id at every `interval`.
pub(crate) fn wait(
    child: &mut Child,
    interval: Duration,
    mut look: impl FnMut(u32),
) -> Result<ExitStatus> {
    loop {
        look(child.id());
        if let Some(status) = child.try_wait().context("lost sight of a program")? {
            check()?;
            return Ok(status);
        }
        if let Err(interrupted) = check() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted);
        }
        thread::sleep(interval);
    }
}
