//! Meters: what a picture shows, read back from its pixels.

mod attribute_cache;
mod clip_meter;
mod clip_reader;
mod config;
#[cfg(test)]
mod fake;
mod meter;
mod pixels;
mod places;
mod prompts;
mod quantities;
mod reader;
mod report;
mod similarity;
pub mod statistics;
mod sweep;
mod sweep_file;
mod sweep_statistics;

pub use attribute_cache::AttributeCache;
pub use clip_meter::{ClipAttribute, ClipMeter, SubjectLayout};
pub use clip_reader::{ClipPreprocessing, ClipReader};
pub use config::{HeadSpec, MeterConfig};
pub use meter::{AttributeMeter, Reading};
pub use pixels::picture_tensor;
pub use prompts::{MeasuredPrompt, Targets, neutral_prompts, own_prompts};
pub use quantities::{Quantity, RankTable, TextPair, balanced, brightness, detail};
pub use reader::{Meter, Place, PlacedSubject};
pub use report::SweepReport;
pub use similarity::{SsimMap, perceptual_distance};
pub use sweep::{Render, SWEEP_VERSION, Sweep, SweepPlan, SweepReading, SweepRow, SweepSubject};
pub use sweep_statistics::SweepStatistics;
