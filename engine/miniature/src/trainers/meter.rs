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

/// One in this many pictures goes through the autoencoder, which costs more than the meter.
const SOFTENED: i64 = 8;

/// The meter in training.
#[derive(Debug)]
pub struct MeterTrainer {
    parameters: Vec<(String, Tensor)>,
    meter: AttributeMeter,
    vae: Option<Vae>,
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
            pool,
            subject: HeadLayout::subject(),
            picture: HeadLayout::picture(),
            batch,
            rng: fresh_rng(),
            kind,
            device,
        })
    }

    /// Pictures with the small faults of generated ones.
    fn soften(&mut self, pictures: &Tensor) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let count = pictures.size()[0];
        let softened = count / SOFTENED;
        let mut out = pictures.shallow_clone();
        if let Some(vae) = self.vae.as_ref().filter(|_| softened > 0) {
            let posterior = vae.encode(&pictures.f_narrow(0, 0, softened)?)?;
            let latents = posterior.mean();
            let strength = self.rng.random_range(0.0..LATENT_NOISE);
            let noise = latents.f_randn_like()?.f_mul_scalar(strength)?;
            let again = vae.decode(&latents.f_add(&noise)?)?.f_clamp(-1.0, 1.0)?;
            out = Tensor::f_cat(
                &[again, pictures.f_narrow(0, softened, count - softened)?],
                0,
            )?;
        }
        let strength = self.rng.random_range(0.0..PIXEL_NOISE);
        Ok(out.f_add(&out.f_randn_like()?.f_mul_scalar(strength)?)?)
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
        let entries = self.pool.choose(&mut self.rng, self.batch);
        let pictures = self.pool.pictures(&entries)?.f_to_device(self.device)?;
        let pictures = self.soften(&pictures)?;
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
