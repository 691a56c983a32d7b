//! Vernier without a window.

mod cli;
mod info;
mod job;
mod render;
mod replay;
mod report;
mod samples;

use std::process::ExitCode;

use clap::Parser as _;

use crate::failure;

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let outcome = match cli::Cli::parse().command {
        None => samples::run(),
        Some(cli::Command::Render(args)) => render::run(&args),
        Some(cli::Command::Replay(args)) => replay::run(&args),
        Some(cli::Command::Info(args)) => info::run(&args),
    };
    failure::report(outcome)
}
