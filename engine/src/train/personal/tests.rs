//! The trainer on a tiny model with pictures of noise.

#![allow(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the names are parameters'"
)]

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::*;
use crate::checkpoint::tiny::write_model;
use crate::train::folder::{ImageFolder, PictureRow, PreparedPictures};
use crate::train::random::{standard_normal, step_rng};
use crate::train::{AdamW, AdamWState, FlatParams, FrozenModel, Replica as _, TrainingSet};

fn lora(layers: LoraLayers, text_encoder: bool) -> LoraOptions {
    LoraOptions {
        layers,
        rank: 2,
        alpha: 2.0,
        text_encoder,
        up_only: false,
    }
}

fn task(lora: LoraOptions) -> PersonalTask {
    PersonalTask {
        learnt: Learnt {
            lora: Some(lora),
            ..Learnt::default()
        },
        semantic: None,
        batch: 2,
        accumulate: 1,
        caption_dropout: 0.0,
        seed: 3,
        worker: 0,
    }
}

fn set(captions: &[&str], seed: u64) -> TrainingSet {
    let count = captions.len() as i64;
    let latents = standard_normal(&mut step_rng(seed, 0, 0), &[count, 4, 8, 8]).unwrap();
    let rows = captions.iter().map(|caption| PictureRow {
        path: "p.png".into(),
        caption: (*caption).to_owned(),
        values: Vec::new(),
    });
    let folder = ImageFolder {
        source: "data".into(),
        attributes: Vec::new(),
        rows: rows.collect(),
    };
    let prepared = PreparedPictures {
        kept: (0..captions.len()).collect(),
        latents: latents.to_kind(Kind::Half),
        features: None,
        measures: Vec::new(),
        notes: Vec::new(),
    };
    TrainingSet::new(&folder, prepared, vec![Vec::new(); captions.len()])
}

fn model(folder: &Path) -> FrozenModel {
    if !folder.join("unet").exists() {
        write_model(folder, 4).unwrap();
    }
    tch::set_num_threads(1);
    FrozenModel::load(folder, Kind::Float, Device::Cpu).unwrap()
}

fn trainer(folder: &Path, task: PersonalTask, prior: bool) -> PersonalTrainer {
    let prior = prior.then(|| Prior {
        pictures: set(&["a cat"; 3], 2),
        weight: 0.5,
    });
    let subject = set(&["a zorb cat", "a zorb cat in a wood"], 1);
    PersonalTrainer::new(model(folder), subject, prior, task).unwrap()
}

/// The parameters' gradients after one step's loss, by name.
fn gradients(trainer: &mut PersonalTrainer) -> Vec<(String, Tensor)> {
    loss_and_gradients(trainer).1
}

fn loss_and_gradients(trainer: &mut PersonalTrainer) -> (f64, Vec<(String, Tensor)>) {
    let leaves: Vec<(String, Tensor)> = trainer
        .parameters()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.set_requires_grad(true)))
        .collect();
    let (loss, _) = trainer.loss(0).unwrap();
    loss.backward();
    let of = |(name, tensor): (String, Tensor)| (name, tensor.grad().copy());
    (loss.double_value(&[]), leaves.into_iter().map(of).collect())
}

fn norm(tensor: &Tensor) -> f64 {
    tensor.norm().double_value(&[])
}

#[test]
fn every_branch_of_every_choice_learns_and_each_choice_has_those_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut before: Vec<String> = Vec::new();
    for layers in LoraLayers::EVERY {
        let mut trainer = trainer(folder.path(), task(lora(layers, true)), false);
        let gradients = gradients(&mut trainer);
        for (name, gradient) in &gradients {
            // While `up` is zero, `down` cannot learn.
            let learns = norm(gradient) > 0.0;
            assert_eq!(learns, name.ends_with(".up"), "{layers} {name}");
        }
        let names: Vec<String> = gradients.into_iter().map(|(name, _)| name).collect();
        assert!(before.iter().all(|name| names.contains(name)), "{layers}");
        assert!(names.len() > before.len());
        assert!(names.iter().any(|name| name.starts_with("text_encoder.")));
        before = names;
    }
    // Convolutions are among the last choice's.
    assert!(before.iter().any(|name| name.contains("resnets.0.conv1")));
}

