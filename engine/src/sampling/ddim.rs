//! DDIM (arXiv 2010.02502) without noise, as diffusers' `DDIMScheduler` with eta 0.

use tch::Tensor;

use super::{
    NoiseLevel, NoiseSchedule, PredictionType, Sampler, SamplerName, Schedule, SchedulerConfig,
    TimestepSpacing, at, blend, config::Family, in_fp32, spacing::whole_timesteps, too_many_steps,
};
use crate::Result;

/// The cumulative alphas that one step goes from and to.
pub(super) type AlphaPair = (f64, f64);

/// DDIM, with eta 0.
pub(super) struct Ddim {
    schedule: Schedule,
    alphas: Vec<AlphaPair>,
    prediction_type: PredictionType,
    /// Bound of the predicted clean sample, where it is clipped.
    clip: Option<f64>,
}

impl Ddim {
    pub(super) fn new(config: &SchedulerConfig, steps: usize) -> Result<Self> {
        config.check(&[Family::Thresholding])?;
        let noise = NoiseSchedule::new(config)?;
        let spacing = config.timestep_spacing.unwrap_or(TimestepSpacing::Leading);
        let timesteps = whole_timesteps(spacing, config, steps);
        let distance = (config.num_train_timesteps / steps) as i64;
        let alphas = timesteps
            .iter()
            .map(|&t| {
                alpha_pair(
                    &noise,
                    config.set_alpha_to_one.unwrap_or(true),
                    t,
                    t - distance,
                )
            })
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| too_many_steps(steps, config, SamplerName::Ddim))?;
        let starts_at_pure_noise = alphas.iter().any(|&(alpha, _)| alpha == 0.0);
        if starts_at_pure_noise && config.prediction_type == PredictionType::Epsilon {
            return Err(config.bad(
                "rescale_betas_zero_snr",
                "is true, but a model that predicts epsilon cannot start from pure noise; \
                 use v_prediction or leading spacing",
            ));
        }
        Ok(Self {
            schedule: Schedule {
                timesteps: timesteps.iter().map(|&t| t as f64).collect(),
                sigmas: Vec::new(),
                init_noise_sigma: 1.0,
                levels: alphas
                    .iter()
                    .map(|&(from, _)| NoiseLevel::of_alpha(from))
                    .collect(),
            },
            alphas,
            prediction_type: config.prediction_type,
            clip: config
                .clip_sample
                .unwrap_or(true)
                .then_some(config.clip_sample_range),
        })
    }
}

impl Ddim {
    /// Leaves out the first `steps` steps.
    pub(super) fn skip(mut self, steps: usize) -> Self {
        self.schedule.skip(steps);
        self.alphas.drain(..steps.min(self.alphas.len()));
        self
    }
}

/// ᾱ at timesteps `from` and `to`, where a negative `to` means the end of the walk; None when the
/// training had no such timestep.
pub(super) fn alpha_pair(
    noise: &NoiseSchedule,
    set_alpha_to_one: bool,
    from: i64,
    to: i64,
) -> Option<AlphaPair> {
    let alphas = noise.alphas_cumprod();
    let look_up = |t: i64| Some(f64::from(*alphas.get(usize::try_from(t).ok()?)?));
    let to = match (to < 0, set_alpha_to_one) {
        (false, _) => look_up(to)?,
        (true, true) => 1.0,
        (true, false) => look_up(0)?,
    };
    Some((look_up(from)?, to))
}

impl Sampler for Ddim {
    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor> {
        at(&self.schedule.timesteps, i)?;
        Ok(sample.f_to_kind(tch::Kind::Float)?)
    }

    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        _: Option<&Tensor>,
    ) -> Result<Tensor> {
        let (from, to) = at(&self.alphas, i)?;
        let (output, sample) = in_fp32(model_output, sample)?;
        let (alpha, sigma) = (from.sqrt(), (1.0 - from).sqrt());
        let mut clean = self.prediction_type.clean(&output, &sample, alpha, sigma)?;
        let epsilon = self
            .prediction_type
            .epsilon(&output, &sample, alpha, sigma)?;
        if let Some(range) = self.clip {
            clean = clean.f_clamp(-range, range)?;
        }
        blend(to.sqrt(), &clean, (1.0 - to).sqrt(), &epsilon)
    }
}
