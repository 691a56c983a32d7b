//! The program that trains Vernier's embedded model, "the miniature", on the procedural world of
//! [`vernier_world`], and the meter that reads attributes back from pixels.
//!
//! [`stages`] are what the program is told to do, one after the other; [`trainers`] are the
//! networks in training. `docs/miniature.md` tells the whole story.

pub mod captions;
pub mod cli;
pub mod config;
pub mod edit_cases;
pub mod evaluate;
pub mod export;
pub mod folder;
pub mod gate;
pub mod latent_rgb;
pub mod latents;
pub mod loss;
pub mod metrics;
pub mod pool;
pub mod sheet;
pub mod stages;
pub mod subject;
pub mod targets;
pub mod trainers;
pub mod vocabulary;
pub mod workplace;
