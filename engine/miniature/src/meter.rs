//! Trains the attribute meter on the world.

use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::measure::{AttributeMeter, HeadSpec, MeterConfig};
use vernier_engine::models::vae::Vae;
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::{ParamStore, save};
use vernier_engine::{EngineError, Result};
use vernier_world::{Attribute, SampleOptions, Scene};

use crate::config::PICTURE_PX;
use crate::pool::{Pool, held_out_scene};
use crate::targets::{HeadLayout, Targets};

/// Largest shift of a training crop from the nominal region, as a fraction of the picture.
const JITTER: f64 = 0.03;
/// One in this many pictures goes through the autoencoder.
const SOFTENED: i64 = 8;

/// The meter's configuration; regions are those of undisturbed scenes.
pub fn config() -> MeterConfig {
    let spec = |layout: &HeadLayout| {
        layout
            .heads
            .iter()
            .map(|head| HeadSpec {
                name: head.attribute.name().to_owned(),
                classes: match head.attribute {
                    Attribute::Continuous(_) => Vec::new(),
                    Attribute::Discrete(a) => a.classes().iter().map(|&c| c.to_owned()).collect(),
                },
            })
            .collect()
    };
    let fractions = |subjects: usize| -> Vec<[f64; 4]> {
        // Regions belong to the places, not to who stands there: any scene tells them.
        let two_subjects = if subjects == 2 { 1.0 } else { 0.0 };
        let scene = held_out_scene(0, &SampleOptions { two_subjects, ..SampleOptions::default() });
        (0..subjects)
            .map(|at| scene.region(at).map(|edge| f64::from(edge) / PICTURE_PX as f64))
            .collect()
    };
    MeterConfig {
        input_px: 64,
        channels: vec![24, 48, 96, 128],
        group_channels: 8,
        subject_heads: spec(&HeadLayout::subject()),
        picture_heads: spec(&HeadLayout::picture()),
        regions: vec![fractions(1), fractions(2)],
    }
}

/// The meter in training.
pub struct MeterTrainer {
    parameters: Vec<(String, Tensor)>,
    meter: AttributeMeter,
    vae: Option<Vae>,
    pool: Pool,
    batch: usize,
    rng: ChaCha8Rng,
    kind: Kind,
    device: Device,
}

impl MeterTrainer {
    /// A replica; with a `vae`, an eighth of the pictures go through it first, so that the meter knows
    /// the softness of generated pictures.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(pool: Pool, vae: Option<Vae>, batch: usize, kind: Kind, device: Device) -> Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let meter = AttributeMeter::new(&store.root(), &config())?;
        let rng = ChaCha8Rng::seed_from_u64(rand::rng().random());
        Ok(Self { parameters: store.named(), meter, vae, pool, batch, rng, kind, device })
    }

    fn soften(&mut self, pictures: &Tensor) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let count = pictures.size()[0];
        let softened = count / SOFTENED;
        let mut out = pictures.shallow_clone();
        if let Some(vae) = &self.vae {
            let part = pictures.f_narrow(0, 0, softened)?;
            let posterior = vae.encode(&part)?;
            let latents = posterior.mean();
            // Noise on the latents looks like the small mistakes of a sampler.
            let strength = self.rng.random_range(0.0..0.25);
            let noise = latents.f_randn_like()?.f_mul_scalar(strength)?;
            let again = vae.decode(&latents.f_add(&noise)?)?.f_clamp(-1.0, 1.0)?;
            out = Tensor::f_cat(&[again, pictures.f_narrow(0, softened, count - softened)?], 0)?;
        }
        let noise = out.f_randn_like()?.f_mul_scalar(self.rng.random_range(0.0..0.05))?;
        Ok(out.f_add(&noise)?)
    }
}

impl Replica for MeterTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let indices: Vec<usize> =
            (0..self.batch).map(|_| self.rng.random_range(0..self.pool.len())).collect();
        let pictures = self
            .pool
            .pictures(&indices)
            .map_err(|e| EngineError::request("pool", e.to_string()))?
            .f_to_device(self.device)?;
        let pictures = self.soften(&pictures)?;
        let (subject, picture) = (HeadLayout::subject(), HeadLayout::picture());
        let regions = self.meter.config().regions.clone();
        let (mut crops, mut asked) = (Vec::new(), Targets::new());
        let mut whole = Targets::new();
        for (row, &index) in indices.iter().enumerate() {
            let scene: &Scene = self.pool.scene(index);
            let one = pictures.f_narrow(0, row as i64, 1)?;
            whole.push_all(&picture, scene, None);
            for (place, region) in regions[scene.subjects.len() - 1].iter().enumerate() {
                let shift = [self.rng.random_range(-JITTER..JITTER), self.rng.random_range(-JITTER..JITTER)];
                let moved = [
                    region[0] + shift[0],
                    region[1] + shift[1],
                    region[2] + shift[0],
                    region[3] + shift[1],
                ];
                crops.push(self.meter.crop(&one, moved)?);
                asked.push_all(&subject, scene, Some(place));
            }
        }
        let kind = self.kind;
        let (seen, _) = self.meter.forward(&Tensor::f_cat(&crops, 0)?.f_to_kind(kind)?)?;
        let full = self.meter.crop(&pictures, [0.0, 0.0, 1.0, 1.0])?.f_to_kind(kind)?;
        let (_, overall) = self.meter.forward(&full)?;
        let subject_loss = asked.loss(&subject, &seen)?;
        let picture_loss = whole.loss(&picture, &overall)?;
        let figures = vec![
            ("subject", f64::try_from(subject_loss.f_detach()?)?),
            ("picture", f64::try_from(picture_loss.f_detach()?)?),
        ];
        Ok((subject_loss.f_add(&picture_loss)?, figures))
    }
}

/// Writes `config.json` and `meter.safetensors` (fp16) to `folder`.
///
/// # Errors
/// The folder cannot be written.
pub fn export(folder: &Path, tensors: &[(String, Tensor)]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let half = tensors
        .iter()
        .map(|(name, t)| Ok((name.clone(), t.f_to_kind(Kind::Half)?)))
        .collect::<Result<Vec<_>>>()?;
    save(&folder.join("meter.safetensors"), &half, &[])?;
    std::fs::write(folder.join("config.json"), serde_json::to_string_pretty(&config())? + "\n")?;
    Ok(())
}
