//! The autoencoder, trained on crops first and whole pictures last.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::vae::Vae;
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;

use super::fresh_rng;
use crate::config::{self, PICTURE_PX};
use crate::loss::figure;
use crate::metrics::psnr_db;
use crate::pool::Pool;

/// Weight of the squared error, against the absolute one.
const SQUARE_WEIGHT: f64 = 0.3;
/// Weight of the absolute error of horizontal and vertical changes: crisp edges.
const EDGE_WEIGHT: f64 = 0.5;
/// Weight of the Kullback-Leibler term, per latent element: enough to keep the latents smooth.
const KL_WEIGHT: f64 = 2e-4;
/// Side of the training crops, in pixels.
const CROP_PX: i64 = 64;
/// Pictures that a measurement decodes at once.
const MEASURED_AT_ONCE: i64 = 32;

/// The autoencoder in training.
#[derive(Debug)]
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

impl VaeTrainer {
    /// A replica with fresh parameters that sees `crops` crops a step, and from step `whole_from`
    /// on as many pixels in whole pictures.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(
        pool: Pool,
        crops: usize,
        whole_from: u64,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let vae = Vae::new(&store.root(), &config::vae_config()?)?;
        Ok(Self {
            parameters: store.named(),
            vae,
            pool,
            crops,
            whole_from,
            rng: fresh_rng(),
            kind,
            device,
        })
    }

    fn batch(&mut self, step: u64) -> Result<Tensor> {
        if step >= self.whole_from {
            let area = (PICTURE_PX / CROP_PX).pow(2) as usize;
            let whole = self.pool.choose(&mut self.rng, (self.crops / area).max(1));
            return Ok(self.pool.pictures(&whole)?.f_to_device(self.device)?);
        }
        let chosen = self.pool.choose(&mut self.rng, self.crops);
        let pictures = self.pool.pictures(&chosen)?;
        let mut crops = Vec::with_capacity(self.crops);
        for at in 0..self.crops as i64 {
            let mut edge = || self.rng.random_range(0..=PICTURE_PX - CROP_PX);
            let (x, y) = (edge(), edge());
            let picture = pictures.f_get(at)?;
            crops.push(picture.f_narrow(1, y, CROP_PX)?.f_narrow(2, x, CROP_PX)?);
        }
        Ok(Tensor::f_stack(&crops, 0)?.f_to_device(self.device)?)
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
        let decoded = self.vae.decode(&posterior.sample(&noise)?)?;
        let error = decoded.f_to_kind(Kind::Float)?.f_sub(&pictures)?;
        let mean = |t: &Tensor| t.f_mean(Kind::Float);
        let square = mean(&error.f_square()?)?;
        let edges = mean_change(&error, 2)?.f_add(&mean_change(&error, 3)?)?;
        let kl = mean(&posterior.kl()?.f_to_kind(Kind::Float)?)?;
        let loss = mean(&error.f_abs()?)?
            .f_add(&square.f_mul_scalar(SQUARE_WEIGHT)?)?
            .f_add(&edges.f_mul_scalar(EDGE_WEIGHT)?)?
            .f_add(&kl.f_mul_scalar(KL_WEIGHT)?)?;
        // Pictures span -1..1.
        let figures = vec![
            ("psnr", psnr_db(figure(&square)?, 2.0)),
            ("kl", figure(&kl)?),
        ];
        Ok((loss, figures))
    }
}

/// Mean absolute difference of neighbours along `dim`.
fn mean_change(x: &Tensor, dim: i64) -> Result<Tensor> {
    let len = x.size()[dim as usize];
    let change = x
        .f_narrow(dim, 1, len - 1)?
        .f_sub(&x.f_narrow(dim, 0, len - 1)?)?;
    Ok(change.f_abs()?.f_mean(Kind::Float)?)
}

/// PSNR in dB of `vae`'s reconstruction of pictures `[batch, 3, h, w]` in -1..1, over u8 values.
///
/// # Errors
/// A tensor operation failed.
pub fn reconstruction_psnr(vae: &Vae, pictures: &Tensor) -> Result<f64> {
    let _guard = tch::no_grad_guard();
    let levels = |t: &Tensor| -> Result<Tensor> {
        let t = t.f_clamp(-1.0, 1.0)?.f_add_scalar(1.0)?;
        Ok(t.f_mul_scalar(127.5)?.f_round()?)
    };
    let mut sum = 0.0;
    for part in pictures.f_split(MEASURED_AT_ONCE, 0)? {
        let decoded = vae.decode(vae.encode(&part)?.mean())?;
        let error = levels(&decoded)?.f_sub(&levels(&part)?)?.f_square()?;
        sum += figure(&error.f_sum(Kind::Double)?)?;
    }
    Ok(psnr_db(sum / pictures.numel() as f64, 255.0))
}
