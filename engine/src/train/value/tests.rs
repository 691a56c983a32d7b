//! Tests on the tiny model.

#![allow(clippy::float_cmp, reason = "equality to the last bit is tested")]

use super::super::tests::{check_gradients, error, learning, tiny_set};
use super::*;

fn task(worker: usize) -> ValueTask {
    ValueTask {
        attributes: vec!["brightness".to_owned(), "detail".to_owned()],
        shape: ValueShape { tokens: 2, dim: 32 },
        drawn: vec![(0..8).collect(), vec![0, 2, 4]],
        batch: 4,
        seed: 5,
        worker,
    }
}

fn trainer() -> ValueTrainer {
    let (model, data) = tiny_set(2);
    ValueTrainer::new(model, data, task(0)).unwrap()
}

#[test]
fn the_gradient_reaches_every_parameter() {
    let mut trainer = trainer();
    // The second layers begin at zero, where nothing behind them can be felt.
    check_gradients(&mut trainer, 12, "linear_2");
}

#[test]
fn training_makes_tokens_that_help_and_values_that_matter() {
    let mut trainer = trainer();
    let rows: Vec<usize> = (0..8).collect();
    let before = error(&mut trainer, &rows, true);
    let without = error(&mut trainer, &rows, false);
    learning(&mut trainer, 0.02, 60);
    let after = error(&mut trainer, &rows, true);
    assert!(
        after < 0.99 * before.min(without),
        "{before} {without} {after}"
    );
    // What is trained lies beside the model: without tokens it is what it was.
    assert_eq!(error(&mut trainer, &rows, false), without);
}

#[test]
fn a_step_is_the_same_whenever_it_is_taken() {
    let mut first = trainer();
    let straight: Vec<f64> = (0..4).map(|step| loss(&mut first, step)).collect();
    let mut resumed = trainer();
    assert_eq!(loss(&mut resumed, 3), straight[3]);
    let (model, data) = tiny_set(2);
    let mut other = ValueTrainer::new(model, data, task(1)).unwrap();
    assert_ne!(loss(&mut other, 3), straight[3]);
}

fn loss(trainer: &mut ValueTrainer, step: u64) -> f64 {
    f64::try_from(trainer.loss(step).unwrap().0.detach()).unwrap()
}
