//! The bench of edits: many cases, by our method, by parts of it and by others, and what each
//! changes that was asked for and that was not.

mod bench;
mod cases;
mod judge;
mod table;
mod trials;

pub use bench::{EDIT_BENCH_VERSION, EditBench, EditBenchPlan, EditResult, EditWorkbench};
pub use cases::{CaseEdit, EDIT_CASES_VERSION, EditCase, EditCases};
pub use judge::{EditFigures, EditJudge};
pub use trials::EditTrial;
