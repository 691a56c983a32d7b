//! The networks in training: each one turns the pool into a loss for
//! [`vernier_engine::train::TrainLoop`].

mod clip;
mod meter;
mod unet;
mod vae;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use clip::{ClipTrainer, HEADS};
pub use meter::{MeterTrainer, meter_config};
pub use unet::{UNetData, UNetTrainer};
pub use vae::{VaeTrainer, reconstruction_psnr};

/// A worker's own stream of random numbers: another one in every run, so that resuming does not
/// show the same batches again.
fn fresh_rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(rand::rng().random())
}
