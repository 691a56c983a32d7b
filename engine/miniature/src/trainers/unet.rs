//! The U-Net, on frozen text embeddings and stored latents.
//!
//! Velocity prediction (arXiv 2202.00512) with zero terminal SNR (arXiv 2305.08891), weighted
//! min(SNR, 5) / (SNR + 1) (arXiv 2303.09556), captions dropped a tenth of the time for guidance
//! (arXiv 2207.12598).

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};
use vernier_engine::Result;
use vernier_engine::models::clip::ClipTextModel;
use vernier_engine::models::unet::UNet;
use vernier_engine::sampling::NoiseSchedule;
use vernier_engine::train::{Replica, shallow};
use vernier_engine::weights::ParamStore;
use vernier_world::{Caption, SampleOptions};

use super::fresh_rng;
use crate::captions::{Captioner, no_caption, varied_caption};
use crate::config::{self, MAX_TOKENS, PICTURE_PX};
use crate::loss::figure;
use crate::pool::{Pool, held_out_scene, rows};

/// Fraction of captions replaced by the empty one.
const CAPTION_DROPOUT: f64 = 0.1;
/// Cap of the signal-to-noise ratio in the loss weight.
const SNR_CAP: f64 = 5.0;
/// The smallest loss weight: it would vanish where all is noise, and layout is learnt there.
const LEAST_WEIGHT: f64 = 0.1;

/// Weight of the cells where subjects' faces and fronts are, against all others: a smile or
/// glasses fill a handful of cells. A weight that depends on the place alone leaves the best
/// prediction what it is and spends more of the network on it.
const FRONT_WEIGHT: f64 = 3.0;
/// Part of a subject's region, about its centre, that counts as its front.
const FRONT_PART: f32 = 0.6;

/// The U-Net in training.
pub struct UNetTrainer {
    parameters: Vec<(String, Tensor)>,
    unet: UNet,
    data: UNetData,
    alphas_cumprod: Tensor,
    /// Weights of the cells with one subject and with two, `[2, 1, h, w]`.
    cell_weights: Tensor,
    batch: usize,
    rng: ChaCha8Rng,
    kind: Kind,
    device: Device,
}

/// What a [`UNetTrainer`] learns from.
#[derive(Debug)]
pub struct UNetData {
    /// The scenes, for captions.
    pub pool: Pool,
    /// Scaled latents of the pool, `[pictures, channels, h, w]`.
    pub latents: Tensor,
    /// The frozen text tower.
    pub text: ClipTextModel,
    /// Captions to ids.
    pub captioner: Captioner,
}

impl UNetTrainer {
    /// A replica with fresh parameters that sees `batch` pictures a step.
    ///
    /// # Errors
    /// Memory runs out.
    pub fn new(data: UNetData, batch: usize, kind: Kind, device: Device) -> Result<Self> {
        let store = ParamStore::fresh(kind, device);
        let unet = UNet::new(&store.root(), &config::unet_config()?)?;
        let schedule = NoiseSchedule::new(&config::scheduler_config()?)?;
        let alphas_cumprod = Tensor::f_from_slice(schedule.alphas_cumprod())?;
        let side = data.latents.size4()?.3;
        Ok(Self {
            parameters: store.named(),
            unet,
            data,
            alphas_cumprod: alphas_cumprod.f_to_device(device)?,
            cell_weights: cell_weights(side)?.f_to_device(device)?,
            batch,
            rng: fresh_rng(),
            kind,
            device,
        })
    }

    /// Text embeddings of fresh captions, `[batch, 77, width]`.
    fn context(&mut self, entries: &[usize]) -> Result<Tensor> {
        let _guard = tch::no_grad_guard();
        let captions: Vec<Caption> = entries
            .iter()
            .map(|&i| {
                if self.rng.random_bool(CAPTION_DROPOUT) {
                    no_caption()
                } else {
                    varied_caption(self.data.pool.scene(i), &mut self.rng)
                }
            })
            .collect();
        let tokens = self.data.captioner.batch(&captions, Some(MAX_TOKENS))?;
        let text = self
            .data
            .text
            .forward(&tokens.ids.f_to_device(self.device)?)?;
        Ok(text.last_hidden_state.f_to_kind(self.kind)?)
    }

