//! Meters: what a picture shows, read back from its pixels.

mod meter;

pub use meter::{AttributeMeter, HeadSpec, MeterConfig, Reading};
