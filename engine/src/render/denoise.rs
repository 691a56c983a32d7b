//! From noise to latents.

use tch::{Device, Kind, Tensor};

use super::pixels::is_finite;
use super::{Flow, OnStep, Plan, StepAhead};
use crate::models::unet::{TextContext, UNet};
use crate::sampling::{Guidance, ImageNoise};
use crate::{EngineError, Result};

/// What stays the same over all calls of one picture.
pub(super) struct Denoiser<'a> {
    pub(super) unet: &'a UNet,
    /// Batch 2 (negative, positive) under guidance, batch 1 without.
    pub(super) context: &'a TextContext,
    pub(super) kind: Kind,
    pub(super) device: Device,
}

impl Denoiser<'_> {
    /// Walks `plan` and gives the final latents in fp32, `[1, channels, h, w]`.
    ///
    /// The sampler's maths stays in fp32; only the U-Net sees the model's dtype.
    pub(super) fn run(
        &self,
        mut plan: Plan,
        seed: u64,
        on_step: &mut OnStep<'_>,
    ) -> Result<Tensor> {
        let [_, channels, height, width] = plan.latent_shape;
        // Drawn for this image alone, on the CPU: the same seed gives the same noise everywhere.
        let noise = [ImageNoise::draw(
            seed,
            [channels, height, width],
            plan.sampler.as_ref(),
        )?];
        let schedule = plan.sampler.schedule();
        let steps = schedule.timesteps.len();
        let timesteps = schedule.timesteps.clone();
        let init = schedule.init_noise_sigma;
        let mut latents = ImageNoise::initial(&noise)?
            .f_mul_scalar(init)?
            .f_to_device(self.device)?;
        for (i, timestep) in timesteps.into_iter().enumerate() {
            proceed(on_step, i, steps)?;
            let input = plan.sampler.scale_model_input(&latents, i)?;
            let output = self.predict(&input, timestep, plan.guidance.as_ref())?;
            let fresh = ImageNoise::at_call(&noise, i)?
                .map(|fresh| fresh.f_to_device(self.device))
                .transpose()?;
            latents = plan.sampler.step(&output, i, &latents, fresh.as_ref())?;
            if !is_finite(&latents)? {
                return Err(not_finite(i + 1, steps, self.kind));
            }
        }
        proceed(on_step, steps, steps)?;
        Ok(latents)
    }

    /// The guided model output in fp32.
    pub(super) fn predict(
        &self,
        input: &Tensor,
        timestep: f64,
        guidance: Option<&Guidance>,
    ) -> Result<Tensor> {
        let input = input.f_to_kind(self.kind)?;
        let forward = |input: &Tensor| -> Result<Tensor> {
            let batch = input.size()[0];
            let timesteps = Tensor::f_full([batch], timestep, (Kind::Float, self.device))?;
            let output = self
                .unet
                .forward(input, &timesteps, self.context, None, None)?;
            Ok(output.f_to_kind(Kind::Float)?)
        };
        let Some(guidance) = guidance else {
            return forward(&input);
        };
        let both = forward(&Tensor::f_cat(&[&input, &input], 0)?)?;
        guidance.combine(&both.f_narrow(0, 0, 1)?, &both.f_narrow(0, 1, 1)?)
    }
}

fn proceed(on_step: &mut OnStep<'_>, done: usize, steps: usize) -> Result<()> {
    match on_step(StepAhead { done, steps }) {
        Flow::Continue => Ok(()),
        Flow::Cancel => Err(EngineError::Cancelled),
    }
}

fn not_finite(step: usize, steps: usize, kind: Kind) -> EngineError {
    let advice = if kind == Kind::Half {
        "f16 overflows with some models; use bf16 or f32"
    } else {
        "lower the guidance scale or take another sampler"
    };
    EngineError::NotFinite {
        place: format!("step {step} of {steps}"),
        problem: format!("the latents are no longer finite numbers; {advice}"),
    }
}
