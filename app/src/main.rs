//! The program `vernier`.

use std::process::ExitCode;

fn main() -> ExitCode {
    vernier::run()
}
