//! Reading YAML files.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::{EngineError, Result};

/// Longest file, in bytes; people write them by hand.
const MAX_BYTES: u64 = 4 << 20;

/// Reads `path` as a `T`.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let about = std::fs::metadata(path).map_err(|e| EngineError::io(path, e))?;
    if about.len() > MAX_BYTES {
        let problem = format!(
            "is longer than {} MB, which no prompt file is",
            MAX_BYTES >> 20
        );
        return Err(EngineError::bad_file(path, problem));
    }
    let text = std::fs::read_to_string(path).map_err(|e| EngineError::io(path, e))?;
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(&text, options)
        .map_err(|e| EngineError::bad_file(path, e.to_string()))
}
