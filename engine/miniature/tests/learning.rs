//! Every network in training learns something within a few steps of the real loop.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::clip::ClipModel;
use vernier_engine::models::vae::Vae;
use vernier_engine::render::Flow;
use vernier_engine::train::{
    AdamW, LearningRate, Replica, StepReport, TrainLoop, TrainOptions, Watch,
};
use vernier_engine::weights::ParamStore;
use vernier_miniature::captions::Captioner;
use vernier_miniature::config::{LATENT_CHANNELS, clip_config, vae_config};
use vernier_miniature::pool::Pool;
use vernier_miniature::trainers::{ClipTrainer, MeterTrainer, UNetData, UNetTrainer, VaeTrainer};
use vernier_miniature::vocabulary::Vocabulary;

const KIND: Kind = Kind::Float;
const CPU: Device = Device::Cpu;

/// A folder with a pool of `pairs` and a tokenizer.
struct Place {
    folder: tempfile::TempDir,
    pool: Pool,
}

impl Place {
    fn with_pairs(pairs: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Vocabulary::of_the_world().save(folder.path()).unwrap();
        let path = folder.path().join("pool.rgb");
        Pool::draw(&path, pairs, |_| Flow::Continue).unwrap();
        let pool = Pool::open(&path, pairs).unwrap();
        Self { folder, pool }
    }

    fn captioner(&self) -> Captioner {
        Captioner::open(self.folder.path()).unwrap()
    }

    fn unet_trainer(&self, batch: usize) -> Result<UNetTrainer> {
        let captioner = self.captioner();
        let store = ParamStore::fresh(KIND, CPU);
        let text = ClipModel::new(&store.root(), &clip_config(captioner.vocab_size())?)?.text;
        // Latents that tell their entry by their level: easy to learn, and small.
        let count = self.pool.len() as i64;
        let levels = Tensor::f_linspace(3.0, 4.0, count, (KIND, CPU))?;
        let latents = levels
            .f_view([-1, 1, 1, 1])?
            .f_expand([count, LATENT_CHANNELS, 8, 8], false)?;
        let data = UNetData {
            pool: self.pool.share(),
            latents: latents.f_contiguous()?,
            text,
            captioner,
        };
        UNetTrainer::new(data, batch, KIND, CPU)
    }
}

/// A replica that notes its losses.
struct Noted<R> {
    replica: R,
    losses: Arc<Mutex<Vec<f64>>>,
}

impl<R: Replica> Replica for Noted<R> {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        self.replica.parameters()
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let (loss, figures) = self.replica.loss(step)?;
        let value = f64::try_from(loss.detach())?;
        self.losses.lock().unwrap().push(value);
        Ok((loss, figures))
    }
}

struct Blind;

impl Watch for Blind {
    fn report(&mut self, _: &StepReport) {}

    fn averages(&mut self, _: u64, _: Vec<(String, Tensor)>) -> Result<()> {
        Ok(())
    }
}

/// Mean loss of the first and of the last third of `steps`, with two workers.
fn train<R: Replica + Send>(
    folder: &Path,
    steps: u64,
    peak: f64,
    build: impl Fn() -> Result<R>,
) -> (f64, f64) {
    let losses = Arc::new(Mutex::new(Vec::new()));
    let options = TrainOptions {
        workers: 2,
        optimizer: AdamW::default(),
        learning_rate: LearningRate {
            peak,
            warmup_steps: 5,
            total_steps: steps,
            decay_fraction: 0.0,
        },
        state_file: folder.join("state.safetensors"),
        save_every: Duration::from_hours(1),
        report_every: Duration::from_hours(1),
        show_every: None,
    };
    TrainLoop::new(options, Arc::default())
        .run(
            |_| {
                Ok(Noted {
                    replica: build()?,
                    losses: Arc::clone(&losses),
                })
            },
            &mut Blind,
        )
        .unwrap();
    let losses = losses.lock().unwrap();
    assert_eq!(losses.len() as u64, 2 * steps);
    let third = losses.len() / 3;
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    (
        mean(&losses[..third]),
        mean(&losses[losses.len() - third..]),
    )
}

#[test]
fn both_towers_learn_sixteen_pairs() {
    let place = Place::with_pairs(16);
    let (early, late) = train(place.folder.path(), 40, 1e-3, || {
        ClipTrainer::new(place.captioner(), place.pool.share(), 4, KIND, CPU)
    });
    assert!(late < 0.95 * early, "{early} {late}");
}

#[test]
fn the_unet_learns_latents_of_one_level_each() {
    let place = Place::with_pairs(2);
    // Timesteps and noise are not seeded: enough steps that chance cannot hide what is learned.
    let (early, late) = train(place.folder.path(), 60, 1e-3, || place.unet_trainer(4));
    assert!(late < 0.8 * early, "{early} {late}");
}

/// One loss whose gradient must reach every parameter.
fn reaches_every_parameter(mut replica: impl Replica, step: u64) {
    let parameters = replica.parameters();
    for (_, tensor) in &parameters {
        let _ = tensor.shallow_clone().requires_grad_(true);
    }
    let (loss, figures) = replica.loss(step).unwrap();
    assert!(f64::try_from(loss.detach()).unwrap().is_finite());
    assert!(figures.iter().all(|f| f.1.is_finite()), "{figures:?}");
    loss.backward();
    for (name, tensor) in &parameters {
        assert!(tensor.grad().defined(), "{name}");
    }
}

#[test]
fn every_loss_reaches_every_parameter() {
    let place = Place::with_pairs(2);
    let pool = || place.pool.share();
    let clip = ClipTrainer::new(place.captioner(), pool(), 2, KIND, CPU).unwrap();
    reaches_every_parameter(clip, 0);
    reaches_every_parameter(place.unet_trainer(1).unwrap(), 0);
    // Crops before step 5, whole pictures from there on.
    for step in [4, 5] {
        let vae = VaeTrainer::new(pool(), 2, 5, KIND, CPU).unwrap();
        reaches_every_parameter(vae, step);
    }
    let store = ParamStore::fresh(KIND, CPU);
    let vae = Vae::new(&store.root(), &vae_config().unwrap()).unwrap();
    // An eighth of a batch goes through the autoencoder.
    for (vae, batch) in [(None, 2), (Some(vae), 8)] {
        let meter = MeterTrainer::new(pool(), vae, batch, KIND, CPU).unwrap();
        reaches_every_parameter(meter, 0);
    }
}

#[test]
fn a_batch_larger_than_the_pool_is_refused() {
    let place = Place::with_pairs(2);
    let trainer = ClipTrainer::new(place.captioner(), place.pool.share(), 3, KIND, CPU);
    let error = trainer.unwrap_err().to_string();
    assert_eq!(
        error,
        "batch: 3 is more than the pool's 2 pairs; ask for fewer"
    );
}
