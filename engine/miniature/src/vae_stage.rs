//! Stage 2: the autoencoder, trained on crops first and whole pictures last.

use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::models::vae::{Vae, VaeConfig};
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_engine::{EngineError, Result};

use crate::config::{self, PICTURE_PX};
use crate::pool::Pool;

/// Weight of the Kullback-Leibler term, per latent element: enough to keep the latents smooth.
const KL_WEIGHT: f64 = 2e-4;
/// Side of the training crops, in pixels.
const CROP_PX: i64 = 64;

/// The autoencoder in training.
pub struct VaeTrainer {
    parameters: Vec<(String, Tensor)>,
    vae: Vae,
    pool: Pool,
    crops: usize,
    whole_from: u64,
    rng: ChaCha8Rng,
    kind: Kind,
    device: Device,
}

/// The configuration as the engine's type.
///
/// # Errors
/// The configuration does not parse, which is a defect of this program.
pub fn vae_config() -> anyhow::Result<VaeConfig> {
    serde_json::from_value(config::vae()).context("the miniature's autoencoder configuration")
}

impl VaeTrainer {
    /// A replica with fresh parameters that sees `crops` crops a step, and from step `whole_from`
    /// on as many pixels in whole pictures.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(pool: Pool, crops: usize, whole_from: u64, kind: Kind, device: Device) -> anyhow::Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let vae = Vae::new(&store.root(), &vae_config()?)?;
        let rng = ChaCha8Rng::seed_from_u64(rand::rng().random());
        Ok(Self { parameters: store.named(), vae, pool, crops, whole_from, rng, kind, device })
    }

    fn batch(&mut self, step: u64) -> Result<Tensor> {
        let pool_error = |e: anyhow::Error| EngineError::request("pool", e.to_string());
        let whole = step >= self.whole_from;
        let area = (PICTURE_PX / CROP_PX).pow(2) as usize;
        let count = if whole { (self.crops / area).max(1) } else { self.crops };
        let indices: Vec<usize> =
            (0..count).map(|_| self.rng.random_range(0..self.pool.len())).collect();
        let pictures = self.pool.pictures(&indices).map_err(pool_error)?;
        let pictures = if whole {
            pictures
        } else {
            let mut crops = Vec::with_capacity(count);
            for at in 0..count as i64 {
                let (x, y) = (
                    self.rng.random_range(0..=PICTURE_PX - CROP_PX),
                    self.rng.random_range(0..=PICTURE_PX - CROP_PX),
                );
                crops.push(pictures.f_get(at)?.f_narrow(1, y, CROP_PX)?.f_narrow(2, x, CROP_PX)?);
            }
            Tensor::f_stack(&crops, 0)?
        };
        Ok(pictures.f_to_device(self.device)?)
    }
}

impl Replica for VaeTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let pictures = self.batch(step)?;
        let posterior = self.vae.encode(&pictures.f_to_kind(self.kind)?)?;
        let noise = posterior.mean().f_randn_like()?;
        let decoded = self.vae.decode(&posterior.sample(&noise)?)?.f_to_kind(Kind::Float)?;
        let error = decoded.f_sub(&pictures)?;
        let mean = |t: Tensor| -> Result<Tensor> { Ok(t.f_mean(Kind::Float)?) };
        let l1 = mean(error.f_abs()?)?;
        let l2 = mean(error.f_square()?)?;
        let edge = |dim: i64| -> Result<Tensor> {
            let len = error.size()[dim as usize];
            let change = error.f_narrow(dim, 1, len - 1)?.f_sub(&error.f_narrow(dim, 0, len - 1)?)?;
            mean(change.f_abs()?)
        };
        let edges = edge(2)?.f_add(&edge(3)?)?;
        let kl = mean(posterior.kl()?.f_to_kind(Kind::Float)?)?;
        let loss = l1
            .f_add(&l2.f_mul_scalar(0.3)?)?
            .f_add(&edges.f_mul_scalar(0.5)?)?
            .f_add(&kl.f_mul_scalar(KL_WEIGHT)?)?;
        // Pictures span 2, so a mean square error of e is a PSNR of 10 log10(4 / e).
        let square = f64::try_from(l2.f_detach()?)?;
        let figures = vec![
            ("psnr", 10.0 * (4.0 / square.max(1e-12)).log10()),
            ("kl", f64::try_from(kl.f_detach()?)?),
        ];
        Ok((loss, figures))
    }
}

/// PSNR in dB of `vae`'s reconstruction of pictures `[batch, 3, h, w]` in -1..1, over u8 values.
///
/// # Errors
/// A tensor operation failed.
pub fn reconstruction_psnr(vae: &Vae, pictures: &Tensor) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let decoded = vae.decode(&vae.encode(pictures)?.mean())?;
    let to_u8 = |t: &Tensor| -> Result<Tensor> {
        let t = t.f_clamp(-1.0, 1.0)?.f_add_scalar(1.0)?.f_mul_scalar(127.5)?;
        Ok(t.f_round()?)
    };
    let error = to_u8(&decoded)?.f_sub(&to_u8(pictures)?)?.f_square()?;
    let mean = f64::try_from(error.f_mean(Kind::Float)?)?;
    Ok(10.0 * (255.0 * 255.0 / mean.max(1e-12)).log10())
}
