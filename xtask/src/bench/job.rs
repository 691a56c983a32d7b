//! A whole process, from its start to its end.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::interrupt;

/// What one process has taken.
pub(super) struct Job {
    /// From before its start to after its end.
    pub(super) seconds: f64,
    /// The most memory it held; None where the system does not tell.
    pub(super) peak_bytes: Option<f64>,
}

impl Job {
    /// Runs `command` to its end, its output left out, and measures it from outside.
    pub(super) fn run(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let start = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut peak = None;
        // The peak only grows, so that the last look before the end tells it.
        let look = |id| peak = peak_bytes(id).or(peak);
        let status = interrupt::wait(&mut child, Duration::from_millis(2), look)?;
        let seconds = start.elapsed().as_secs_f64();
        ensure!(
            status.success(),
            "{name} failed ({status}; its own words are above)"
        );
        Ok(Self {
            seconds,
            peak_bytes: peak,
        })
    }
}

/// The most resident memory that the process has held so far, in bytes (Linux: VmHWM).
pub(super) fn peak_bytes(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn measures_time_and_memory_of_a_process() {
        let job = Job::run(Command::new("sleep").arg("0.2")).unwrap();
        assert!((0.2..60.0).contains(&job.seconds), "{}", job.seconds);
        assert!((1e5..1e8).contains(&job.peak_bytes.unwrap()));
        assert!(Job::run(Command::new("sh").args(["-c", "exit 2"])).is_err());
    }
}
