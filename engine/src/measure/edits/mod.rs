//! The bench of edits: many cases, by our method, by parts of it and by others, and what each
//! changes that was asked for and that was not.

mod cases;

pub use cases::{CaseEdit, EDIT_CASES_VERSION, EditCase, EditCases};
