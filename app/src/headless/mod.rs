//! Vernier without a window.

mod batch;
mod bench;
mod cli;
mod control;
mod info;
mod job;
mod measure;
mod project;
mod render;
mod replay;
mod report;
mod results;
mod samples;
mod train;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use crate::failure;

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let outcome = match cli::Cli::parse().command {
        None => samples::run(),
        Some(cli::Command::Render(args)) => render::run(&args),
        Some(cli::Command::Batch(args)) => batch::run(&args),
        Some(cli::Command::Project(command)) => project::run(&command),
        Some(cli::Command::Replay(args)) => replay::run(&args),
        Some(cli::Command::Info(args)) => info::run(&args),
        Some(cli::Command::Train(command)) => train::run(&command),
        Some(cli::Command::Control(command)) => control::run(&command),
        Some(cli::Command::Calibrate(args)) => measure::calibrate(&args),
        Some(cli::Command::Measure(command)) => measure::run(&command),
        Some(cli::Command::Bench(work)) => bench::run(work),
    };
    failure::report(outcome)
}

/// Writes a line to stdout. A closed pipe, as `| head` leaves it, is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").ok();
    stdout.flush().ok();
}
