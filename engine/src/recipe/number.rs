//! Numbers on the command line.

use crate::{EngineError, Result};

/// The number that `word` is; `field` asks for it.
///
/// # Errors
/// [`EngineError::Request`] for `field`: it is none.
pub(super) fn number(field: &str, word: &str) -> Result<f64> {
    let word = word.trim();
    word.parse()
        .map_err(|_| EngineError::request(field, format!("\"{word}\" is not a number")))
}
