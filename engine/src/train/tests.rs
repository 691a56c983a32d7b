//! What tests of trainers share: a small set of pictures beside the tiny model.

use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::random::{standard_normal, step_rng};
use super::verdict::{Judged, Row};
use super::{AdamW, AdamWState, FlatParams, FrozenModel, Replica, TrainingSet};
use crate::checkpoint::tiny;

/// The tiny model, and eight pictures for it whose latents grow with the values of their
/// `attributes`; the last attribute is not known of half of them.
pub(super) fn tiny_set(attributes: usize) -> (FrozenModel, TrainingSet) {
    tch::set_num_threads(1);
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 4).unwrap();
    let model = FrozenModel::load(folder.path(), Kind::Float, Device::Cpu).unwrap();
    let noise = standard_normal(&mut step_rng(1, 0, 0), &[8, 4, 8, 8]).unwrap();
    let values: Vec<f64> = (0..8).map(|i| f64::from(i) / 7.0).collect();
    let column = Tensor::from_slice(&values)
        .to_kind(Kind::Float)
        .view([8, 1, 1, 1]);
    let rows = values.iter().enumerate().map(|(row, &value)| {
        let known = |at: usize| at + 1 < attributes || attributes == 1 || row % 2 == 0;
        (0..attributes)
            .map(|at| known(at).then_some(value))
            .collect()
    });
    let rows: Vec<Vec<Option<f64>>> = rows.collect();
    let set = TrainingSet {
        latents: (noise * 0.1 + column * 2.0).to_kind(Kind::Half),
        features: Some(standard_normal(&mut step_rng(2, 0, 0), &[8, 6]).unwrap()),
        captions: ["a cat", ""]
            .repeat(4)
            .iter()
            .map(|&c| c.to_owned())
            .collect(),
        values: Arc::from(rows),
    };
    (model, set)
}

fn want_gradients(trainer: &impl Replica) -> Vec<(String, Tensor)> {
    let parameters = trainer.parameters();
    for (_, tensor) in &parameters {
        let _ = tensor.set_requires_grad(true);
    }
    parameters
}

/// Fails where the gradients of `steps` steps leave a parameter out. Those with `zero` in their
/// names begin at zero and are moved away from there first.
pub(super) fn check_gradients(trainer: &mut impl Replica, steps: u64, zero: &str) {
    tch::no_grad(|| {
        for (name, mut tensor) in trainer.parameters() {
            if name.contains(zero) {
                let noise = standard_normal(&mut step_rng(8, 0, 0), &tensor.size()).unwrap();
                tensor.copy_(&(noise * 0.1));
            }
        }
    });
    let parameters = want_gradients(trainer);
    for step in 0..steps {
        trainer.loss(step).unwrap().0.backward();
    }
    for (name, tensor) in &parameters {
        let grad = tensor.grad();
        assert!(grad.defined(), "{name}");
        assert!(grad.abs().max().double_value(&[]) > 0.0, "{name}");
    }
}

/// `steps` steps of AdamW.
pub(super) fn learning(trainer: &mut impl Replica, rate: f64, steps: u64) {
    let mut flat = FlatParams::gather(trainer.parameters()).unwrap();
    let mut grad = flat.buffer().zeros_like();
    let mut state = AdamWState::new(flat.buffer()).unwrap();
    for step in 0..steps {
        trainer.loss(step).unwrap().0.backward();
        flat.take_gradients(&mut grad).unwrap();
        let mut params = flat.buffer().shallow_clone();
        let options = AdamW::default();
        state.update(&options, rate, &grad, &mut params).unwrap();
    }
}

/// The error on `pictures` with their own values or without any, always with the same noise.
pub(super) fn error(trainer: &mut impl Judged, pictures: &[usize], with_values: bool) -> f64 {
    let _guard = tch::no_grad_guard();
    let own: Vec<Row> = pictures.iter().map(|&at| trainer.values(at)).collect();
    let values = with_values.then_some(own.as_slice());
    let error = trainer.error(pictures, values, &mut step_rng(9, 3, 0));
    f64::try_from(error.unwrap()).unwrap()
}
