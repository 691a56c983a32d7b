//! How a run ends when it does not succeed.

use std::fmt;
use std::process::ExitCode;

use vernier_engine::EngineError;

/// Why the program stops; each has its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request was at fault: 2.
    Usage(String),
    /// The work failed: 1.
    Failed(String),
    /// The artist stopped it: 130, as a shell reports an interrupt.
    Cancelled(String),
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
            Self::Cancelled(_) => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) | Self::Cancelled(text) => f.write_str(text),
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let text = error.to_string();
        match error {
            EngineError::Cancelled => Self::Cancelled(text),
            error if error.is_usage() => Self::Usage(text),
            _ => Self::Failed(text),
        }
    }
}

/// Tells the failure on stderr and gives its exit code.
pub(crate) fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("vernier: {failure}");
            ExitCode::from(failure.code())
        }
    }
}
