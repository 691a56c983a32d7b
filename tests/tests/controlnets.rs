//! ControlNets against Python diffusers, on tiny models.
//!
//! `tests/fixtures/make_controlnets.py` made the fixtures with `ControlNetModel` and its pipelines.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};
use tempfile::TempDir;
use vernier_engine::checkpoint::{ControlNetFile, network_config};
use vernier_engine::device::Dtype;
use vernier_engine::models::controlnet::ControlNet;
use vernier_engine::models::unet::{AddedConditions, UNetConfig};
use vernier_engine::picture::{Picture, read_pixels};
use vernier_engine::recipe::{self, Edit, Highres, Preprocessor, Recipe};
use vernier_engine::render::{Flow, Rendered, Renderer};
use vernier_engine::weights::{SafetensorsFile, save};
use vernier_tests::{
    TINY_CONTROLNETS, fixtures, noise_tensor, write_tiny_controlnets, write_tiny_models,
};

/// Largest difference of one channel of one pixel, of 255.
const TOLERANCE: u8 = 2;
/// Largest difference of a residual; they are around 1.
const CLOSE: f64 = 1e-4;

/// Written once, before any picture is rendered.
static PLACE: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    write_tiny_models(folder.path()).unwrap();
    write_tiny_controlnets(folder.path()).unwrap();
    folder
});

fn at(name: &str) -> PathBuf {
    PLACE.path().join(name)
}

fn unet_of(net: &str) -> UNetConfig {
    let model = match net {
        "edges2" => "sd2",
        "edgesxl" | "smallxl" => "sdxl",
        _ => "sd1",
    };
    network_config(&at(model).join("unet")).unwrap()
}

fn load(path: &Path, unet: &UNetConfig) -> vernier_engine::Result<ControlNet> {
    let file = ControlNetFile::open(path)?;
    let nets = file.load(unet, (Kind::Float, Device::Cpu), 1, |_| Ok(()))?;
    Ok(nets.into_iter().next().unwrap())
}

/// How far the residuals of `net` are from those that Python diffusers has for `name`.
fn apart(net: &ControlNet, name: &str) -> f64 {
    let file =
        SafetensorsFile::open(&fixtures().join("controlnets/residuals.safetensors")).unwrap();
    let expected = |place: &str| {
        let name = format!("{name}.{place}");
        let tensor = file.tensor(&name, Kind::Float, Device::Cpu).unwrap();
        tensor.unwrap_or_else(|| panic!("no {name}"))
    };
    let width = net.config().encoder.cross_attention_dim.get(0).unwrap();
    let text = net
        .text_context(&noise_tensor("text", &[1, 7, width]))
        .unwrap();
    let added = AddedConditions {
        pooled: Some(noise_tensor("pooled", &[1, 128])),
        time_ids: Some(Tensor::from_slice(&[64_f32, 96.0, 0.0, 0.0, 64.0, 96.0]).view([1, 6])),
        timestep_cond: None,
    };
    let picture = (noise_tensor("picture", &[1, 3, 32, 48]) + 1) / 2;
    let hint = net.hint(&picture).unwrap();
    let latents = noise_tensor("latents", &[1, 4, 4, 6]);
    let timesteps = Tensor::from_slice(&[401_f32]);
    let found = net
        .forward(&latents, &timesteps, &text, Some(&added), &hint, 0.75)
        .unwrap();
    let down = found.down.iter().enumerate();
    let mut pairs: Vec<(&Tensor, Tensor)> = down
        .map(|(i, own)| (own, expected(&format!("down.{i}"))))
        .collect();
    pairs.push((&found.middle, expected("middle")));
    let largest = pairs.iter().map(|(own, expected)| {
        assert_eq!(own.size(), expected.size(), "{name}");
        (*own - expected).abs().max().double_value(&[])
    });
    largest.fold(0.0, f64::max)
}

#[test]
fn every_controlnet_gives_the_residuals_that_python_diffusers_gives() {
    let _guard = tch::no_grad_guard();
    for name in TINY_CONTROLNETS {
        let net = load(&at(name), &unet_of(name)).unwrap();
        let apart = apart(&net, name);
        assert!(apart < CLOSE, "{name}: {apart}");
    }
}

fn recipes() -> Vec<Recipe> {
    let mut recipes = recipe::read(&fixtures().join("controlnets/pictures.json")).unwrap();
    for used in recipes.iter_mut().flat_map(|r| &mut r.controlnets) {
        used.path = Some(at(&used.name).to_string_lossy().into_owned());
    }
    recipes
}

fn renderer(model: &str) -> Renderer {
    Renderer::load(&at(model), Dtype::F32, Device::Cpu).unwrap()
}

