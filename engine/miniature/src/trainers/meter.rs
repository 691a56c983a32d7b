//! The attribute meter.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::measure::{AttributeMeter, HeadSpec, MeterConfig};
use vernier_engine::models::vae::Vae;
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_world::{Attribute, Kind as SubjectKind, SampleOptions};

use super::fresh_rng;
use crate::config::PICTURE_PX;
use crate::loss::figure;
use crate::pool::{Pool, held_out_scene};
use crate::targets::{HeadLayout, Targets};

/// Largest shift of a training crop from the nominal region, as a fraction of the picture.
const JITTER: f64 = 0.03;

/// Largest noise on the latents of a picture that went through the autoencoder: it looks like the
/// small mistakes of a sampler.
const LATENT_NOISE: f64 = 0.25;
/// Largest noise on the pixels.
const PIXEL_NOISE: f64 = 0.05;

/// Nouns of the kinds that have `attribute`; empty where all of them do, or the picture itself.
fn kinds_with(attribute: Attribute) -> Vec<String> {
    let having = |kind: &&SubjectKind| match attribute {
        Attribute::Continuous(a) => a.applies_to(**kind),
        Attribute::Discrete(a) => a.applies_to(**kind),
    };
    let kinds: Vec<&SubjectKind> = SubjectKind::ALL.iter().filter(having).collect();
    if attribute.is_picture_level() || kinds.len() == SubjectKind::ALL.len() {
        return Vec::new();
    }
    kinds.into_iter().map(|k| k.noun().to_owned()).collect()
}

