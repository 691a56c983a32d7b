//! Noise schedules and samplers.

use tch::Tensor;

use crate::Result;

/// Everything a denoising loop needs to know in advance, resolved from a scheduler's configuration
/// and a number of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// The timestep given to the U-Net at each model call; multi-evaluation samplers (KDPM2, Heun,
    /// PNDM) have more calls than the artist's steps.
    pub timesteps: Vec<f64>,
    /// Sigma at each model call, then the final one (length `timesteps.len() + 1`); empty for
    /// samplers that work on cumulative alphas.
    pub sigmas: Vec<f64>,
    /// Standard deviation that unit noise is scaled to before the first call.
    pub init_noise_sigma: f64,
}

/// One way of walking from noise to latents.
///
/// The loop is: `latents = noise · init_noise_sigma`; for each call `i`, feed
/// `scale_model_input(latents, i)` and `timesteps[i]` to the U-Net, then
/// `latents = step(output, i, latents, noise)`.
pub trait Sampler {
    /// The resolved schedule.
    fn schedule(&self) -> &Schedule;

    /// What the U-Net sees of `sample` `[batch, channels, h, w]` at call `i`.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn scale_model_input(&self, sample: &Tensor, i: usize) -> Result<Tensor>;

    /// Whether [`Sampler::step`] at call `i` consumes noise.
    fn needs_noise(&self, i: usize) -> bool;

    /// The next sample from the (guided) model output at call `i`, in fp32.
    ///
    /// `noise` is unit normal of `sample`'s shape where [`Sampler::needs_noise`] says so.
    ///
    /// # Errors
    /// A tensor operation failed.
    fn step(
        &mut self,
        model_output: &Tensor,
        i: usize,
        sample: &Tensor,
        noise: Option<&Tensor>,
    ) -> Result<Tensor>;
}
