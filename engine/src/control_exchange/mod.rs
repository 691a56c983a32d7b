//! Controls that come from other programs, and controls for them.

mod export;
mod import;

pub use export::{ExportFormat, export_control};
pub use import::{ImportRequest, Imported, import_control};
