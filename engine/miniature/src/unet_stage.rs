//! Stage 3: the U-Net, on frozen text embeddings and stored latents.
//!
//! Velocity prediction (arXiv 2202.00512) with zero terminal SNR (arXiv 2305.08891), weighted
//! min(SNR, 5) / (SNR + 1) (arXiv 2303.09556), captions dropped a tenth of the time for guidance.

use anyhow::Context;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::models::clip::ClipTextModel;
use vernier_engine::models::unet::{UNet, UNetConfig};
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_engine::{EngineError, Result};
use vernier_world::Caption;

use crate::config::{self, MAX_TOKENS};
use crate::data::{Captioner, varied_caption};
use crate::pool::Pool;

/// Fraction of captions replaced by the empty one.
const CAPTION_DROPOUT: f64 = 0.1;
/// Cap of the signal-to-noise ratio in the loss weight.
const SNR_CAP: f64 = 5.0;

/// The U-Net in training.
pub struct UNetTrainer {
    parameters: Vec<(String, Tensor)>,
    unet: UNet,
    text: ClipTextModel,
    captioner: Captioner,
    pool: Pool,
    latents: Tensor,
    alphas_cumprod: Tensor,
    batch: usize,
    rng: ChaCha8Rng,
    kind: Kind,
    device: Device,
}

/// The configuration as the engine's type.
///
/// # Errors
/// The configuration does not parse, which is a defect of this program.
pub fn unet_config() -> anyhow::Result<UNetConfig> {
    serde_json::from_value(config::unet()).context("the miniature's U-Net configuration")
}

/// ᾱ of the scaled-linear schedule, rescaled so that the last one is zero, `[1000]` in fp64.
pub fn alphas_cumprod() -> Vec<f64> {
    let (start, end) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
    let mut product = 1.0;
    let roots: Vec<f64> = (0..1000)
        .map(|i| {
            let beta = (start + (end - start) * i as f64 / 999.0).powi(2);
            product *= 1.0 - beta;
            f64::sqrt(product)
        })
        .collect();
    let (first, last) = (roots[0], roots[999]);
    roots.iter().map(|r| ((r - last) * first / (first - last)).powi(2)).collect()
}

/// What a [`UNetTrainer`] is made of.
#[derive(Debug)]
pub struct UNetData {
    /// The scenes, for captions.
    pub pool: Pool,
    /// Scaled latents of the pool, `[pictures, channels, 16, 16]`.
    pub latents: Tensor,
    /// The frozen text tower.
    pub text: ClipTextModel,
    /// Captions to ids.
    pub captioner: Captioner,
}

impl UNetTrainer {
    /// A replica with fresh parameters.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(data: UNetData, batch: usize, kind: Kind, device: Device) -> anyhow::Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let unet = UNet::new(&store.root(), &unet_config()?)?;
        let table = Tensor::from_slice(&alphas_cumprod()).f_to_kind(Kind::Float)?;
        Ok(Self {
            parameters: store.named(),
            unet,
            text: data.text,
            captioner: data.captioner,
            pool: data.pool,
            latents: data.latents,
            alphas_cumprod: table.f_to_device(device)?,
            batch,
            rng: ChaCha8Rng::seed_from_u64(rand::rng().random()),
            kind,
            device,
        })
    }

    fn context(&mut self, indices: &[usize]) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let captions: Vec<Caption> = indices
            .iter()
            .map(|&i| {
                if self.rng.random_bool(CAPTION_DROPOUT) {
                    Caption { text: String::new(), nouns: Vec::new(), named: Vec::new() }
                } else {
                    varied_caption(self.pool.scene(i), &mut self.rng)
                }
            })
            .collect();
        let ids = self.captioner.batch(&captions, Some(MAX_TOKENS))?.ids.f_to_device(self.device)?;
        Ok(self.text.forward(&ids)?.last_hidden_state.f_to_kind(self.kind)?)
    }
}

impl Replica for UNetTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let indices: Vec<usize> =
            (0..self.batch).map(|_| self.rng.random_range(0..self.pool.len())).collect();
        let context = self.context(&indices)?;
        let rows: Vec<i64> = indices.iter().map(|&i| i as i64).collect();
        let x0 = self
            .latents
            .f_index_select(0, &Tensor::from_slice(&rows))?
            .f_to_kind(Kind::Float)?
            .f_to_device(self.device)?;
        let steps: Vec<i64> = (0..self.batch).map(|_| self.rng.random_range(0..1000)).collect();
        let timesteps = Tensor::from_slice(&steps).f_to_device(self.device)?;
        let alpha_bar = self.alphas_cumprod.f_index_select(0, &timesteps)?.f_view([-1, 1, 1, 1])?;
        let signal = alpha_bar.f_sqrt()?;
        let sigma = alpha_bar.f_neg()?.f_add_scalar(1.0)?.f_sqrt()?;
        let noise = x0.f_randn_like()?;
        let noisy = x0.f_mul(&signal)?.f_add(&noise.f_mul(&sigma)?)?;
        let velocity = noise.f_mul(&signal)?.f_sub(&x0.f_mul(&sigma)?)?;

        let text = self.unet.text_context(&context)?;
        let predicted = self
            .unet
            .forward(&noisy.f_to_kind(self.kind)?, &timesteps.f_to_kind(Kind::Float)?, &text, None, None)?
            .f_to_kind(Kind::Float)?;
        let dims = [1_i64, 2, 3];
        let error =
            predicted.f_sub(&velocity)?.f_square()?.f_mean_dim(dims.as_slice(), false, Kind::Float)?;
        let alpha_bar = alpha_bar.f_view([-1])?;
        let snr = alpha_bar.f_div(&alpha_bar.f_neg()?.f_add_scalar(1.0)?.f_clamp_min(1e-8)?)?;
        let weight = snr.f_clamp_max(SNR_CAP)?.f_div(&snr.f_add_scalar(1.0)?)?;
        // min(SNR, 5)/(SNR + 1) vanishes where all is noise; a floor keeps layout learning there.
        let weight = weight.f_clamp_min(0.1)?;
        let loss = error.f_mul(&weight)?.f_mean(Kind::Float)?;
        if !f64::try_from(loss.f_detach()?)?.is_finite() {
            return Err(EngineError::NotFinite {
                place: "U-Net training".to_owned(),
                problem: "the loss is not finite; resume from the last saved state with a lower learning rate".to_owned(),
            });
        }
        let plain = f64::try_from(error.f_detach()?.f_mean(Kind::Float)?)?;
        Ok((loss, vec![("v_mse", plain)]))
    }
}
