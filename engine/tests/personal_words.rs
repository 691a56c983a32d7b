//! Words, keys and values of a subject, and steering, on a tiny model.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod personal_common;

use std::path::Path;

use personal_common::Place;
use tch::{Device, Kind};
use vernier_engine::adapters::{Adapter, AdapterFile, Embedding, LayerDelta, LoraFormat};
use vernier_engine::checkpoint::{Checkpoint, Networks};
use vernier_engine::control_training::Schedule;
use vernier_engine::device::Dtype;
use vernier_engine::personalization::{ClassPlan, PersonalOutput, PersonalRequest};
use vernier_engine::recipe::{AdapterUse, RECIPE_VERSION, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_engine::train::personal::{Learnt, WordOptions};

/// A word alone or with keys and values, as `output` says.
fn with_word(
    place: &Place,
    name: &str,
    key_values: bool,
    output: PersonalOutput,
) -> PersonalRequest {
    PersonalRequest {
        output,
        learnt: Learnt {
            lora: None,
            key_values,
            word: Some(WordOptions {
                word: "zorb".to_owned(),
                vectors: 2,
                init: "cat".to_owned(),
            }),
        },
        ..place.request(name)
    }
}

#[test]
fn a_word_is_read_as_an_embedding_and_keeps_near_its_class() {
    let mut place = Place::new();
    let schedule = place.schedule("free", 6);
    let free = with_word(&place, "zorb", false, PersonalOutput::Word);
    place.train(&free, &schedule).unwrap();
    let embedding = Embedding::read(&free.out).unwrap();
    assert_eq!((embedding.count(), embedding.widths()), (2, vec![32]));
    let kept = PersonalRequest {
        semantic: Some(100.0),
        class: Some(ClassPlan {
            prompt: "a cat".to_owned(),
            count: 0,
            weight: 0.0,
        }),
        output: PersonalOutput::KohyaWord,
        ..with_word(&place, "kept", false, PersonalOutput::Word)
    };
    place.train(&kept, &place.schedule("kept", 6)).unwrap();
    let model = Checkpoint::open(&free.model_folder).unwrap();
    let mut text = model.load_text(Kind::Float, Device::Cpu).unwrap();
    let class = text.end_state_in_training("a cat").unwrap();
    let mut away = |path: &Path| {
        let vectors = Embedding::read(path).unwrap();
        let vectors = vectors.for_encoder(0, 32).unwrap().shallow_clone();
        text.set_added(&[("zorb".to_owned(), vec![vectors])])
            .unwrap();
        let own = text.end_state_in_training("a zorb cat").unwrap();
        let lengths = own.norm() * class.norm();
        1.0 - (own.dot(&class) / lengths).double_value(&[])
    };
    let (free_away, kept_away) = (away(&free.out), away(&kept.out));
    assert!(kept_away < 0.9 * free_away, "{kept_away} {free_away}");
    // Nothing of the text is trained, or a caption lacks the word.
    let refused = PersonalRequest {
        learnt: Learnt {
            key_values: true,
            ..Learnt::default()
        },
        ..kept
    };
    let said = place.train(&refused, &schedule).unwrap_err().to_string();
    assert!(said.starts_with("semantic-preservation: "), "{said}");
    std::fs::write(place.path("data/0.txt"), "a cat").unwrap();
    let said = place.train(&free, &schedule).unwrap_err().to_string();
    assert!(said.contains("does not have the word zorb"), "{said}");
}

#[test]
fn keys_and_values_are_written_whole_or_as_a_lora_with_their_word() {
    let mut place = Place::new();
    let whole = with_word(&place, "whole", true, PersonalOutput::Full);
    // No layer of the tiny model has a higher rank.
    let output = PersonalOutput::Lora(LoraFormat::Kohya, 64);
    let lora = with_word(&place, "lora", true, output);
    let schedule = place.schedule("work", 4);
    place.train(&whole, &schedule).unwrap();
    place.train(&lora, &schedule).unwrap();
    let modules = Networks::open(&whole.model_folder).unwrap().modules();
    let [a, b] = [&whole.out, &lora.out].map(|path| {
        let file = AdapterFile::open(path).unwrap();
        let bundled = Embedding::bundled(&file).unwrap();
        assert_eq!(bundled[0].0, "zorb");
        Adapter::read(&file, &modules).unwrap()
    });
    assert!(!a.layers.is_empty() && a.layers.len() == b.layers.len());
    for (place, layer) in &a.layers {
        assert!(place.1.contains("attn2.to_k") || place.1.contains("attn2.to_v"));
        let mut all = modules.all().iter();
        let shape = &all.find(|m| m.path == place.1).unwrap().shape;
        let dense = |layer: &LayerDelta| layer.weight.as_ref().unwrap().dense(shape).unwrap();
        let (a, b) = (dense(layer), dense(&b.layers[place]));
        let far = (&a - &b).norm().double_value(&[]) / a.norm().double_value(&[]);
        assert!(far < 0.01, "{place:?} {far}");
    }
}

#[test]
fn steering_is_usual_guidance_at_one_and_leaves_nothing_behind() {
    let mut place = Place::new();
    let request = place.request("zorb");
    let schedule = Schedule {
        learning_rate: 0.1,
        ..place.schedule("work", 4)
    };
    place.train(&request, &schedule).unwrap();
    let mut renderer = Renderer::load(&request.model_folder, Dtype::F32, Device::Cpu).unwrap();
    let mut render = |steering: Option<f64>, guidance_scale: f64| {
        let mut recipe: Recipe = serde_json::from_value(serde_json::json!({
            "version": RECIPE_VERSION,
            "model": request.model,
            "prompt": "a zorb cat",
            "seed": 1,
            "width_px": 64,
            "height_px": 64,
            "steps": 3,
            "guidance_scale": guidance_scale,
            "sampler": "ddim",
            "dtype": "f32",
        }))
        .unwrap();
        recipe.adapters = vec![AdapterUse {
            path: Some(request.out.to_string_lossy().into_owned()),
            ..AdapterUse::new("zorb", 1.0)
        }];
        recipe.walk.steering = steering;
        let rendered = renderer.render(&recipe, &mut |_| Flow::Continue).unwrap();
        let latents: Vec<f32> = Vec::try_from(rendered.latents.reshape([-1])).unwrap();
        (latents, rendered.notes)
    };
    let (usual, _) = render(None, 4.0);
    let (half, _) = render(Some(0.5), 4.0);
    let (none, _) = render(Some(0.0), 4.0);
    let (whole, notes) = render(Some(1.0), 4.0);
    assert!(notes.is_empty(), "{notes:?}");
    let apart = |a: &[f32], b: &[f32]| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    assert!(apart(&usual, &whole) < 1e-5);
    assert!(apart(&usual, &half) > 1e-3 && apart(&usual, &none) > apart(&usual, &half));
    assert_eq!(render(None, 4.0).0, usual);
    let (unguided, _) = render(None, 1.0);
    let (steered, notes) = render(Some(0.0), 1.0);
    assert_eq!(steered, unguided);
    assert!(
        notes[0].contains("does nothing without guidance"),
        "{notes:?}"
    );
}
