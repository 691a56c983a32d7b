//! Meters: what a picture shows, read back from its pixels.

mod config;
mod meter;
mod places;
mod reader;

pub use config::{HeadSpec, MeterConfig};
pub use meter::{AttributeMeter, Reading};
pub use reader::{Meter, Place, PlacedSubject};
