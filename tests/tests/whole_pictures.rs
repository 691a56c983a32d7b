//! Whole pictures of the embedded model against Python diffusers'.
//!
//! `tests/fixtures/make_pictures.py` rendered the fixtures with
//! `StableDiffusionPipeline.from_pretrained("assets/miniature")` and
//! `torch.Generator("cpu").manual_seed(seed)`.

use std::path::Path;

use vernier_engine::device::Dtype;
use vernier_engine::picture::{Difference, difference, read_pixels};
use vernier_engine::recipe;
use vernier_engine::render::{Flow, Renderer};

/// Largest difference of one channel of one pixel, of 255.
const TOLERANCE: u8 = 2;

#[test]
fn the_miniature_renders_what_python_diffusers_renders() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = root.join("fixtures/pictures");
    let recipes = recipe::read(&fixtures.join("pictures.json")).unwrap();
    assert!(
        recipes.len() >= 4,
        "the fixture holds {} recipes",
        recipes.len()
    );
    let model = root.join("../assets/miniature");
    let mut renderer = Renderer::load(&model, Dtype::F32, tch::Device::Cpu).unwrap();
    for (number, recipe) in recipes.iter().enumerate() {
        let file = fixtures.join(format!("{:04}-{}.png", number + 1, recipe.seed));
        let expected = read_pixels(&file).unwrap();
        let rendered = renderer
            .render(recipe, &mut |_| Flow::Continue)
            .unwrap()
            .picture;
        match difference(&expected, &rendered) {
            None => {}
            Some(Difference::Pixels { max, .. }) if max <= TOLERANCE => {}
            Some(found) => panic!("\"{}\" with {}: {found}", recipe.prompt, recipe.sampler),
        }
    }
}