#[test]
fn two_accumulated_batches_have_the_mean_of_their_gradients() {
    let folder = tempfile::tempdir().unwrap();
    let one = task(lora(LoraLayers::Cross, false));
    let two = PersonalTask {
        accumulate: 2,
        ..one.clone()
    };
    let (loss, accumulated) = loss_and_gradients(&mut trainer(folder.path(), two, true));
    // The same random numbers, batch by batch.
    let mut by_hand = trainer(folder.path(), one, true);
    let leaves: Vec<(String, Tensor)> = by_hand
        .parameters()
        .into_iter()
        .map(|(name, tensor)| (name, tensor.set_requires_grad(true)))
        .collect();
    let mut rng = step_rng(3, 0, 0);
    let mut sum = 0.0;
    for _ in 0..2 {
        let loss = by_hand.one_batch(&mut rng).unwrap();
        sum += loss.double_value(&[]) / 2.0;
        (loss / 2.0).backward();
    }
    assert!((loss - sum).abs() < 1e-5 * sum);
    for ((name, got), (_, leaf)) in accumulated.iter().zip(&leaves) {
        assert!(got.allclose(&leaf.grad(), 1e-4, 1e-7, false), "{name}");
    }
}

#[test]
fn steps_lower_the_loss_and_the_class_counts_by_its_weight() {
    let folder = tempfile::tempdir().unwrap();
    let options = lora(LoraLayers::All, false);
    let mut trainer = trainer(folder.path(), task(options), true);
    let (loss, figures) = trainer.loss(0).unwrap();
    let [subject, class] = [figures[0].1, figures[1].1];
    let total = loss.double_value(&[]);
    assert!((total - subject - 0.5 * class).abs() < 1e-5 * total);
    let mut params = FlatParams::gather(trainer.parameters()).unwrap();
    let mut state = AdamWState::new(params.buffer()).unwrap();
    let mut gradient = state.master.zeros_like();
    let mut losses = Vec::new();
    for step in 0..60 {
        // Always the same noise: what is left is what was learnt.
        let (loss, _) = trainer.loss(step % 4).unwrap();
        losses.push(loss.double_value(&[]));
        loss.backward();
        params.take_gradients(&mut gradient).unwrap();
        let mut buffer = params.buffer().shallow_clone();
        let adam = AdamW::default();
        state.update(&adam, 0.01, &gradient, &mut buffer).unwrap();
    }
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[56..]));
    assert!(last < 0.9 * first, "{first} {last}");
}

#[test]
fn the_cost_grows_with_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let cost = |task: &PersonalTask, classes, workers| {
        let parts = Parts::fresh(&model, &task.learnt, 1).unwrap();
        TrainingCost::of(&model, &parts, task, classes, workers).unwrap()
    };
    let small = task(lora(LoraLayers::Cross, false));
    let base = cost(&small, false, 1);
    assert!(base.memory_bytes > 0.0);
    let more = [
        cost(
            &PersonalTask {
                batch: 4,
                ..small.clone()
            },
            false,
            1,
        ),
        cost(&task(lora(LoraLayers::All, true)), false, 1),
        cost(&small, true, 1),
        cost(&small, false, 2),
    ];
    for more in more {
        assert!(more.memory_bytes > base.memory_bytes);
    }
    assert!(base.check(Some(u64::MAX)).is_ok() && base.check(None).is_ok());
    let said = base.check(Some(10)).unwrap_err().to_string();
    assert!(said.contains("--batch 1"), "{said}");
    assert!(base.sentence(100).contains("100 steps take about"));
}

#[test]
fn what_is_trained_beside_branches_learns_too() {
    let folder = tempfile::tempdir().unwrap();
    let learnt = Learnt {
        lora: Some(LoraOptions {
            up_only: true,
            ..lora(LoraLayers::Attention, false)
        }),
        key_values: true,
        word: Some(WordOptions {
            word: "zorb".to_owned(),
            vectors: 2,
            init: "cat".to_owned(),
        }),
    };
    let task = PersonalTask {
        learnt,
        semantic: Some(Semantic {
            weight: 1.0,
            subject: "a zorb cat".to_owned(),
            class: "a cat".to_owned(),
        }),
        ..task(lora(LoraLayers::Cross, false))
    };
    let mut trainer = trainer(folder.path(), task, false);
    // Nothing is changed by what is fresh: the word reads as what it begins as.
    let stage = &trainer.model().text;
    let fresh = stage.states_in_training("a cat cat", 1).unwrap();
    let (_, figures) = trainer.loss(0).unwrap();
    assert_eq!(figures[0].0, "semantic");
    let stage = &trainer.model().text;
    let named = stage.states_in_training("a zorb", 1).unwrap();
    assert!(named.detach().allclose(&fresh, 1e-5, 1e-6, false));
    let gradients = gradients(&mut trainer);
    assert!(
        gradients
            .iter()
            .all(|(name, g)| norm(g) > 0.0 && !name.ends_with(".down"))
    );
    for part in [".up", ".delta", "word"] {
        assert!(
            gradients.iter().any(|(name, _)| name.ends_with(part)),
            "{part}"
        );
    }
}
