//! How long a frame takes here; run with `--ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use egui::{PaintCallback, Rect, pos2, vec2};
use vernier::studio::gpu::{
    Compare, HistogramRequest, LatentsPreview, Sheet, Source, TextureKey, View, canvas, sheet,
};
use vernier_engine::render::{LatentRgb, Latents};

use crate::stage::{Stage, busy_picture};

const SCREEN: [u32; 2] = [1920, 1080];

/// Milliseconds of the first frame and of the third.
fn timed(stage: &Stage, what: &str, paint: impl Fn() -> PaintCallback) {
    let frame = || {
        let started = Instant::now();
        stage.paint(SCREEN, 1.0, vec![paint()]);
        started.elapsed().as_secs_f64() * 1e3
    };
    let (first, _, third) = (frame(), frame(), frame());
    println!("{what}: first {first:.1} ms, then {third:.1} ms");
}

#[test]
#[ignore = "a measurement"]
fn frames_of_1920_by_1080() {
    let Some(stage) = Stage::open() else { return };
    println!("{}", stage.state.adapter.get_info().name);
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(1920.0, 1080.0));
    let nothing = Rect::from_min_size(pos2(0.0, 0.0), vec2(1.0, 1.0));
    let source = |key: u64| Source::picture(TextureKey(key), busy_picture(1024, 1024, key as u32));
    let (first, second) = (source(1), source(2));
    let at = |zoom: f32| View {
        center: [512.0, 512.0],
        zoom,
    };
    timed(&stage, "empty frame, read back", || {
        canvas(nothing, first.clone(), Compare::None, Vec::new(), at(1e-3))
    });
    for zoom in [0.3, 1.0, 4.0] {
        timed(&stage, &format!("canvas at zoom {zoom}"), || {
            canvas(rect, first.clone(), Compare::None, Vec::new(), at(zoom))
        });
    }
    timed(&stage, "heat at zoom 1", || {
        let other = second.clone();
        let compare = Compare::Heat { other, gain: 4.0 };
        canvas(rect, first.clone(), compare, Vec::new(), at(1.0))
    });
    for (key, cells) in [(100, 16), (101, 128)] {
        let preview = Arc::new(LatentsPreview {
            latents: Latents {
                shape: [4, cells, cells],
                values: vec![0.5; 4 * cells * cells],
            },
            rgb: LatentRgb::sdxl(),
            pixels_per_cell: 8,
        });
        timed(&stage, &format!("latents of {cells} x {cells}"), || {
            let source = Source::latents(TextureKey(key), Arc::clone(&preview));
            canvas(rect, source, Compare::None, Vec::new(), at(1.0))
        });
    }
    let cells = (0..1000).map(|i| {
        Some(Source::picture(
            TextureKey(1000 + i),
            busy_picture(128, 128, i as u32),
        ))
    });
    let all = Sheet {
        columns: 24,
        cell_px: 72.0,
        gap_px: 8.0,
        cells: cells.collect(),
    };
    timed(&stage, "sheet with 330 cells in view", || {
        let view = View {
            center: [960.0, 540.0],
            zoom: 1.0,
        };
        sheet(rect, all.clone(), view)
    });
    let started = Instant::now();
    let mut request = HistogramRequest::start(&stage.state, &first).unwrap();
    let asked = started.elapsed();
    while request.poll().is_none() {
        std::thread::yield_now();
    }
    println!(
        "histogram of 1024 x 1024: asked in {:.1} ms, there after {:.1} ms",
        asked.as_secs_f64() * 1e3,
        started.elapsed().as_secs_f64() * 1e3
    );
}
