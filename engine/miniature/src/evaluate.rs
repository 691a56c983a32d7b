//! Measures the miniature on held-out scenes.

use anyhow::Result;
use tch::Tensor;
use vernier_world::SampleOptions;

use crate::pool::{held_out_scene, normalise, pixels_of};

/// `count` pictures that training never saw, `[count, 3, 128, 128]` in -1..1.
///
/// # Errors
/// libtorch runs out of memory.
pub fn held_out_pictures(count: u64) -> Result<Tensor> {
    let pixels = (0..count)
        .map(|i| pixels_of(&held_out_scene(i, &SampleOptions::default())))
        .collect::<Result<Vec<_>>>()?;
    normalise(&Tensor::f_stack(&pixels, 0)?)
}
