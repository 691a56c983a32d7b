//! Vernier: a text-to-image studio whose controls are calibrated like instruments.

mod assets;
mod failure;
mod headless;
mod logger;

use std::process::ExitCode;

fn main() -> ExitCode {
    logger::install();
    headless::run()
}
