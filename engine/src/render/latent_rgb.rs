//! Colours of latents without the VAE.

use serde::{Deserialize, Serialize};

/// A linear guess of the picture that latents will become, for previews.
///
/// A channel of the colour is `bias + Σ factor · latent`, 0..1 in gamma space where it is in range.
/// The latents are those of the sampler, before the VAE's scaling is undone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LatentRgb {
    /// For red, green and blue, the weight of each of the four latent channels.
    pub factors: [[f32; 4]; 3],
    /// For red, green and blue, the value where all latents are 0.
    pub bias: [f32; 3],
}
