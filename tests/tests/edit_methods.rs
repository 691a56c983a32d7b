//! What holds of the ways of editing, on the embedded model.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;

use vernier_engine::device::Dtype;
use vernier_engine::picture::{Picture, read_image};
use vernier_engine::recipe::{
    Change, Edit, EditMethod, EditPart, MaskUse, ModelRef, PictureRef, Recipe, Source,
};
use vernier_engine::render::{EditReport, Flow, Renderer};

fn fixture(name: &str) -> std::path::PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/edit_figures");
    folder.join(name)
}

fn miniature() -> Renderer {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature");
    Renderer::load(&model, Dtype::F32, tch::Device::Cpu).unwrap()
}

/// Apple and cup, changed to these.
fn recipe(words: [&str; 2], steps: u32, guidance_scale: f64) -> Recipe {
    let change = |from: &str, to: &str, mask: &str| Change {
        mask: Some(MaskUse::new(PictureRef::at(&fixture(mask)))),
        ..Change::new(from, to)
    };
    Recipe {
        prompt: "an orange apple next to a white cup on a plain green background".to_owned(),
        seed: 3,
        width_px: 128,
        height_px: 128,
        steps,
        guidance_scale,
        source: Some(Source::new(PictureRef::at(&fixture("005.png")), 1.0)),
        edit: Some(Edit::new(vec![
            change("orange apple", words[0], "005-mask1.png"),
            change("white cup", words[1], "005-mask2.png"),
        ])),
        ..Recipe::new(ModelRef::embedded())
    }
}

/// What became of `recipe`, whose edit is changed by `how`.
fn made(renderer: &mut Renderer, mut recipe: Recipe, how: impl Fn(&mut Edit)) -> EditReport {
    how(recipe.edit.as_mut().unwrap());
    let rendered = renderer.render(&recipe, &mut |_| Flow::Continue).unwrap();
    rendered.edit.unwrap()
}

const SAME: [&str; 2] = ["orange apple", "white cup"];

/// Peak signal-to-noise ratio in dB.
fn psnr(a: &Picture, b: &Picture) -> f64 {
    let squares = a.rgb.iter().zip(&b.rgb).map(|(a, b)| {
        let apart = f64::from(a.abs_diff(*b));
        apart * apart
    });
    let mean = squares.sum::<f64>() / a.rgb.len() as f64;
    10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
}

#[test]
fn what_becomes_what_it_is_stays_as_it_is_at_any_guidance() {
    let mut renderer = miniature();
    let source = read_image(&fixture("005.png")).unwrap();
    for method in [EditMethod::Ale, EditMethod::PromptToPrompt] {
        let report = made(&mut renderer, recipe(SAME, 3, 3.0), |edit| {
            edit.method = method;
            // Nothing but the walk itself keeps the source.
            edit.without = vec![EditPart::Background];
        });
        let detailed = psnr(&report.drawn, &source);
        if method == EditMethod::Ale {
            assert!(detailed > 45.0, "{detailed}");
        }
        // The same as the autoencoder alone gives back.
        let plain = made(&mut renderer, recipe(SAME, 1, 1.0), |edit| {
            edit.without = vec![EditPart::Detail];
        });
        let bare = made(&mut renderer, recipe(SAME, 3, 3.0), |edit| {
            edit.method = method;
            edit.without = vec![EditPart::Background, EditPart::Detail];
        });
        let apart = psnr(&plain.drawn, &bare.drawn);
        assert!(apart > 45.0, "{method:?}: {apart}");
    }
}

#[test]
fn ddim_inversion_finds_its_way_back_better_in_more_steps() {
    let mut renderer = miniature();
    let plain = made(&mut renderer, recipe(SAME, 1, 1.0), |edit| {
        edit.without = vec![EditPart::Detail];
    });
    let mut back = |steps: u32| {
        let mut recipe = recipe(SAME, steps, 1.0);
        recipe.source.as_mut().unwrap().strength = 0.5;
        let report = made(&mut renderer, recipe, |edit| {
            edit.method = EditMethod::DdimInversion;
            edit.without = vec![EditPart::Background];
        });
        psnr(&report.drawn, &plain.drawn)
    };
    let (few, many) = (back(6), back(24));
    assert!(many > few && many > 22.0, "{few} dB, {many} dB");
}

#[test]
fn parts_keep_what_they_are_for() {
    let mut renderer = miniature();
    let words = ["green apple", "pink cup"];
    let ours = made(&mut renderer, recipe(words, 4, 3.0), |_| {});
    let bare = made(&mut renderer, recipe(words, 4, 3.0), |edit| {
        edit.without = vec![EditPart::Background];
    });
    let outside = |report: &EditReport| report.leakage.before.psnr_db.unwrap_or(99.0);
    assert!(
        outside(&ours) > outside(&bare),
        "{} {}",
        outside(&ours),
        outside(&bare)
    );
    assert_eq!(ours.leakage.after.max, 0);
    // Another prompt to be led away from is heard.
    let mut negative = recipe(words, 4, 3.0);
    negative.negative_prompt = "a red cup".to_owned();
    let led = made(&mut renderer, negative, |_| {});
    assert_ne!(led.drawn, ours.drawn);
}
