//! Whole pictures of every family against Python diffusers, on tiny models.
//!
//! `tests/fixtures/make_tiny.py` rendered the fixtures with `StableDiffusionPipeline`,
//! `StableDiffusionXLPipeline` and their pipelines for inpainting.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;
use vernier_engine::device::Dtype;
use vernier_engine::picture::{Picture, read_pixels};
use vernier_engine::recipe::{self, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_tests::{fixtures, write_tiny_models};

/// Largest difference of one channel of one pixel, of 255.
const TOLERANCE: u8 = 2;

/// Written once, before any picture is rendered.
static MODELS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_tiny_models(folder.path()).unwrap();
    folder
});

fn model(name: &str) -> PathBuf {
    MODELS.path().join(name)
}

fn recipes() -> Vec<Recipe> {
    recipe::read(&fixtures().join("tiny/pictures.json")).unwrap()
}

fn load(path: &Path) -> Renderer {
    Renderer::load(path, Dtype::F32, tch::Device::Cpu).unwrap()
}

fn render(renderer: &mut Renderer, recipe: &Recipe) -> Picture {
    let rendered = renderer.render(recipe, &mut |_| Flow::Continue);
    rendered.unwrap().picture
}

fn largest_difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width_px, a.height_px), (b.width_px, b.height_px));
    let apart = a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b));
    apart.max().unwrap()
}

#[test]
fn every_family_makes_the_pictures_that_python_diffusers_makes() {
    let mut seen = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for (number, recipe) in recipes().iter().enumerate() {
        let name = &recipe.model.name;
        seen.insert(name.clone());
        let file = format!("tiny/{:04}-{}.png", number + 1, recipe.seed);
        let expected = read_pixels(&fixtures().join(file)).unwrap();
        let made = render(&mut load(&model(name)), recipe);
        // Outside of a mask we keep the source, where the pipelines for inpainting repaint it.
        let masked = recipe.source.is_some();
        let inside = |i: usize| {
            let (x, y) = (i / 3 % 96, i / 3 / 96);
            !masked || ((16..72).contains(&x) && (8..48).contains(&y))
        };
        let pairs = made.rgb.iter().zip(&expected.rgb).enumerate();
        let apart = pairs
            .filter(|(i, _)| inside(*i))
            .map(|(_, (a, b))| a.abs_diff(*b));
        let apart = apart.max().unwrap();
        if apart > TOLERANCE {
            wrong.push(format!(
                "{name}, picture {}: {apart} of 255 apart",
                number + 1
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(seen.len(), vernier_tests::TINY_MODELS.len());
}

#[test]
fn xl_hears_its_sizes_and_no_words_are_zeros() {
    let mut renderer = load(&model("sdxl"));
    let mut recipe = recipes()[2].clone();
    assert_eq!(recipe.negative_prompt, "");
    let plain = render(&mut renderer, &recipe);
    // The same number of pixels the other way round is another conditioning, not only a turn.
    (recipe.width_px, recipe.height_px) = (64, 96);
    let turned = render(&mut renderer, &recipe);
    (recipe.width_px, recipe.height_px) = (96, 64);
    assert_eq!(render(&mut renderer, &recipe), plain);
    assert_eq!((turned.width_px, turned.height_px), (64, 96));
    // A space is a text; nothing is none.
    recipe.negative_prompt = " ".to_owned();
    let spoken = render(&mut renderer, &recipe);
    assert!(largest_difference(&spoken, &plain) > TOLERANCE);
}
