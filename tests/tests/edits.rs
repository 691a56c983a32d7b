//! Image to image and inpainting with the embedded model against Python diffusers.
//!
//! `tests/fixtures/make_edits.py` rendered the fixtures with `StableDiffusionImg2ImgPipeline` and
//! `StableDiffusionInpaintPipeline`.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;

use vernier_engine::device::Dtype;
use vernier_engine::picture::{Mask, Picture, read_image, read_pixels};
use vernier_engine::recipe::{self, MaskUse, Recipe, Region};
use vernier_engine::render::{Flow, Rendered, Renderer};

/// Largest difference of one channel of one pixel, of 255.
const TOLERANCE: u8 = 2;

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/edits")
}

fn miniature() -> Renderer {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature");
    Renderer::load(&model, Dtype::F32, tch::Device::Cpu).unwrap()
}

fn edits() -> Vec<Recipe> {
    recipe::read(&fixtures().join("edits.json")).unwrap()
}

/// The picture, and how many calls it took.
fn render(renderer: &mut Renderer, recipe: &Recipe) -> (Rendered, usize) {
    let mut calls = 0;
    let rendered = renderer.render(recipe, &mut |ahead| {
        calls = ahead.done;
        Flow::Continue
    });
    (rendered.unwrap(), calls)
}

fn pixels(picture: &Picture) -> impl Iterator<Item = &[u8]> {
    picture.rgb.chunks_exact(3)
}

#[test]
fn the_miniature_edits_as_python_diffusers_does_and_leaves_the_rest_alone() {
    let mut renderer = miniature();
    let recipes = edits();
    let masked = recipes.iter().filter(|r| {
        let source = r.source.as_ref().unwrap();
        source.mask.is_some()
    });
    assert!(masked.count() >= 3 && recipes.len() >= 7);
    for (number, recipe) in recipes.iter().enumerate() {
        let file = fixtures().join(format!("{:04}-{}.png", number + 1, recipe.seed));
        let expected = read_pixels(&file).unwrap();
        let (rendered, calls) = render(&mut renderer, recipe);
        let source = recipe.source.as_ref().unwrap();
        assert_eq!(calls, source.walked_steps(recipe.steps) as usize);
        let what = format!("\"{}\" with {}", recipe.prompt, recipe.sampler);
        let from = read_image(Path::new(source.picture.path.as_ref().unwrap())).unwrap();
        let free = match &source.mask {
            None => Mask::filled(from.width_px, from.height_px, 255),
            Some(mask) => {
                let path = mask.picture.path.as_ref().unwrap();
                Mask::from_picture(&read_image(Path::new(path)).unwrap())
            }
        };
        let made = pixels(&rendered.picture).zip(pixels(&expected));
        let mut changed = false;
        for ((made, expected), (old, free)) in
            made.zip(pixels(&from).zip(free.coverage().iter().copied()))
        {
            if free == 0 {
                assert_eq!(made, old, "{what}: a pixel outside of the mask");
            } else {
                changed |= made != old;
                let apart = made.iter().zip(expected).map(|(a, b)| a.abs_diff(*b));
                let apart = apart.max().unwrap();
                assert!(apart <= TOLERANCE, "{what}: {apart} of 255 apart");
            }
        }
        assert!(changed, "{what}: nothing has changed");
        // What the picture carries is enough to make it again.
        assert!(
            rendered
                .recipe
                .pictures()
                .iter()
                .all(|p| p.hash.len() == 64)
        );
        assert!(recipe.asks_for(&rendered.recipe));
        if number == 0 {
            let (again, _) = render(&mut renderer, &rendered.recipe);
            assert_eq!(again.picture, rendered.picture);
        }
    }
}

fn largest_difference(a: &Picture, b: &Picture) -> u8 {
    let apart = a.rgb.iter().zip(&b.rgb).map(|(a, b)| a.abs_diff(*b));
    apart.max().unwrap()
}

