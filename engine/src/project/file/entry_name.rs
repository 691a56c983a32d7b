//! Names of attachments.

use crate::project::document::PROJECT_JSON;
use crate::{EngineError, Result};

/// Most bytes of an attachment's name.
const LONGEST_NAME: usize = 240;

/// Names that every zip tool unpacks below the folder it unpacks to.
pub(super) fn check_name(name: &str) -> Result<()> {
    let is_good = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name != PROJECT_JSON
        && !name.contains(['\\', ':'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_good {
        return Ok(());
    }
    let problem = format!("{name:?} cannot name an entry; use a name such as masks/sky.png");
    Err(EngineError::request("attachment", problem))
}
