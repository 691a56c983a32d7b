//! Meters: what a picture shows, read back from its pixels.

mod attribute_cache;
mod calibrate;
mod clip_meter;
mod clip_reader;
mod config;
mod edits;
#[cfg(test)]
mod fake;
mod interference;
mod joint;
mod leakage;
mod meter;
mod pixels;
mod places;
mod prompts;
mod quantities;
mod reader;
mod reliable;
mod report;
mod similarity;
pub mod statistics;
mod sweep;
mod sweep_file;
mod sweep_statistics;

pub use attribute_cache::AttributeCache;
pub use calibrate::{Calibrated, CalibrationPlan};
pub use clip_meter::{ClipAttribute, ClipMeter, SubjectLayout};
pub use clip_reader::{ClipPreprocessing, ClipReader};
pub use config::{HeadSpec, MeterConfig};
pub use edits::{
    CaseEdit, EDIT_BENCH_VERSION, EDIT_CASES_VERSION, EditBench, EditBenchPlan, EditCase,
    EditCases, EditFigures, EditJudge, EditResult, EditTrial, EditWorkbench,
};
pub use interference::{Interfered, Interference, InterferencePlan, JointSettings, Stacked};
pub use joint::{Found, JointSearch};
pub use leakage::{Leakage, OutsideChange};
pub use meter::{AttributeMeter, Reading};
pub use pixels::picture_tensor;
pub use prompts::{MeasuredPrompt, Targets, neutral_prompts, own_prompts};
pub use quantities::{Quantity, RankTable, TextPair, balanced, brightness, detail};
pub use reader::{Meter, Place, PlacedSubject};
pub use reliable::{RangeEnd, ReliableRange, SoundnessLimits};
pub use report::{EditPage, SweepReport, write_page};
pub use similarity::{SsimMap, perceptual_distance};
pub use sweep::{
    SWEEP_VERSION, Seen, Sweep, SweepPlan, SweepReading, SweepRow, SweepSubject, Workbench,
};
pub use sweep_statistics::SweepStatistics;
