//! Both towers against Python transformers, and the text tower against diffusers-rs.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};
use vernier_engine::models::clip::{
    ClipConfig, ClipModel, ClipTextConfig, ClipTextModel, TextLayer, is_stored_buffer,
};
use vernier_engine::weights::{ParamStore, SafetensorsFile};

/// Largest difference over largest magnitude that a tower may show against Python.
const TOLERANCE: f64 = 1e-5;

fn fixture(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures")).join(name)
}

fn open(folder: &str) -> ParamStore {
    let path = fixture(folder).join("model.safetensors");
    ParamStore::open(&[path], Kind::Float, Device::Cpu)
        .unwrap()
        .ignoring(is_stored_buffer)
}

fn config<T: serde::de::DeserializeOwned>(folder: &str) -> T {
    let text = std::fs::read_to_string(fixture(folder).join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn expected(name: &str) -> Tensor {
    let file = SafetensorsFile::open(&fixture("text_states.safetensors")).unwrap();
    let kind = if name.ends_with("ids") {
        Kind::Int64
    } else {
        Kind::Float
    };
    file.tensor(name, kind, Device::Cpu).unwrap().unwrap()
}

fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    f64::try_from((a - b).abs().max() / b.abs().max()).unwrap()
}

fn assert_near(what: &str, got: &Tensor) {
    let difference = difference(got, &expected(what));
    println!("{what}: {difference:.1e}");
    assert!(difference < TOLERANCE, "{what} is {difference:e} off");
}

#[test]
fn sd15_text_tower_agrees_with_python() {
    let store = open("text_sd15/text_encoder");
    let config: ClipTextConfig = config("text_sd15/text_encoder");
    let model = ClipTextModel::new(&store.root(), &config).unwrap();
    store.finish().unwrap();
    let _guard = tch::no_grad_guard();
    for (case, ids) in [
        ("sd15", expected("sd15.ids")),
        ("sd15_short", expected("sd15.ids").narrow(1, 0, 20)),
    ] {
        let output = model.forward(&ids).unwrap();
        assert_near(&format!("{case}.last"), &output.last_hidden_state);
        assert_near(&format!("{case}.pooled"), &output.pooled);
        let raw = model.states(&output.hidden_states, TextLayer::PENULTIMATE_RAW);
        assert_near(&format!("{case}.penultimate"), &raw.unwrap());
        assert!(output.projected.is_none());
    }
}

#[test]
fn sd2_text_tower_agrees_with_python() {
    let store = open("text_sd2/text_encoder");
    let config: ClipTextConfig = config("text_sd2/text_encoder");
    let model = ClipTextModel::new(&store.root(), &config).unwrap();
    store.finish().unwrap();
    let _guard = tch::no_grad_guard();
    let output = model.forward(&expected("sd2.ids")).unwrap();
    assert_near("sd2.last", &output.last_hidden_state);
    assert_near("sd2.projected", &output.projected.unwrap());
    let raw = model.states(&output.hidden_states, TextLayer::PENULTIMATE_RAW);
    assert_near("sd2.penultimate", &raw.unwrap());
}

#[test]
fn the_pair_agrees_with_python() {
    let store = open("text_pair");
    let model = ClipModel::new(&store.root(), &config::<ClipConfig>("text_pair")).unwrap();
    store.finish().unwrap();
    let _guard = tch::no_grad_guard();
    let pixels = expected("pair.pixels");
    let texts = model.text_features(&expected("pair.ids")).unwrap();
    let pictures = model.image_features(&pixels).unwrap();
    assert_near("pair.text_embeds", &texts);
    assert_near("pair.image_embeds", &pictures);
    let logits = model.logits_per_text(&texts, &pictures).unwrap();
    assert_near("pair.logits_per_text", &logits);
    let states = model.vision.forward(&pixels).unwrap().hidden_states;
    assert_near("pair.vision_penultimate", &states[states.len() - 2]);
}

#[test]
fn every_fresh_parameter_gets_a_gradient_and_is_saved_under_pythons_names() {
    tch::manual_seed(5);
    let config = config::<ClipConfig>("text_pair");
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let model = ClipModel::new(&store.root(), &config).unwrap();
    let parameters = store.named();
    for (_, tensor) in &parameters {
        let _ = tensor.set_requires_grad(true);
    }
    let texts = model
        .text_features(&expected("pair.ids").narrow(0, 0, 2))
        .unwrap();
    let pictures = model.image_features(&expected("pair.pixels")).unwrap();
    let logits = model.logits_per_text(&texts, &pictures).unwrap();
    let targets = Tensor::arange(2, (Kind::Int64, Device::Cpu));
    logits.cross_entropy_for_logits(&targets).backward();
    for (name, tensor) in &parameters {
        assert!(tensor.grad().defined(), "{name} has no gradient");
        // A constant added to all keys leaves the softmax as it is.
        if !name.ends_with("k_proj.bias") {
            assert!(tensor.grad().abs().max().double_value(&[]) > 0.0, "{name}");
        }
    }
    let python = SafetensorsFile::open(&fixture("text_pair/model.safetensors")).unwrap();
    let mut names: Vec<_> = parameters.into_iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(names, python.entries().keys().cloned().collect::<Vec<_>>());
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let store = open("text_sd2/text_encoder");
    let mut config: ClipTextConfig = config("text_sd2/text_encoder");
    config.num_hidden_layers = 2;
    config.projection_dim = 25;
    ClipTextModel::new(&store.root(), &config).unwrap();
    let report = store.report();
    assert!(report.missing.is_empty());
    assert_eq!(report.unexpected.len(), 16);
    assert!(
        report
            .unexpected
            .iter()
            .all(|n| n.starts_with("encoder.layers.2."))
    );
    assert_eq!(
        report.shapes,
        ["text_projection.weight is [24, 32], expected [25, 32]"]
    );
    assert!(store.finish().is_err());

    config.num_attention_heads = 5;
    let error = ClipTextModel::new(&store.root(), &config).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "config.json: field \"num_attention_heads\" is 5, which does not divide hidden_size 32"
        ),
        "{error}"
    );
}

