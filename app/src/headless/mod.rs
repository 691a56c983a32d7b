//! Vernier without a window.

mod adapter;
mod batch;
mod bench;
mod cli;
mod control;
mod convert;
mod edit;
mod editing;
mod highres_args;
mod info;
mod job;
mod measure;
mod merge;
mod models;
mod project;
mod pull;
mod render;
mod replay;
mod report;
mod results;
mod samples;
mod schedule_args;
mod talk;
mod text_args;
mod train;
mod upscale;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use crate::assets;
use crate::failure::{self, Failure};
use crate::studio::{self, StudioOptions};

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let outcome = match cli::Cli::parse().command {
        None if studio::has_display() => open_studio(None),
        None => samples::run(),
        Some(cli::Command::Studio(args)) => open_studio(args.open),
        Some(cli::Command::Render(args)) => render::run(&args),
        Some(cli::Command::Edit(args)) => edit::run(&args),
        Some(cli::Command::Talk(args)) => talk::run(&args),
        Some(cli::Command::Upscale(args)) => upscale::run(&args),
        Some(cli::Command::Batch(args)) => batch::run(&args),
        Some(cli::Command::Project(command)) => project::run(&command),
        Some(cli::Command::Replay(args)) => replay::run(&args),
        Some(cli::Command::Info(args)) => info::run(&args),
        Some(cli::Command::Convert(args)) => convert::run(&args),
        Some(cli::Command::Train(command)) => train::run(&command),
        Some(cli::Command::Control(command)) => control::run(&command),
        Some(cli::Command::Models(command)) => models::run(&command),
        Some(cli::Command::Adapter(command)) => adapter::run(&command),
        Some(cli::Command::Merge(command)) => merge::run(&command),
        Some(cli::Command::Calibrate(args)) => measure::calibrate(&args),
        Some(cli::Command::Measure(command)) => measure::run(&command),
        Some(cli::Command::Bench(work)) => bench::run(work),
    };
    failure::report(outcome)
}

fn open_studio(open: Option<PathBuf>) -> Result<(), Failure> {
    assets::require_embedded_model()?;
    studio::run(StudioOptions::usual(open))
}

/// Writes a line to stdout. A closed pipe, as `| head` leaves it, is no reason to stop.
fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").ok();
    stdout.flush().ok();
}
