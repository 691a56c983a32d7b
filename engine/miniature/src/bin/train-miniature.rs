//! Trains the embedded model stage by stage; every stage resumes where it stopped.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Parser as _;
use vernier_engine::EngineError;
use vernier_miniature::cli::Cli;
use vernier_miniature::stages;

/// What a shell reports of an interrupted program.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = match error.downcast_ref::<EngineError>() {
                Some(EngineError::Cancelled) => INTERRUPTED,
                Some(error) if error.is_usage() => 2,
                _ => 1,
            };
            eprintln!("train-miniature: {error:#}");
            ExitCode::from(code)
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        // The first Ctrl-C ends the step at hand; the second does not wait for it.
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED.into());
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stages::run(cli, stop)?)
}
