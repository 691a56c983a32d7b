//! Guidance by a meter, without training: the predicted clean picture is pushed towards a reading.
//!
//! The image form of classifier guidance on the predicted clean sample (Universal Guidance,
//! arXiv 2302.07121, forward guidance): the gradient flows through meter and decoder, not through
//! the U-Net.

use tch::{Kind, Tensor};

use crate::measure::{Meter, Place};
use crate::models::vae::Vae;
use crate::sampling::{NoiseSchedule, PredictionType};
use crate::{EngineError, Result};

/// One attribute and the reading that it shall have.
#[derive(Debug, Clone)]
pub(super) struct MeterPush {
    pub(super) attribute: String,
    /// Whose; `None` for the whole picture.
    pub(super) place: Option<Place>,
    /// The reading to reach, 0..1.
    pub(super) target: f64,
    /// How far each step goes, as a part of the distance to the target.
    pub(super) strength: f64,
}

/// The largest change of the clean latents in one step, as a part of their own root mean square:
/// a gradient near zero would otherwise ask for anything.
const LARGEST_STEP: f64 = 0.3;

/// What a push needs to know about the model.
pub(super) struct PushedModel<'a> {
    pub(super) vae: &'a Vae,
    pub(super) meter: &'a dyn Meter,
    pub(super) noise: &'a NoiseSchedule,
    pub(super) prediction: PredictionType,
}

impl PushedModel<'_> {
    /// The model output, changed so that the clean latents that it means read more like the
    /// targets. `input` is what the U-Net saw at `timestep`, `[1, channels, h, w]`, and `output`
    /// what it said, both in fp32.
    pub(super) fn pushed(
        &self,
        output: &Tensor,
        input: &Tensor,
        timestep: f64,
        pushes: &[MeterPush],
    ) -> Result<Tensor> {
        let alpha_bar = self.noise.alpha_bar_at(timestep);
        let (alpha, sigma) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        // Where nothing but noise is left there is no picture to read.
        if alpha < 1e-3 || sigma < 1e-6 {
            return Ok(output.shallow_clone());
        }
        let mut clean = self.prediction.clean(output, input, alpha, sigma)?;
        for push in pushes {
            let step = self.step(&clean, push)?;
            // Early pictures are guesses: they are pushed by as much as they are worth.
            clean = clean.f_add(&step.f_mul_scalar(alpha * push.strength)?)?;
        }
        self.prediction.output_of(&clean, input, alpha, sigma)
    }

    /// The change of `clean` that would bring the reading to the target if the meter were linear.
    fn step(&self, clean: &Tensor, push: &MeterPush) -> Result<Tensor> {
        let (reading, gradient) = tch::with_grad(|| -> Result<(f64, Tensor)> {
            let clean = clean.f_detach()?.f_set_requires_grad(true)?;
            let picture = self.vae.decode(&self.vae.unscale(&clean)?)?;
            let picture = picture.f_clamp(-1.0, 1.0)?.f_to_kind(Kind::Float)?;
            let score = self.meter.score(&picture, &push.attribute, push.place)?;
            let score = score.f_sum(Kind::Float)?;
            let gradient = Tensor::f_run_backward(&[&score], &[&clean], false, false)?;
            let reading = f64::try_from(score.f_detach()?)?;
            let gradient = gradient.into_iter().next();
            let gradient =
                gradient.ok_or_else(|| EngineError::request("meter", "has no gradient"))?;
            Ok((reading, gradient))
        })?;
        let square = f64::try_from(gradient.f_square()?.f_sum(Kind::Double)?)?;
        let own = f64::try_from(clean.f_square()?.f_sum(Kind::Double)?)?.sqrt();
        if square <= f64::MIN_POSITIVE {
            return Ok(clean.f_zeros_like()?);
        }
        // Newton's step for one number along its gradient, held to a sane length.
        let factor = (push.target - reading) / square;
        let longest = LARGEST_STEP * own / square.sqrt();
        Ok(gradient.f_mul_scalar(factor.clamp(-longest, longest))?)
    }
}
