//! Meters: what a picture shows, read back from its pixels.

mod config;
mod meter;

pub use config::{HeadSpec, MeterConfig};
pub use meter::{AttributeMeter, Reading};
