//! Tests on the tiny model.

#![allow(clippy::float_cmp, reason = "equality to the last bit is tested")]

use super::super::tests::{check_gradients, error, learning, tiny_set};
use super::super::verdict::Judged;
use super::super::{Replica, TrainingSet};
use super::*;
use crate::controls::AdapterShape;
use crate::train::FrozenModel;

fn task(worker: usize) -> AdapterTask {
    let range = |name: &str| AttributeRange {
        name: name.to_owned(),
        low: 0.0,
        high: 1.0,
    };
    AdapterTask {
        ranges: vec![range("age"), range("smile")],
        learnt: (0..8).collect(),
        cvae: CvaeWeights {
            kl: 0.01,
            reconstruction: 0.1,
        },
        batch: 4,
        seed: 5,
        worker,
    }
}

const SHAPE: AdapterShape = AdapterShape {
    tokens: 2,
    dim: 32,
    latent_dim: 6,
    hidden_dim: 16,
};

fn attention(is_cvae: bool, worker: usize) -> AttentionTrainer {
    let (model, data) = tiny_set(2);
    AttentionTrainer::new(model, data, task(worker), SHAPE, is_cvae).unwrap()
}

fn numbers(worker: usize) -> NumbersTrainer {
    let (model, data): (FrozenModel, TrainingSet) = tiny_set(2);
    NumbersTrainer::new(model, data, task(worker)).unwrap()
}

#[test]
fn the_gradient_reaches_every_parameter() {
    check_gradients(&mut attention(true, 0), 4, "to_v");
    check_gradients(&mut attention(false, 0), 4, "to_v");
    check_gradients(&mut numbers(0), 4, ".up");
}

fn helps(trainer: &mut (impl Replica + Judged), rate: f64) {
    let rows: Vec<usize> = (0..8).collect();
    let without = error(trainer, &rows, false);
    learning(trainer, rate, 60);
    let after = error(trainer, &rows, true);
    assert!(after < 0.99 * without, "{without} {after}");
    // What is trained lies beside the model: with nothing set it is what it was.
    assert_eq!(error(trainer, &rows, false), without);
}

#[test]
fn every_architecture_lowers_its_error_and_leaves_the_model_alone() {
    helps(&mut attention(true, 0), 0.01);
    helps(&mut attention(false, 0), 0.01);
    helps(&mut numbers(0), 0.005);
}

#[test]
fn a_fresh_adapter_is_the_model_as_it_is() {
    let rows: Vec<usize> = (0..8).collect();
    let mut cvae = attention(true, 0);
    let without = error(&mut cvae, &rows, false);
    let with = error(&mut cvae, &rows, true);
    assert!((with - without).abs() < 1e-6, "{with} {without}");
    let mut numbers = numbers(0);
    let without = error(&mut numbers, &rows, false);
    assert!(without.is_finite() && without > 0.0);
}

#[test]
fn a_step_is_the_same_whenever_it_is_taken() {
    fn losses(mut trainer: impl Replica, steps: std::ops::Range<u64>) -> Vec<f64> {
        steps
            .map(|step| f64::try_from(trainer.loss(step).unwrap().0.detach()).unwrap())
            .collect()
    }
    let straight = losses(attention(true, 0), 0..4);
    assert_eq!(losses(attention(true, 0), 3..4), straight[3..]);
    assert_ne!(losses(attention(true, 1), 3..4), straight[3..]);
    let straight = losses(numbers(0), 0..3);
    assert_eq!(losses(numbers(0), 2..3), straight[2..]);
}

#[test]
fn only_what_a_render_needs_is_kept() {
    let cvae = attention(true, 0);
    let kept: Vec<String> = cvae
        .parameters()
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !is_for_training_only(name))
        .collect();
    assert!(kept.iter().any(|n| n.starts_with("prior.")));
    assert!(kept.iter().any(|n| n.starts_with("sites.")));
    assert!(
        kept.iter()
            .all(|n| !n.starts_with("posterior.") && !n.starts_with("projection."))
    );
}
