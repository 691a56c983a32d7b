//! A program that stays warm and runs its work once for each line it is sent.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};
use serde_json::Value;

use super::job::peak_bytes;
use crate::interrupt;

/// One side of a measurement. It idles until [`Worker::turn`], and ends when dropped.
pub(super) struct Worker {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts the program and waits until it has loaded its model: its line `{"ready": true}`.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("the program has no output")?);
        let mut worker = Self {
            name,
            child,
            orders,
            answers,
        };
        worker.answer("ready")?;
        Ok(worker)
    }

    /// Lets it work once. Returns the seconds it took by its own clock.
    pub(super) fn turn(&mut self) -> Result<f64> {
        // If it has ended, the missing answer says so better than a broken pipe.
        let _ = self.orders.as_mut().map(|orders| orders.write_all(b"go\n"));
        let answer = self.answer("seconds")?;
        answer
            .as_f64()
            .with_context(|| format!("{} gave {answer} for seconds", self.name))
    }

    /// The most memory it has held so far, in bytes; None where the system does not tell.
    pub(super) fn peak_bytes(&self) -> Option<f64> {
        peak_bytes(self.child.id())
    }

    /// Reads lines up to the JSON object that has `key`; whatever else a library prints is not ours.
    fn answer(&mut self, key: &str) -> Result<Value> {
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line);
            interrupt::check()?;
            let read = read.with_context(|| format!("cannot read from {}", self.name))?;
            anyhow::ensure!(
                read > 0,
                "{} ended early (its own words are above)",
                self.name
            );
            let value = serde_json::from_str::<Value>(&line).unwrap_or_default();
            if let Some(answer) = value.get(key) {
                return Ok(answer.clone());
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its input asks it to leave; after an error it may not be listening.
        self.orders = None;
        if std::thread::panicking() || interrupt::check().is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Worker> {
        Worker::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn works_once_for_each_line() {
        let mut worker = shell(
            "echo a library greets; echo '{\"ready\": true}'; n=0
             while read line; do n=$((n+1)); echo \"{\\\"seconds\\\": $n.5}\"; done",
        )
        .unwrap();
        assert!((worker.turn().unwrap() - 1.5).abs() < 1e-9);
        assert!((worker.turn().unwrap() - 2.5).abs() < 1e-9);
        if cfg!(target_os = "linux") {
            assert!(worker.peak_bytes().unwrap() > 1e5);
        }
    }

    #[test]
    fn says_which_program_ended_early() {
        let error = shell("exit 3").map(drop).unwrap_err().to_string();
        assert!(error.starts_with("sh ended early"), "{error}");
        let mut worker = shell("echo '{\"ready\": true}'; read line").unwrap();
        assert!(worker.turn().is_err());
    }
}
