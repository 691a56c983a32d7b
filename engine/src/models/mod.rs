//! The networks: CLIP's two towers, the conditional U-Net and what steers it, the autoencoder.
//! Each is configured from its folder's config.json and follows the key names of Python diffusers.

pub mod clip;
pub mod controlnet;
mod per_block;
pub mod unet;
pub mod upscaler;
pub mod vae;

pub use per_block::PerBlock;
