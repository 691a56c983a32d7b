//! A recipe and a studio for tests.

use std::sync::Arc;

use vernier_engine::adapters::AdapterLibrary;
use vernier_engine::checkpoint::{ControlNetLibrary, MeterOptions};
use vernier_engine::controls::{
    Calibration, ControlInfo, ControlKind, ControlLibrary, ResponsePoint,
};
use vernier_engine::device::DeviceRequest;
use vernier_engine::picture::{Picture, PictureShelf};
use vernier_engine::prompt::Wildcards;
use vernier_engine::recipe::Recipe;
use vernier_engine::service::RenderOptions;
use vernier_engine::upscale::UpscalerLibrary;

use super::{Made, Studio};

/// A studio with `recipe` on the bench and no controls.
pub(crate) fn studio(recipe: Recipe, live: bool) -> Studio {
    let options = RenderOptions {
        device: DeviceRequest::Auto,
        embedded_model: "miniature".into(),
        controls: ControlLibrary::new(Vec::new()),
        adapters: AdapterLibrary::default(),
        upscalers: UpscalerLibrary::default(),
        controlnets: ControlNetLibrary::default(),
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

/// A picture in one grey.
pub(crate) fn picture(width_px: u32, height_px: u32, grey: u8) -> Picture {
    Picture {
        width_px,
        height_px,
        rgb: vec![grey; (width_px * height_px * 3) as usize],
    }
}

/// What was made of `recipe`: one pixel.
pub(crate) fn made(recipe: Recipe) -> Made {
    Made {
        picture: Arc::new(picture(1, 1, 0)),
        recipe: Arc::new(recipe),
        secs: 0.1,
        edit: None,
    }
}

/// A control for `subjects` that is reliable from -2 to 2.
pub(crate) fn calibrated(name: &str, subjects: &[&str]) -> ControlInfo {
    let mut info = ControlInfo::new(name, ControlKind::Direction, vec![name.to_owned()]);
    info.subjects = subjects.iter().map(|s| (*s).to_owned()).collect();
    let point = |raw: f64| ResponsePoint {
        raw,
        mean: 0.5 + raw / 4.0,
        std: 0.1,
    };
    let calibration = Calibration {
        model_hash: String::new(),
        meter: "a meter".to_owned(),
        raw_low: -2.0,
        raw_high: 2.0,
        neutral_raw: 0.0,
        response: [-2.0, 0.0, 2.0].map(point).to_vec(),
        spearman: 1.0,
        r_squared: 1.0,
        spread: 0.1,
        side_effects: std::collections::BTreeMap::new(),
        other_subject: None,
        prompts: 1,
        seeds: 1,
    };
    info.calibrations.insert(name.to_owned(), calibration);
    info
}
