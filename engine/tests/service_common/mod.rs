//! What tests of the engine thread share.

use std::path::Path;
use std::time::Duration;

use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::checkpoint::{ControlNetLibrary, MeterOptions};
use vernier_engine::controls::ControlLibrary;
use vernier_engine::device::DeviceRequest;
use vernier_engine::picture::PictureShelf;
use vernier_engine::prompt::Wildcards;
use vernier_engine::recipe::{ModelRef, Recipe};
use vernier_engine::service::RenderOptions;
use vernier_engine::upscale::UpscalerLibrary;

/// Far longer than anything here takes, even on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

/// Pictures on the CPU, with no controls and nothing beside them.
pub(crate) fn options() -> RenderOptions {
    RenderOptions {
        device: DeviceRequest::Cpu,
        embedded_model: "nowhere".into(),
        controls: ControlLibrary::default(),
        adapters: AdapterLibrary::default(),
        upscalers: UpscalerLibrary::default(),
        controlnets: ControlNetLibrary::default(),
        meter: MeterOptions::default(),
        coarse_first: false,
        want_latents: false,
        preview_every: None,
        pictures: PictureShelf::default(),
        wildcards: Wildcards::default(),
    }
}

/// A small picture of the tiny model in the folder `model`.
pub(crate) fn recipe(model: &Path) -> Recipe {
    Recipe {
        prompt: "a cat".to_owned(),
        seed: 5,
        width_px: 64,
        height_px: 64,
        steps: 3,
        guidance_scale: 4.0,
        ..Recipe::new(ModelRef::at(model))
    }
}
