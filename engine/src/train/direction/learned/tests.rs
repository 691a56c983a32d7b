use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tch::{Device, Kind, Tensor};

use super::{DirectionOptions, DirectionTrainer, LossSpace};
use crate::Result;
use crate::checkpoint::tiny::write_model;
use crate::train::direction::PromptPair;
use crate::train::{
    AdamW, FrozenModel, LearningRate, Replica as _, StepReport, TrainLoop, TrainOptions, Watch,
};

const OPTIONS: DirectionOptions = DirectionOptions {
    loss: LossSpace::Epsilon,
    walks: 2,
    sampling_steps: 4,
    guidance_scale: 3.0,
    scales: 3,
    scale_range: (0.1, 2.0),
    seed: 5,
};

fn model(folder: &Path) -> FrozenModel {
    if !folder.join("unet").exists() {
        write_model(folder, 4).unwrap();
    }
    tch::set_num_threads(1);
    FrozenModel::load(folder, Kind::Float, Device::Cpu).unwrap()
}

fn pairs() -> Vec<PromptPair> {
    let pair = |noun: &str| PromptPair {
        target: format!("a {noun} there"),
        positive: format!("a very old {noun} there"),
        negative: format!("a new {noun} there"),
        neutral: None,
        subject: noun.to_owned(),
        prefixes: Vec::new(),
    };
    vec![pair("cat"), pair("dog")]
}

fn trainer(folder: &Path, start: Option<&Tensor>) -> DirectionTrainer {
    let start = start.map(|s| vec![s.shallow_clone()]);
    DirectionTrainer::new(model(folder), pairs(), OPTIONS, start.as_deref(), 0).unwrap()
}

fn loss_with(trainer: &mut DirectionTrainer, delta: &Tensor, step: u64) -> f64 {
    tch::no_grad(|| trainer.deltas[0].shallow_clone().copy_(delta));
    trainer.loss(step).unwrap().0.double_value(&[])
}

#[test]
fn only_the_subjects_tokens_are_moved_each_row_by_its_scale() {
    let folder = tempfile::tempdir().unwrap();
    let delta = Tensor::rand([32], (Kind::Float, Device::Cpu));
    let mut trainer = trainer(folder.path(), Some(&delta));
    trainer.bring_lanes(0).unwrap();
    let scales = Tensor::from_slice(&[1.0_f32, -2.0, 0.5, 3.0, 0.0, 1.0]).view([2, 3]);
    let moved = trainer.moved_contexts(&scales).unwrap();
    assert_eq!(moved.size(), [6, 77, 32]);
    for (at, lane) in trainer.lanes.iter().enumerate() {
        let states = &lane.prompts.states[0];
        let cat = lane.prompts.mask.sum(Kind::Float).double_value(&[]);
        assert!((1.0..=3.0).contains(&cat), "{cat}");
        for scale in 0..3 {
            let factor = scales.double_value(&[at as i64, scale]);
            let want = states + &lane.prompts.mask * &delta * factor;
            let got = moved.get(3 * at as i64 + scale);
            assert!(got.allclose(&want, 1e-6, 1e-6, false));
        }
    }
}

#[test]
fn without_a_direction_the_whole_change_is_unexplained() {
    let folder = tempfile::tempdir().unwrap();
    let (loss, figures) = trainer(folder.path(), None).loss(0).unwrap();
    assert!(loss.double_value(&[]) > 0.0);
    assert!((figures[0].1 - 1.0).abs() < 1e-3, "{figures:?}");
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let folder = tempfile::tempdir().unwrap();
    let mut trainer = trainer(folder.path(), None);
    let options = (Kind::Float, Device::Cpu);
    let (delta, way) = (Tensor::randn([32], options), Tensor::randn([32], options));
    let h = 0.02;
    let up = loss_with(&mut trainer, &(&delta + &way * h), 1);
    let down = loss_with(&mut trainer, &(&delta - &way * h), 1);
    let slope = (up - down) / (2.0 * h);
    loss_with(&mut trainer, &delta, 1);
    let leaf = trainer.deltas[0].set_requires_grad(true);
    trainer.loss(1).unwrap().0.backward();
    let want = leaf.grad().dot(&way).double_value(&[]);
    assert!(
        (slope - want).abs() < 0.02 * want.abs() + 1e-7,
        "{slope} {want}"
    );
}

#[test]
fn walks_that_are_joined_on_their_way_are_the_same_walks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut all, mut late) = (trainer(folder.path(), None), trainer(folder.path(), None));
    let delta = Tensor::ones([32], (Kind::Float, Device::Cpu));
    let losses: Vec<f64> = (0..7)
        .map(|step| loss_with(&mut all, &delta, step))
        .collect();
    for step in [2, 6] {
        let loss = loss_with(&mut late, &delta, step);
        let want = losses[step as usize];
        assert!((loss - want).abs() < 1e-4 * want, "{step}: {loss} {want}");
    }
    assert!(
        (losses[0] - losses[4]).abs() > 1e-6,
        "another walk is another loss"
    );
}

struct Quiet;

impl Watch for Quiet {
    fn report(&mut self, _: &StepReport) {}

    fn averages(&mut self, _: u64, _: Vec<(String, Tensor)>) -> Result<()> {
        Ok(())
    }
}

#[test]
fn training_explains_part_of_the_change() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path();
    drop(model(place));
    let options = TrainOptions {
        workers: 2,
        optimizer: AdamW {
            weight_decay: 0.0,
            ema_decay: 0.8,
            ..AdamW::default()
        },
        learning_rate: LearningRate {
            peak: 0.1,
            warmup_steps: 1,
            total_steps: 40,
            decay_fraction: 0.5,
        },
        state_file: place.join("state.safetensors"),
        save_every: Duration::from_mins(1),
        report_every: Duration::from_mins(1),
        show_every: None,
    };
    let trained = TrainLoop::new(options, Arc::default())
        .run(
            |worker| DirectionTrainer::new(model(place), pairs(), OPTIONS, None, worker),
            &mut Quiet,
        )
        .unwrap();
    // On walks that were not trained on.
    let mut judge = trainer(place, None);
    let mut mean = |delta: &Tensor| {
        let losses = (1000..1006).map(|step| loss_with(&mut judge, delta, step));
        losses.sum::<f64>()
    };
    let (name, delta) = &trained.averages[0];
    assert_eq!(name, "text_encoder.delta");
    let (before, after) = (mean(&delta.zeros_like()), mean(delta));
    assert!(after < 0.9 * before, "{before} to {after}");
}
