//! Attribute controls: what moves one attribute of one subject, and how far it can be trusted.
//!
//! A control is one safetensors file: its tensors, and in the metadata a [`ControlInfo`] with
//! what it is for and its [`Calibration`]s. [`Control::read`] makes it ready for a U-Net. The
//! public modules read the files of other programs.

pub mod delta_file;
pub mod prompt_pairs;
pub mod slider_file;
pub mod slider_prompts;
pub mod tensor_kind;

mod att_adapter;
mod calibration;
mod control;
mod direction;
mod file;
mod gaussian;
mod in_projects;
mod info;
mod library;
mod regional;
mod slider;
mod value;
mod values;
mod yaml;

pub use att_adapter::{
    AdapterNetwork, AdapterShape, Architecture, AttAdapter, CvaeLoss, DEFAULT_WEIGHT, Recogniser,
    SiteShape, condition, prompt_with_numbers, site_shapes,
};
pub use calibration::{Calibration, ResponsePoint};
pub use control::Control;
pub use direction::{DELTA_NAMES, Direction};
pub use file::ControlFile;
pub use gaussian::DiagonalGaussian;
pub use in_projects::{adapters_to_keep, unpack_adapters};
pub use info::{CONTROL_VERSION, ControlInfo, ControlKind, MadeFor};
pub use library::{ControlLibrary, FoundControl};
pub use regional::{RegionWeights, RegionalAttention};
pub use slider::{Slider, SliderLayer};
pub use value::{ValueEncoder, ValueShape};
pub use values::{AttributeRange, AttributeValues, OutsideRange};
