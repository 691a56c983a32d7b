//! A look at a picture's latents while it is made.

use tch::Tensor;

use super::Latents;
use crate::Result;
use crate::sampling::{NoiseSchedule, PredictionType};

/// Hears the model calls done and the clean latents that the last one predicts.
pub type OnLatents = dyn FnMut(usize, Latents) + Send;

/// Who looks, and how often.
pub struct LatentWatch {
    every: usize,
    tell: Box<OnLatents>,
}

impl LatentWatch {
    /// `tell` hears every `every`th model call, 0 meaning 1. Nothing that it does changes a
    /// picture; what it costs is one copy of the latents.
    pub fn new(every: u32, tell: Box<OnLatents>) -> Self {
        Self {
            every: every.max(1) as usize,
            tell,
        }
    }
}

/// A watch on one walk.
pub(super) struct Watched<'a> {
    pub(super) watch: &'a mut LatentWatch,
    pub(super) noise: NoiseSchedule,
    pub(super) prediction: PredictionType,
}

impl Watched<'_> {
    /// Tells what the call that was the `done`th predicts, where it is its turn. `input` is what
    /// the U-Net saw at `timestep`, `[1, channels, h, w]`, and `output` what it said, in fp32.
    pub(super) fn call(
        &mut self,
        done: usize,
        output: &Tensor,
        input: &Tensor,
        timestep: f64,
    ) -> Result<()> {
        if !done.is_multiple_of(self.watch.every) {
            return Ok(());
        }
        let alpha_bar = self.noise.alpha_bar_at(timestep);
        let (alpha, sigma) = (alpha_bar.sqrt(), (1.0 - alpha_bar).sqrt());
        // The clean latents of nothing but noise cannot be divided out of it.
        let clean = if alpha < 1e-3 && self.prediction == PredictionType::Epsilon {
            input.shallow_clone()
        } else {
            self.prediction.clean(output, input, alpha, sigma)?
        };
        (self.watch.tell)(done, Latents::from_tensor(&clean)?);
        Ok(())
    }
}