    /// Weights of the cells of each of `entries`, `[batch, 1, h, w]`.
    fn cell_weights_of(&self, entries: &[usize]) -> Result<Tensor> {
        let subjects: Vec<usize> = entries
            .iter()
            .map(|&i| self.data.pool.scene(i).subjects.len() - 1)
            .collect();
        let maps = rows(&subjects)?.f_to_device(self.device)?;
        Ok(self.cell_weights.f_index_select(0, &maps)?)
    }
}

impl Replica for UNetTrainer {
    fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.parameters)
    }

    fn loss(&mut self, _step: u64) -> Result<(Tensor, Vec<(&'static str, f64)>)> {
        let entries = self.data.pool.choose(&mut self.rng, self.batch);
        let context = self.context(&entries)?;
        let latents = self.data.latents.f_index_select(0, &rows(&entries)?)?;
        let x0 = latents.f_to_kind(Kind::Float)?.f_to_device(self.device)?;
        let last = self.alphas_cumprod.size()[0];
        let steps: Vec<i64> = (0..self.batch)
            .map(|_| self.rng.random_range(0..last))
            .collect();
        let timesteps = Tensor::f_from_slice(&steps)?.f_to_device(self.device)?;
        let alpha_bar = self.alphas_cumprod.f_index_select(0, &timesteps)?;
        let per_picture = alpha_bar.f_view([-1, 1, 1, 1])?;
        let signal = per_picture.f_sqrt()?;
        let sigma = one_minus(&per_picture)?.f_sqrt()?;
        let noise = x0.f_randn_like()?;
        let noisy = x0.f_mul(&signal)?.f_add(&noise.f_mul(&sigma)?)?;
        let velocity = noise.f_mul(&signal)?.f_sub(&x0.f_mul(&sigma)?)?;

        let text = self.unet.text_context(&context)?;
        let noisy = noisy.f_to_kind(self.kind)?;
        let timesteps = timesteps.f_to_kind(Kind::Float)?;
        let predicted = self.unet.forward(&noisy, &timesteps, &text, None, None)?;
        let error = predicted.f_to_kind(Kind::Float)?.f_sub(&velocity)?;
        let dims = [1_i64, 2, 3];
        let square = error.f_square()?;
        let weighted = square.f_mul(&self.cell_weights_of(&entries)?)?.f_mean_dim(
            dims.as_slice(),
            false,
            Kind::Float,
        )?;
        let loss = weighted.f_mul(&weights(&alpha_bar)?)?.f_mean(Kind::Float)?;
        let plain = figure(&square.f_mean(Kind::Float)?)?;
        Ok((loss, vec![("v_mse", plain)]))
    }
}

