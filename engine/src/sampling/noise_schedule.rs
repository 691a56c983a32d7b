//! Cumulative alphas and sigmas over the training timesteps.

use tch::{Device, Kind, Tensor};

use super::{BetaSchedule, SchedulerConfig};
use crate::Result;

/// The noise that a model was trained with, timestep by timestep.
///
/// Computed in fp32 in the order of operations that diffusers uses: near zero terminal SNR the
/// rounding of the cumulative product is as large as the value, so exact arithmetic would differ.
#[derive(Debug, Clone, PartialEq)]
pub struct NoiseSchedule {
    alphas_cumprod: Vec<f32>,
}

/// What diffusers puts for the last cumulative alpha of a zero-SNR schedule in sigma samplers.
const SMALLEST_ALPHA_CUMPROD: f32 = 1.0 / 16_777_216.0;

impl NoiseSchedule {
    /// The schedule of `config`, rescaled to zero terminal SNR where it asks for that.
    ///
    /// # Errors
    /// A tensor operation failed.
    pub fn new(config: &SchedulerConfig) -> Result<Self> {
        Self::with_betas(config, 0.0001, 0.02, config.rescale_betas_zero_snr)
    }

    /// The same with the defaults that diffusers' LCM has.
    pub(super) fn for_lcm(config: &SchedulerConfig) -> Result<Self> {
        let mut config = config.clone();
        config
            .beta_schedule
            .get_or_insert(BetaSchedule::ScaledLinear);
        Self::with_betas(&config, 0.00085, 0.012, config.rescale_betas_zero_snr)
    }

    /// The same without the rescaling, for the samplers whose diffusers class ignores that field.
    pub(super) fn never_rescaled(config: &SchedulerConfig) -> Result<Self> {
        Self::with_betas(config, 0.0001, 0.02, false)
    }

    /// The same with the default betas that diffusers' second-order samplers of k-diffusion's kind
    /// have, which ignore that field.
    pub(super) fn for_second_order(config: &SchedulerConfig) -> Result<Self> {
        Self::with_betas(config, 0.00085, 0.012, false)
    }

    fn with_betas(config: &SchedulerConfig, start: f64, end: f64, zero_snr: bool) -> Result<Self> {
        let start = config.beta_start.unwrap_or(start);
        let end = config.beta_end.unwrap_or(end);
        let count = config.num_train_timesteps as i64;
        let fp32 = (Kind::Float, Device::Cpu);
        let mut betas = match (
            &config.trained_betas,
            config.beta_schedule.unwrap_or_default(),
        ) {
            (Some(betas), _) => Tensor::f_from_slice(betas)?.f_to_kind(Kind::Float)?,
            (None, BetaSchedule::Linear) => Tensor::f_linspace(start, end, count, fp32)?,
            (None, BetaSchedule::ScaledLinear) => {
                Tensor::f_linspace(start.sqrt(), end.sqrt(), count, fp32)?.f_square()?
            }
            (None, BetaSchedule::SquaredcosCapV2) => {
                Tensor::f_from_slice(&cosine_betas(config.num_train_timesteps))?
                    .f_to_kind(Kind::Float)?
            }
        };
        if zero_snr {
            betas = rescale_zero_terminal_snr(&betas)?;
        }
        let alphas_cumprod = one_minus(&betas)?.f_cumprod(0, Kind::Float)?;
        Ok(Self {
            alphas_cumprod: Vec::<f32>::try_from(&alphas_cumprod)?,
        })
    }

    /// ᾱ of every training timestep, falling from nearly 1; the last is 0 at zero terminal SNR.
    pub fn alphas_cumprod(&self) -> &[f32] {
        &self.alphas_cumprod
    }

    /// ᾱ at `timestep`, linear between the trained timesteps and held at the ends.
    pub fn alpha_bar_at(&self, timestep: f64) -> f64 {
        let last = self.alphas_cumprod.len().saturating_sub(1);
        let timestep = timestep.clamp(0.0, last as f64);
        let (below, part) = (timestep.floor() as usize, timestep.fract());
        let at = |i: usize| {
            self.alphas_cumprod
                .get(i.min(last))
                .map_or(0.0, |&a| f64::from(a))
        };
        at(below) + part * (at(below + 1) - at(below))
    }

    /// σ = √((1−ᾱ)/ᾱ) of every training timestep, rising, and finite at zero terminal SNR.
    pub fn sigmas(&self) -> Vec<f32> {
        self.alphas_cumprod
            .iter()
            .map(|&alpha| {
                if alpha == 0.0 {
                    SMALLEST_ALPHA_CUMPROD
                } else {
                    alpha
                }
            })
            .map(|alpha| ((1.0 - alpha) / alpha).sqrt())
            .collect()
    }
}

fn one_minus(values: &Tensor) -> Result<Tensor> {
    Ok(values.f_neg()?.f_add_scalar(1.0)?)
}

/// Nichol and Dhariwal (2021), equation 17, with beta at most 0.999.
fn cosine_betas(count: usize) -> Vec<f64> {
    let alpha_bar = |t: f64| {
        ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2)
            .cos()
            .powi(2)
    };
    let total = count as f64;
    (0..count)
        .map(|i| (1.0 - alpha_bar((i + 1) as f64 / total) / alpha_bar(i as f64 / total)).min(0.999))
        .collect()
}

/// Lin et al. (2023), algorithm 1: shifts and scales √ᾱ so that its last value is 0.
fn rescale_zero_terminal_snr(betas: &Tensor) -> Result<Tensor> {
    let root = one_minus(betas)?.f_cumprod(0, Kind::Float)?.f_sqrt()?;
    let first = root.f_narrow(0, 0, 1)?;
    let last = root.f_narrow(0, -1, 1)?;
    let scale = first.f_div(&first.f_sub(&last)?)?;
    let alphas_bar = root.f_sub(&last)?.f_mul(&scale)?.f_square()?;
    let count = alphas_bar.size()[0];
    let ratios = alphas_bar
        .f_narrow(0, 1, count - 1)?
        .f_div(&alphas_bar.f_narrow(0, 0, count - 1)?)?;
    one_minus(&Tensor::f_cat(&[alphas_bar.f_narrow(0, 0, 1)?, ratios], 0)?)
}
