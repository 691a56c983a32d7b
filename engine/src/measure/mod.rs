//! Meters: what a picture shows, read back from its pixels.

mod clip_reader;
mod config;
mod meter;
mod pixels;
mod places;
mod quantities;
mod reader;
pub mod statistics;

pub use clip_reader::{ClipPreprocessing, ClipReader};
pub use config::{HeadSpec, MeterConfig};
pub use meter::{AttributeMeter, Reading};
pub use pixels::picture_tensor;
pub use quantities::{Quantity, RankTable, TextPair, balanced, brightness, detail};
pub use reader::{Meter, Place, PlacedSubject};
