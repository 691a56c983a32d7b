//! Colours of latents without the VAE.

use serde::{Deserialize, Serialize};

use crate::models::vae::VaeConfig;

/// A linear guess of the picture that latents will become, for previews.
///
/// A channel of the colour is `bias + Σ factor · latent`, in gamma space, where 0..1 is black to
/// white. The latents are those of the sampler, before the VAE's scaling is undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatentRgb {
    /// For red, green and blue, the weight of each latent channel.
    pub factors: [Vec<f32>; 3],
    /// For red, green and blue, the value where all latents are 0.
    pub bias: [f32; 3],
}

impl LatentRgb {
    /// Stable Diffusion 1 and 2: the factors found by a linear fit in "Decoding latents to RGB
    /// without upscaling" (Hugging Face forum, thread 23204), which give -1..1 and are halved here.
    pub fn stable_diffusion() -> Self {
        Self {
            factors: [
                vec![0.149, 0.0935, -0.079, -0.092],
                vec![0.1035, 0.143, 0.0945, -0.1355],
                vec![0.104, 0.0865, 0.132, -0.2365],
            ],
            bias: [0.5; 3],
        }
    }

    /// Stable Diffusion XL: the factors of ComfyUI's previews (`latent_formats.py`), which give
    /// -1..1 and are halved here.
    pub fn sdxl() -> Self {
        Self {
            factors: [
                vec![0.196, -0.1317, 0.0284, -0.1556],
                vec![0.2027, -0.0098, 0.08435, -0.11795],
                vec![0.22745, 0.03265, -0.03775, -0.1038],
            ],
            bias: [0.5; 3],
        }
    }

    /// The published factors for a model whose VAE has this configuration, told by its scaling
    /// factor; `None` for a VAE that nobody measured here.
    pub fn published(vae: &VaeConfig) -> Option<Self> {
        let is = |factor: f64| (vae.scaling_factor - factor).abs() < 1e-6;
        let plain = vae.latent_channels == 4 && vae.shift_factor.is_none();
        match plain && vae.latents_mean.is_none() {
            true if is(0.18215) => Some(Self::stable_diffusion()),
            true if is(0.13025) => Some(Self::sdxl()),
            _ => None,
        }
    }

    /// Latent channels that are coloured; `None` where the colours disagree.
    pub fn channels(&self) -> Option<usize> {
        let [red, green, blue] = self.factors.each_ref().map(Vec::len);
        (red == green && green == blue).then_some(red)
    }

    /// The colour of one latent, a value for each channel: 0..1 and beyond.
    pub fn color(&self, latent: &[f32]) -> [f32; 3] {
        let mut color = self.bias;
        for (value, factors) in color.iter_mut().zip(&self.factors) {
            *value += factors.iter().zip(latent).map(|(f, x)| f * x).sum::<f32>();
        }
        color
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_told_by_its_scaling_factor() {
        let vae = |scaling_factor: f64, latent_channels: i64| VaeConfig {
            latent_channels,
            scaling_factor,
            ..serde_json::from_str("{}").unwrap()
        };
        let found = LatentRgb::published(&vae(0.18215, 4));
        assert_eq!(found, Some(LatentRgb::stable_diffusion()));
        let found = LatentRgb::published(&vae(0.13025, 4));
        assert_eq!(found, Some(LatentRgb::sdxl()));
        assert_eq!(LatentRgb::published(&vae(1.0, 4)), None);
        assert_eq!(LatentRgb::published(&vae(0.18215, 16)), None);
    }

    #[test]
    fn no_content_is_the_bias() {
        let color = LatentRgb::sdxl().color(&[0.0; 4]);
        assert!(color.iter().all(|v| (v - 0.5).abs() < 1e-6), "{color:?}");
        let color = LatentRgb::stable_diffusion().color(&[1.0, 0.0, 0.0, -1.0]);
        assert!((color[2] - 0.8405).abs() < 1e-6, "{color:?}");
    }
}