/// The meter's configuration; regions are those of undisturbed scenes.
pub fn meter_config() -> MeterConfig {
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
                kinds: kinds_with(head.attribute),
            })
            .collect()
    };
    let fractions = |subjects: usize| -> Vec<[f64; 4]> {
        // Regions belong to the places, not to who stands there: any scene tells them.
        let two_subjects = if subjects == 2 { 1.0 } else { 0.0 };
        let scene = held_out_scene(
            0,
            &SampleOptions {
                two_subjects,
                ..SampleOptions::default()
            },
        );
        (0..subjects)
            .map(|at| {
                scene
                    .region(at)
                    .map(|edge| f64::from(edge) / PICTURE_PX as f64)
            })
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

/// One in this many pictures has been through the autoencoder.
const SOFTENED: usize = 8;
/// Softened pictures that are kept and shown again, for the autoencoder costs more than the meter.
const KEPT_SOFT: usize = 4096;
/// Softened pictures made at the first step, and at every later one.
const FIRST_SOFT: usize = 96;
const FRESH_SOFT: usize = 1;

/// The meter in training.
#[derive(Debug)]
pub struct MeterTrainer {
    parameters: Vec<(String, Tensor)>,
    meter: AttributeMeter,
    vae: Option<Vae>,
    /// Pictures that went through the autoencoder, `[3, h, w]`, with their entries in the pool.
    soft: Vec<(usize, Tensor)>,
    pool: Pool,
    subject: HeadLayout,
    picture: HeadLayout,
    batch: usize,
    rng: ChaCha8Rng,
    kind: Kind,
    device: Device,
}

impl MeterTrainer {
    /// A replica with fresh parameters that sees `batch` pictures a step; with a `vae`, an
    /// eighth of them go through it first, so that the meter knows the softness of generated pictures.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(
        pool: Pool,
        vae: Option<Vae>,
        batch: usize,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let meter = AttributeMeter::new(&store.root(), &meter_config())?;
        Ok(Self {
            parameters: store.named(),
            meter,
            vae,
            soft: Vec::new(),
            pool,
            subject: HeadLayout::subject(),
            picture: HeadLayout::picture(),
            batch,
            rng: fresh_rng(),
            kind,
            device,
        })
    }

    /// Entries of the pool and their pictures `[batch, 3, h, w]`, some of them with the small
    /// faults of generated ones.
    fn batch(&mut self) -> Result<(Vec<usize>, Tensor)> {
        let soft = if self.vae.is_some() {
            self.batch / SOFTENED
        } else {
            0
        };
        let mut entries = self.pool.choose(&mut self.rng, self.batch - soft);
        let mut pictures = self.pool.pictures(&entries)?.f_to_device(self.device)?;
        if soft > 0 {
            self.soften()?;
            let chosen: Vec<usize> = (0..soft)
                .map(|_| self.rng.random_range(0..self.soft.len()))
                .collect();
            let chosen = || chosen.iter().map(|&i| &self.soft[i]);
            entries.extend(chosen().map(|(entry, _)| *entry));
            let again: Vec<&Tensor> = chosen().map(|(_, picture)| picture).collect();
            pictures = Tensor::f_cat(&[&pictures, &Tensor::f_stack(&again, 0)?], 0)?;
        }
        let strength = self.rng.random_range(0.0..PIXEL_NOISE);
        let noise = pictures.f_randn_like()?.f_mul_scalar(strength)?;
        Ok((entries, pictures.f_add(&noise)?))
    }

    /// Sends a few more pictures through the autoencoder, with noise on their latents.
    fn soften(&mut self) -> Result<()> {
        let _guard = tch::no_grad_guard();
        let Some(vae) = &self.vae else {
            return Ok(());
        };
        let count = if self.soft.is_empty() {
            FIRST_SOFT
        } else {
            FRESH_SOFT
        };
        for entry in self.pool.choose(&mut self.rng, count) {
            let picture = self.pool.pictures(&[entry])?.f_to_device(self.device)?;
            let posterior = vae.encode(&picture)?;
            let latents = posterior.mean();
            let strength = self.rng.random_range(0.0..LATENT_NOISE);
            let noise = latents.f_randn_like()?.f_mul_scalar(strength)?;
            let again = vae.decode(&latents.f_add(&noise)?)?.f_clamp(-1.0, 1.0)?;
            let softened = (entry, again.f_squeeze_dim(0)?);
            if self.soft.len() < KEPT_SOFT {
                self.soft.push(softened);
            } else {
                let replaced = self.rng.random_range(0..KEPT_SOFT);
                self.soft[replaced] = softened;
            }
        }
        Ok(())
    }

    /// `region` moved a little.
    fn jittered(&mut self, region: [f64; 4]) -> [f64; 4] {
        let mut shift = || self.rng.random_range(-JITTER..JITTER);
        let (x, y) = (shift(), shift());
        let [left, top, right, bottom] = region;
        [left + x, top + y, right + x, bottom + y]
    }
}

impl Replica for MeterTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let (entries, pictures) = self.batch()?;
        let mut crops = Vec::new();
        let (mut subjects, mut wholes) = (Targets::new(), Targets::new());
        for (row, &entry) in entries.iter().enumerate() {
            let picture = pictures.f_narrow(0, row as i64, 1)?;
            let places = self.pool.scene(entry).subjects.len();
            for place in 0..places {
                let region = self.meter.config().regions_of(places)?[place];
                let moved = self.jittered(region);
                crops.push(self.meter.crop(&picture, moved)?);
                subjects.push_all(&self.subject, self.pool.scene(entry), Some(place));
            }
            wholes.push_all(&self.picture, self.pool.scene(entry), None);
        }
        let crops = Tensor::f_cat(&crops, 0)?.f_to_kind(self.kind)?;
        let (seen, _) = self.meter.forward(&crops)?;
        let full = self.meter.crop(&pictures, [0.0, 0.0, 1.0, 1.0])?;
        let (_, overall) = self.meter.forward(&full.f_to_kind(self.kind)?)?;
        let subject_loss = subjects.loss(&self.subject, &seen)?;
        let picture_loss = wholes.loss(&self.picture, &overall)?;
        let figures = vec![
            ("subject", figure(&subject_loss)?),
            ("picture", figure(&picture_loss)?),
        ];
        Ok((subject_loss.f_add(&picture_loss)?, figures))
    }
}