#[test]
fn too_many_tokens_are_refused() {
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let config: ClipTextConfig = config("text_sd2/text_encoder");
    let model = ClipTextModel::new(&store.root(), &config).unwrap();
    let ids = Tensor::zeros([1, 78], (Kind::Int64, Device::Cpu));
    let error = model.forward(&ids).unwrap_err().to_string();
    assert_eq!(
        error,
        "prompt: 78 tokens are more than the text encoder's 77; split them"
    );
}

/// diffusers-rs knows the published geometries only, so this is SD 1.5 in full size.
#[test]
fn sd15_text_tower_agrees_with_diffusers_rs() {
    use diffusers::transformers::clip;
    let _guard = tch::no_grad_guard();
    tch::manual_seed(6);
    let peer_weights = tch::nn::VarStore::new(Device::Cpu);
    let peer = clip::ClipTextTransformer::new(peer_weights.root(), &clip::Config::v1_5());

    let config = ClipTextConfig {
        hidden_size: 768,
        intermediate_size: 3072,
        num_attention_heads: 12,
        eos_token_id: 2,
        ..ClipTextConfig::default()
    };
    let store = ParamStore::fresh(Kind::Float, Device::Cpu);
    let model = ClipTextModel::new(&store.root(), &config).unwrap();
    let mut theirs = peer_weights.variables();
    for (name, ours) in store.named() {
        let their_tensor = theirs.get_mut(&name).unwrap_or_else(|| panic!("{name}"));
        their_tensor.copy_(&ours);
    }
    let ids = Tensor::randint_low(1, 49_405, [1, 77], (Kind::Int64, Device::Cpu));
    let got = model.forward(&ids).unwrap().last_hidden_state;
    let want = tch::nn::Module::forward(&peer, &ids);
    let difference = difference(&got, &want);
    println!("diffusers-rs: {difference:.1e}");
    assert!(difference < TOLERANCE, "{difference:e}");
}
