//! A recipe and a studio for tests.

use vernier_engine::checkpoint::MeterOptions;
use vernier_engine::controls::ControlLibrary;
use vernier_engine::device::DeviceRequest;
use vernier_engine::picture::PictureShelf;
use vernier_engine::prompt::Wildcards;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::RenderOptions;

use super::Studio;

/// A studio with `recipe` on the bench and no controls.
pub(crate) fn studio(recipe: Recipe, live: bool) -> Studio {
    let options = RenderOptions {
        device: DeviceRequest::Auto,
        embedded_model: "miniature".into(),
        controls: ControlLibrary::new(Vec::new()),
        meter: MeterOptions::default(),
        coarse_first: false,
        want_latents: false,
        preview_every: None,
        pictures: PictureShelf::default(),
        wildcards: Wildcards::default(),
    };
    Studio::new(recipe, live, options)
}

/// A small recipe with `prompt` and `seed`.
pub(crate) fn recipe(prompt: &str, seed: u64) -> Recipe {
    let json = serde_json::json!({
        "version": 1, "model": {"name": "miniature"}, "prompt": prompt, "seed": seed,
        "width_px": 8, "height_px": 8, "steps": 4, "guidance_scale": 3.0, "sampler": "ddim",
        "dtype": "f32"
    });
    serde_json::from_value(json).unwrap()
}
