//! The work that `vernier bench` times.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use tch::Tensor;
use vernier_engine::checkpoint::tiny;
use vernier_engine::device::Dtype;
use vernier_engine::render::bench::{Layout, StepWork};

#[test]
fn both_layouts_give_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_model(folder.path(), 1).unwrap();
    let unet = folder.path().join("unet");
    let step = |layout| {
        // The latents and the text are random.
        tch::manual_seed(3);
        let mut work = StepWork::load(&unet, Dtype::F32, layout).unwrap();
        work.run().unwrap()
    };
    let contiguous = step(Layout::Contiguous);
    let channels_last = step(Layout::ChannelsLast);
    assert_eq!(contiguous.size(), [1, 4, 64, 64]);
    // The layout of the weights has reached the result.
    assert_eq!(contiguous.stride(), [16384, 4096, 64, 1]);
    assert_eq!(channels_last.stride(), [16384, 1, 256, 4]);
    let largest = |x: &Tensor| x.abs().max().double_value(&[]);
    let difference = largest(&(&contiguous - &channels_last));
    assert!(
        difference <= 1e-4 * largest(&contiguous),
        "{difference:e} of {}",
        largest(&contiguous)
    );
}
