//! Controls that look at pictures, on the embedded model and its meter.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};

use tch::{Device, Tensor};
use vernier_engine::controls::{ControlFile, ControlInfo, ControlKind, ControlLibrary};
use vernier_engine::device::Dtype;
use vernier_engine::measure::picture_tensor;
use vernier_engine::recipe::{ModelRef, Recipe};
use vernier_engine::render::{Flow, Rendered, Renderer};

fn miniature() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature")
}

fn studio(folder: &Path) -> Renderer {
    let attributes = ["brightness", "smile"].map(str::to_owned).to_vec();
    let info = ControlInfo::new("meter", ControlKind::Guidance, attributes);
    let empty: [(String, Tensor); 0] = [];
    ControlFile::save(&folder.join("meter.safetensors"), &info, &empty).unwrap();
    let mut renderer = Renderer::load(&miniature(), Dtype::F32, Device::Cpu).unwrap();
    renderer.set_library(ControlLibrary::new(vec![folder.to_owned()]));
    renderer
}

fn recipe(controls: &[&str]) -> Recipe {
    Recipe {
        prompt: "a man with brown hair next to a woman with black hair".to_owned(),
        seed: 11,
        width_px: 128,
        height_px: 128,
        steps: 8,
        guidance_scale: 3.0,
        controls: controls.iter().map(|c| c.parse().unwrap()).collect(),
        ..Recipe::new(ModelRef::embedded())
    }
}

fn render(renderer: &mut Renderer, controls: &[&str]) -> Rendered {
    renderer
        .render(&recipe(controls), &mut |_| Flow::Continue)
        .unwrap()
}

fn brightness(renderer: &mut Renderer, rendered: &Rendered) -> f64 {
    let pixels = picture_tensor(&[&rendered.picture]).unwrap();
    let meter = renderer.meter().unwrap();
    meter.read(&pixels, "brightness", None).unwrap()[0]
}

#[test]
fn a_meter_pushes_a_picture_towards_a_reading_from_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let mut renderer = studio(folder.path());
    let plain = render(&mut renderer, &[]);
    let plain = brightness(&mut renderer, &plain);
    let [low, high] = ["meter/brightness~0.2", "meter/brightness~0.9"].map(|control| {
        let rendered = render(&mut renderer, &[control]);
        brightness(&mut renderer, &rendered)
    });
    assert!(
        low < plain - 0.05 && plain + 0.05 < high,
        "{low} {plain} {high}"
    );
}

#[test]
fn a_closed_loop_reads_what_was_asked_and_its_recipe_is_not_searched_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut renderer = studio(folder.path());
    let rendered = render(&mut renderer, &["meter/brightness:=0.65"]);
    let reading = brightness(&mut renderer, &rendered);
    assert!(
        (reading - 0.65).abs() <= 0.05,
        "{reading}: {:?}",
        rendered.notes
    );
    assert!(rendered.recipe.controls[0].resolved.is_some());
    let mut calls = 0;
    let again = renderer
        .render(&rendered.recipe, &mut |_| {
            calls += 1;
            Flow::Continue
        })
        .unwrap();
    assert_eq!(again.picture, rendered.picture);
    assert_eq!(calls, 9);
}
