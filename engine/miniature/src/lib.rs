//! The program that trains Vernier's embedded model, "the miniature", on the procedural world of
//! [`vernier_world`], and the meter that reads attributes back from pixels.
//!
//! Stages, in order: [`pool`] (pictures drawn once), [`clip_stage`] (both CLIP towers, then the
//! [`gate`]), [`vae_stage`], [`latents`] (the pool through the encoder), [`unet_stage`],
//! [`meter`]; [`export`] writes the diffusers folder and [`evaluate`] measures it.

pub mod clip_stage;
pub mod config;
pub mod data;
pub mod evaluate;
pub mod export;
pub mod gate;
pub mod latents;
pub mod meter;
pub mod pool;
pub mod targets;
pub mod unet_stage;
pub mod vae_stage;
pub mod vocabulary;
