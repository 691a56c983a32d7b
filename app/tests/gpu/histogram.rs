//! Counts of byte values.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vernier::studio::gpu::{Histogram, HistogramRequest, Source, TextureKey};
use vernier_engine::picture::Picture;

use crate::stage::{Stage, busy_picture};

fn counted(stage: &Stage, key: u64, picture: &Arc<Picture>) -> Histogram {
    let source = Source::picture(TextureKey(key), Arc::clone(picture));
    let mut request = HistogramRequest::start(&stage.state, &source).unwrap();
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        let started = Instant::now();
        if let Some(histogram) = request.poll() {
            return histogram.clone();
        }
        // A frame that asks is not held up; a whole count on one core takes longer.
        assert!(started.elapsed() < Duration::from_secs(2));
        assert!(!request.is_over() && Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_gpu_counts_as_the_cpu_does() {
    let Some(stage) = Stage::open() else { return };
    for (key, size) in [(1, 1), (16, 16), (333, 251), (1024, 40)]
        .into_iter()
        .enumerate()
    {
        let picture = busy_picture(size.0, size.1, 9);
        let histogram = counted(&stage, key as u64, &picture);
        assert_eq!(histogram, Histogram::of(&picture), "{size:?}");
        let pixels: u32 = histogram.luminance.iter().sum();
        assert_eq!(pixels, size.0 * size.1);
    }
}

#[test]
fn every_byte_has_its_bin() {
    let Some(stage) = Stage::open() else { return };
    let rgb = (0..=255_u8).flat_map(|v| [v, 255 - v, v / 2]).collect();
    let picture = Arc::new(Picture {
        width_px: 256,
        height_px: 1,
        rgb,
    });
    let histogram = counted(&stage, 1, &picture);
    assert_eq!(histogram.red, [1; 256]);
    assert_eq!(histogram.green, [1; 256]);
    assert_eq!(histogram.blue[..128], [2; 128]);
    assert_eq!(histogram.blue[128..], [0; 128]);
}

#[test]
fn nothing_is_counted_without_pixels_or_shaders() {
    let Some(stage) = Stage::bare() else { return };
    let source = Source::picture(TextureKey(1), busy_picture(4, 4, 1));
    assert!(HistogramRequest::start(&stage.state, &source).is_none());
    vernier::studio::gpu::install(&stage.state);
    let source = Source::picture(TextureKey(2), busy_picture(0, 0, 1));
    assert!(HistogramRequest::start(&stage.state, &source).is_none());
}