fn rendered(renderer: &mut Renderer, recipe: &Recipe) -> Rendered {
    renderer.render(recipe, &mut |_| Flow::Continue).unwrap()
}

fn render(renderer: &mut Renderer, recipe: &Recipe) -> Picture {
    rendered(renderer, recipe).picture
}

fn refusal(renderer: &mut Renderer, recipe: &Recipe) -> String {
    let refused = renderer.render(recipe, &mut |_| Flow::Continue);
    refused.err().unwrap().to_string()
}

/// The largest difference within the mask of the fixtures, where there is one.
fn largest_difference(a: &Picture, b: &Picture, masked: bool) -> u8 {
    assert_eq!((a.width_px, a.height_px), (b.width_px, b.height_px));
    let inside = |i: usize| {
        let (x, y) = (i / 3 % 96, i / 3 / 96);
        !masked || ((16..72).contains(&x) && (8..48).contains(&y))
    };
    let pairs = a.rgb.iter().zip(&b.rgb).enumerate();
    let pairs = pairs.filter(|(i, _)| inside(*i));
    pairs.map(|(_, (a, b))| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn pictures_are_those_that_python_diffusers_makes() {
    let mut wrong = Vec::new();
    for (number, recipe) in recipes().iter().enumerate() {
        let file = format!("controlnets/{:04}-{}.png", number + 1, recipe.seed);
        let expected = read_pixels(&fixtures().join(file)).unwrap();
        let mut renderer = renderer(&recipe.model.name);
        let masked = recipe.source.as_ref().is_some_and(|s| s.mask.is_some());
        let made = rendered(&mut renderer, recipe);
        let apart = largest_difference(&made.picture, &expected, masked);
        let mut plain = recipe.clone();
        plain.controlnets.clear();
        let without = largest_difference(&render(&mut renderer, &plain), &expected, masked);
        println!(
            "picture {}: {apart} of 255 apart, {without} without",
            number + 1
        );
        if apart > TOLERANCE || without < 20 {
            wrong.push(format!(
                "picture {}: {apart}, {without} without",
                number + 1
            ));
        }
        assert!(
            made.recipe
                .controlnets
                .iter()
                .all(|used| used.hash.len() == 64)
        );
        assert!(recipe.asks_for(&made.recipe));
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn one_thread_and_several_make_the_same_picture() {
    let recipe = &recipes()[1];
    let before = tch::get_num_threads();
    let made = [1, 2].map(|threads| {
        tch::set_num_threads(threads);
        render(&mut renderer("sd1"), recipe)
    });
    tch::set_num_threads(before);
    assert!(largest_difference(&made[0], &made[1], false) <= 1);
}

#[test]
fn the_way_up_to_a_later_start_is_walked_once() {
    let mut recipe = recipes()[0].clone();
    recipe.controlnets[0].start = 0.6;
    let mut renderer = renderer("sd1");
    let calls = |renderer: &mut Renderer, recipe: &Recipe| {
        let mut calls = 0;
        let made = renderer.render(recipe, &mut |_| {
            calls += 1;
            Flow::Continue
        });
        (calls, made.unwrap().picture)
    };
    let (all, first) = calls(&mut renderer, &recipe);
    recipe.controlnets[0].weight = 0.3;
    let (rest, second) = calls(&mut renderer, &recipe);
    // Each picture asks once more before it is decoded.
    assert_eq!((all, rest), (6, 3));
    assert!(largest_difference(&first, &second, false) > TOLERANCE);
    assert_eq!(second, render(&mut self::renderer("sd1"), &recipe));
    // Another picture to follow, or another map of it, is another way.
    recipe.controlnets[0].weight = 1.0;
    recipe.controlnets[0].preprocessor = Preprocessor::Invert;
    let (_, inverted) = calls(&mut renderer, &recipe);
    assert!(largest_difference(&first, &inverted, false) > TOLERANCE);
    recipe.controlnets[0].weight = 0.0;
    let (_, idle) = calls(&mut renderer, &recipe);
    recipe.controlnets.clear();
    assert_eq!(idle, render(&mut renderer, &recipe));
}

#[test]
fn a_second_pass_follows_the_map_at_its_own_size() {
    let mut recipe = recipes()[0].clone();
    recipe.highres = Some(Highres {
        factor: 1.5,
        ..Highres::default()
    });
    let mut renderer = renderer("sd1");
    let both = render(&mut renderer, &recipe);
    assert_eq!((both.width_px, both.height_px), (144, 96));
    recipe.controlnets.clear();
    let plain = render(&mut renderer, &recipe);
    assert!(largest_difference(&both, &plain, false) > TOLERANCE);
}

#[test]
fn a_hole_is_no_black() {
    let mut recipe = recipes()[7].clone();
    let mut renderer = renderer("sd1_inpainting");
    let pictures = [Preprocessor::None, Preprocessor::Inpaint].map(|preprocessor| {
        recipe.controlnets[0].preprocessor = preprocessor;
        render(&mut renderer, &recipe)
    });
    assert!(largest_difference(&pictures[0], &pictures[1], true) > TOLERANCE);
    recipe.source = None;
    assert!(refusal(&mut renderer, &recipe).contains("there is no mask"));
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let all = recipes();
    let mut recipe = all[0].clone();
    let mut of_xl = recipe.clone();
    of_xl.controlnets = all[9].controlnets.clone();
    let said = refusal(&mut renderer("sd1"), &of_xl);
    assert!(
        said.contains("edgesxl")
            && said.contains("is a ControlNet for")
            && said.contains("not for"),
        "{said}"
    );
    recipe.controlnets[0].path = None;
    let said = refusal(&mut renderer("sd1"), &recipe);
    assert!(said.starts_with("controlnet \"edges\": "), "{said}");
    let mut edit = all[6].clone();
    edit.edit = Some(Edit::new(Vec::new()));
    let said = refusal(&mut renderer("sd1"), &edit);
    assert!(
        said.contains("an edit follows its source and no ControlNet"),
        "{said}"
    );
}

/// The tensors of a tiny ControlNet by the names of Python diffusers.
fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    let path = at(name).join("diffusion_pytorch_model.safetensors");
    let file = SafetensorsFile::open(&path).unwrap();
    let read = |name: &String| {
        let tensor = file.tensor(name, Kind::Float, Device::Cpu).unwrap();
        (name.clone(), tensor.unwrap())
    };
    file.entries().keys().map(read).collect()
}

fn write(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) {
    save(path, &tensors.into_iter().collect::<Vec<_>>(), &[]).unwrap();
}

#[test]
fn single_files_in_either_dialect_give_the_same_residuals() {
    let _guard = tch::no_grad_guard();
    let place = tempfile::tempdir().unwrap();
    let names = std::fs::read_to_string(fixtures().join("controlnets/original_names.json"));
    let names: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&names.unwrap()).unwrap();
    assert_eq!(names.len(), 3);
    for (name, names) in &names {
        let unet = unet_of(name);
        for prefix in ["", "control_model.", "state_dict."] {
            let path = place
                .path()
                .join(format!("{name}{}.safetensors", prefix.len()));
            let renamed = tensors(name).into_iter();
            let mut all: Vec<_> = renamed
                .map(|(ours, tensor)| (format!("{prefix}{}", names[&ours]), tensor))
                .collect();
            if prefix == "control_model." {
                // As the first ones came: with the model around them.
                for beside in ["model.diffusion_model.out.2.bias", "betas"] {
                    all.push((beside.to_owned(), Tensor::from_slice(&[0_f32])));
                }
            }
            write(&path, all);
            let apart = apart(&load(&path, &unet).unwrap(), name);
            assert!(apart < CLOSE, "{name} {prefix}: {apart}");
        }
    }
    for name in ["edges", "smallxl"] {
        let path = place.path().join(format!("{name}.safetensors"));
        write(&path, tensors(name));
        let apart = apart(&load(&path, &unet_of(name)).unwrap(), name);
        assert!(apart < CLOSE, "{name}: {apart}");
    }
}

#[test]
fn every_tensor_is_used_or_named_and_other_files_are_told_apart() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("a.safetensors");
    let said = |tensors: BTreeMap<String, Tensor>| {
        write(&path, tensors);
        load(&path, &unet_of("edges")).unwrap_err().to_string()
    };
    let one = || Tensor::from_slice(&[1_f32]);
    let mut more = tensors("edges");
    more.insert("controlnet_pose.weight".to_owned(), one());
    assert!(said(more).contains("controlnet_pose.weight"));
    let mut less = tensors("edges");
    less.remove("controlnet_mid_block.bias");
    assert!(said(less).contains("controlnet_mid_block.bias"));
    for (name, expected) in [
        ("lora_controlnet", "is a control-LoRA"),
        ("task_embedding", "is a ControlNet-Union"),
        ("controlnet_x_embedder.weight", "for FLUX"),
        ("adapter.body.0.in_conv.weight", "is a T2I-Adapter"),
        ("lllite_unet.weight", "LLLite"),
        ("lora_unet_down.lora_up.weight", "is a LoRA"),
        ("up_blocks.0.resnets.0.conv1.weight", "is a U-Net"),
        ("anything", "is no ControlNet"),
    ] {
        let found = said([(name.to_owned(), one())].into());
        assert!(found.contains(expected), "{name}: {found}");
    }
}