/// Weights of the cells in pictures of one subject and of two, `[2, 1, side, side]`, each with
/// mean 1.
fn cell_weights(cells: i64) -> Result<Tensor> {
    let side = cells as usize;
    let cell_px = PICTURE_PX as f32 / side as f32;
    let mut values = Vec::with_capacity(2 * side * side);
    for two_subjects in [0.0, 1.0] {
        // Regions belong to the places, not to who stands there: any scene tells them.
        let options = SampleOptions {
            two_subjects,
            ..SampleOptions::default()
        };
        let scene = held_out_scene(0, &options);
        let fronts: Vec<[f32; 4]> = (0..scene.subjects.len())
            .map(|at| {
                let [left, top, right, bottom] = scene.region(at);
                let (x, y) = (f32::midpoint(left, right), f32::midpoint(top, bottom));
                let half = |a: f32, b: f32| (b - a) / 2.0 * FRONT_PART;
                let (dx, dy) = (half(left, right), half(top, bottom));
                [x - dx, y - dy, x + dx, y + dy]
            })
            .collect();
        let centre = |cell: usize| (cell as f32 + 0.5) * cell_px;
        let map: Vec<f64> = (0..side * side)
            .map(|i| {
                let (x, y) = (centre(i % side), centre(i / side));
                let inside = |f: &[f32; 4]| f[0] <= x && x <= f[2] && f[1] <= y && y <= f[3];
                if fronts.iter().any(inside) {
                    FRONT_WEIGHT
                } else {
                    1.0
                }
            })
            .collect();
        let mean = map.iter().sum::<f64>() / map.len() as f64;
        values.extend(map.iter().map(|weight| (weight / mean) as f32));
    }
    Ok(Tensor::f_from_slice(&values)?.f_view([2, 1, cells, cells])?)
}

/// Loss weights for cumulative alphas `[batch]`.
fn weights(alpha_bar: &Tensor) -> Result<Tensor> {
    let snr = alpha_bar.f_div(&one_minus(alpha_bar)?.f_clamp_min(1e-8)?)?;
    let weight = snr.f_clamp_max(SNR_CAP)?.f_div(&snr.f_add_scalar(1.0)?)?;
    Ok(weight.f_clamp_min(LEAST_WEIGHT)?)
}

fn one_minus(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_neg()?.f_add_scalar(1.0)?)
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};
    use vernier_engine::sampling::NoiseSchedule;

    use super::{cell_weights, weights};
    use crate::config;

    #[test]
    fn faces_weigh_more_than_corners_and_the_mean_is_one() {
        let maps = cell_weights(16).unwrap();
        assert_eq!(maps.size(), [2, 1, 16, 16]);
        for subjects in 0..2 {
            let map = maps.get(subjects);
            assert!((map.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 1e-5);
            let face = if subjects == 0 { 7 } else { 4 };
            let at = |y, x| map.double_value(&[0, y, x]);
            assert!((at(8, face) / at(0, 0) - 3.0).abs() < 1e-5);
        }
    }

    #[test]
    fn training_knows_the_noise_that_the_exported_scheduler_describes() {
        let schedule = NoiseSchedule::new(&config::scheduler_config().unwrap()).unwrap();
        // ᾱ of the scaled-linear schedule, √ᾱ then shifted and scaled to end at zero, in fp64.
        let (start, end) = (0.00085_f64.sqrt(), 0.012_f64.sqrt());
        let mut product = 1.0;
        let roots: Vec<f64> = (0..1000)
            .map(|i| {
                let beta = (start + (end - start) * f64::from(i) / 999.0).powi(2);
                product *= 1.0 - beta;
                f64::sqrt(product)
            })
            .collect();
        let (first, last) = (roots[0], roots[999]);
        assert_eq!(schedule.alphas_cumprod().len(), 1000);
        for (got, root) in schedule.alphas_cumprod().iter().zip(&roots) {
            let want = ((root - last) * first / (first - last)).powi(2);
            assert!((f64::from(*got) - want).abs() < 1e-5, "{got} {want}");
        }
        assert!(schedule.alphas_cumprod()[999].abs() < 1e-12);
    }

    #[test]
    fn weights_follow_the_capped_signal_to_noise_ratio_and_never_vanish() {
        // SNR 0, 1, 5 and 99.
        let alphas = Tensor::from_slice(&[0.0_f32, 0.5, 5.0 / 6.0, 0.99]);
        let got: Vec<f32> = Vec::try_from(weights(&alphas).unwrap()).unwrap();
        for (got, want) in got.iter().zip([0.1, 0.5, 5.0 / 6.0, 0.1]) {
            assert!((got - want).abs() < 1e-4, "{got} {want}");
        }
    }
}
