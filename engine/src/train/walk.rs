//! A sampler's way from noise to latents, one state at a time.

use tch::{Kind, Tensor};

use super::FrozenModel;
use crate::Result;
use crate::models::unet::TextContext;
use crate::sampling::{self, Guidance, ImageNoise, Sampler, SamplerName};

/// DDIM from the noise of one seed, part of the way.
pub struct Walk {
    sampler: Box<dyn Sampler>,
    latents: Tensor,
    done: usize,
}

impl Walk {
    /// Stands before the first of `steps` steps, at the noise of `seed`.
    ///
    /// # Errors
    /// The model's scheduler cannot take so many steps, or a tensor operation failed.
    pub fn begin(model: &FrozenModel, steps: usize, seed: u64) -> Result<Self> {
        let _guard = tch::no_grad_guard();
        let sampler = sampling::build(SamplerName::Ddim, &model.scheduler, steps)?;
        let noise = ImageNoise::draw(seed, model.latent_shape, sampler.as_ref())?;
        let latents = ImageNoise::initial(&[noise])?
            .f_mul_scalar(sampler.schedule().init_noise_sigma)?
            .f_to_device(model.device)?;
        Ok(Self {
            sampler,
            latents,
            done: 0,
        })
    }

    /// Steps taken.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Timestep of the next step; `None` at the end of the way.
    pub fn timestep(&self) -> Option<f64> {
        self.sampler.schedule().timesteps.get(self.done).copied()
    }

    /// The state `[1, channels, h, w]`, as the sampler left it.
    pub fn latents(&self) -> &Tensor {
        &self.latents
    }

    /// What the U-Net sees of the state, `[1, channels, h, w]` in fp32.
    ///
    /// # Errors
    /// The way is at its end.
    pub fn input(&self) -> Result<Tensor> {
        self.sampler.scale_model_input(&self.latents, self.done)
    }

    /// Takes a step by the guided `output` `[1, channels, h, w]` for [`Walk::input`].
    ///
    /// # Errors
    /// The way is at its end, or a tensor operation failed.
    pub fn advance(&mut self, output: &Tensor) -> Result<()> {
        let _guard = tch::no_grad_guard();
        self.latents = self.sampler.step(output, self.done, &self.latents, None)?;
        self.done += 1;
        Ok(())
    }

    /// Goes on until `done` steps are taken, under `text` (batch 2: the negative prompt, the
    /// prompt).
    ///
    /// # Errors
    /// The way ends before, or a tensor operation failed.
    pub fn advance_to(
        &mut self,
        done: usize,
        model: &FrozenModel,
        text: &TextContext,
        guidance: &Guidance,
    ) -> Result<()> {
        let _guard = tch::no_grad_guard();
        while self.done < done {
            let input = self.input()?;
            let timestep = self.timestep().unwrap_or_default();
            let both = Tensor::f_cat(&[&input, &input], 0)?;
            let both = model.predict(&both, timestep, text, None)?;
            let (negative, positive) = (both.f_narrow(0, 0, 1)?, both.f_narrow(0, 1, 1)?);
            self.advance(&guided(guidance, &negative, &positive)?)?;
        }
        Ok(())
    }
}

/// The prediction that a step is taken by.
///
/// # Errors
/// A tensor operation failed.
pub(super) fn guided(guidance: &Guidance, negative: &Tensor, positive: &Tensor) -> Result<Tensor> {
    if guidance.is_on() {
        guidance.combine(negative, positive)
    } else {
        Ok(positive.f_to_kind(Kind::Float)?)
    }
}
