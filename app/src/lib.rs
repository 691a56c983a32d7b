//! Vernier: a text-to-image studio whose controls are calibrated like instruments.
//!
//! The program is a client of the engine thread twice over: [`studio`] is its window, `headless`
//! its command line. Neither names a tensor.

mod assets;
mod failure;
mod headless;
mod logger;
pub mod studio;

use std::process::ExitCode;

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    logger::install();
    headless::run()
}