#[test]
fn regions_are_words_for_their_part_and_nothing_where_they_are_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mask = |name: &str, value: [u8; 2]| {
        let path = folder.path().join(name);
        let image =
            image::GrayImage::from_fn(128, 128, |x, _| image::Luma([value[usize::from(x >= 64)]]));
        image.save(&path).unwrap();
        MaskUse::new(recipe::PictureRef::at(&path))
    };
    let (all, none) = (mask("all.png", [255, 255]), mask("none.png", [0, 0]));
    let (left, right) = (mask("left.png", [255, 0]), mask("right.png", [0, 255]));
    let mut renderer = miniature();
    let mut plain = edits()[1].clone();
    (plain.source, plain.steps, plain.sampler) = (None, 8, "ddim".to_owned());
    let with = |regions: Vec<Region>| Recipe {
        regions,
        ..plain.clone()
    };
    let (base, _) = render(&mut renderer, &plain);
    let silent = Region {
        weight: 0.0,
        ..Region::new("a red car", all.clone())
    };
    let (nothing, _) = render(
        &mut renderer,
        &with(vec![silent, Region::new("a red car", none)]),
    );
    assert_eq!(nothing.picture, base.picture);
    assert!(nothing.notes.iter().any(|n| n.contains("region 2")));

    // A region over everything is the prompt.
    let mut car = plain.clone();
    car.prompt = "a red car in a city".to_owned();
    let (expected, _) = render(&mut renderer, &car);
    let everywhere = with(vec![Region::new(car.prompt.clone(), all.clone())]);
    let (everywhere, _) = render(&mut renderer, &everywhere);
    assert!(largest_difference(&everywhere.picture, &expected.picture) <= TOLERANCE);
    // Two of them share it: the same words twice are the same words.
    let twice = Region::new(car.prompt.clone(), all);
    let (twice, _) = render(&mut renderer, &with(vec![twice.clone(), twice]));
    assert!(largest_difference(&twice.picture, &expected.picture) <= TOLERANCE);

    // Their order says nothing.
    let halves = [
        Region::new("a red car", left),
        Region::new("a white dog", right),
    ];
    let [a, b] = halves.clone();
    let (forth, _) = render(&mut renderer, &with(vec![a, b]));
    let [a, b] = halves;
    let (back, _) = render(&mut renderer, &with(vec![b, a]));
    assert!(largest_difference(&forth.picture, &back.picture) <= TOLERANCE);
    assert!(largest_difference(&forth.picture, &base.picture) > 20);
}

#[test]
fn the_part_around_the_mask_is_put_back_without_a_trace() {
    let mut renderer = miniature();
    let mut recipe = edits()[4].clone();
    recipe.steps = 6;
    let (whole, _) = render(&mut renderer, &recipe);
    let source = recipe.source.as_mut().unwrap();
    (source.only_masked, source.mask.as_mut().unwrap().feather_px) = (Some(4), 3.0);
    let from = read_image(Path::new(source.picture.path.as_ref().unwrap())).unwrap();
    let (part, _) = render(&mut renderer, &recipe);
    assert_ne!(part.picture, whole.picture);
    // Row 4 is far above the mask, row 56 goes through its middle.
    let row = |picture: &Picture, y: usize| picture.rgb[y * 3 * 128..(y + 1) * 3 * 128].to_vec();
    assert_eq!(row(&part.picture, 4), row(&from, 4));
    assert_ne!(row(&part.picture, 56), row(&from, 56));
}

#[test]
fn a_control_begins_at_its_own_noise_level_and_shared_work_changes_nothing() {
    let mut renderer = miniature();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let controls = root.join("../assets/controls");
    renderer.set_library(vernier_engine::controls::ControlLibrary::new(vec![
        controls,
    ]));
    for (sampler, masked) in [("ddim", true), ("dpmpp_2m", false), ("euler_a", true)] {
        let mut recipe = edits()[if masked { 4 } else { 0 }].clone();
        recipe.prompt = "a smiling old man on a beach".to_owned();
        (recipe.steps, recipe.sampler) = (10, sampler.to_owned());
        let with = |value: &str| {
            let mut recipe = recipe.clone();
            let control = format!("age@man~{value},start=0.6");
            recipe.controls = vec![control.parse().unwrap()];
            recipe
        };
        // The second picture goes on from where the control begins.
        let (first, all) = render(&mut renderer, &with("2"));
        let mut calls = 0;
        let shared = renderer.render(&with("-2"), &mut |ahead| {
            calls += usize::from(ahead.done < ahead.steps);
            Flow::Continue
        });
        let shared = shared.unwrap();
        assert!(calls < all, "{sampler}: {calls} of {all}");
        let mut fresh = miniature();
        let controls = root.join("../assets/controls");
        fresh.set_library(vernier_engine::controls::ControlLibrary::new(vec![
            controls,
        ]));
        let (fresh, _) = render(&mut fresh, &with("-2"));
        assert_eq!(shared.picture, fresh.picture, "{sampler}");
        assert_ne!(shared.picture, first.picture, "{sampler}");
        assert_eq!(first.recipe.controls.len(), 1);
    }
}
