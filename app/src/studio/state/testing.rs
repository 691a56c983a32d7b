//! A recipe for tests.

use vernier_engine::recipe::Recipe;

/// A small recipe with `prompt` and `seed`.
pub(crate) fn recipe(prompt: &str, seed: u64) -> Recipe {
    let json = serde_json::json!({
        "version": 1, "model": {"name": "miniature"}, "prompt": prompt, "seed": seed,
        "width_px": 8, "height_px": 8, "steps": 4, "guidance_scale": 3.0, "sampler": "ddim",
        "dtype": "f32"
    });
    serde_json::from_value(json).unwrap()
}
