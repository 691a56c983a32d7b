//! Latents as pictures.

use std::sync::Arc;

use egui::{Rect, pos2, vec2};
use vernier::studio::gpu::{
    Compare, LatentsPreview, Source, TextureKey, View, canvas, texture_use,
};
use vernier_engine::render::{LatentRgb, Latents};

use crate::stage::Stage;
use crate::twin::{Image, Mips, Placed, premultiplied};

fn preview(height: usize, width: usize, rgb: LatentRgb) -> LatentsPreview {
    let channels = rgb.channels().unwrap();
    let values = (0..channels * height * width)
        .map(|i| ((i * i * 31 + i * 7) % 97) as f32 / 97.0 * 4.0 - 2.0)
        .collect();
    LatentsPreview {
        latents: Latents {
            shape: [channels, height, width],
            values,
        },
        rgb,
        pixels_per_cell: 8,
    }
}

/// As the miniature's autoencoder has them.
fn eight_channels() -> LatentRgb {
    LatentRgb {
        factors: [0.11_f32, -0.07, 0.05]
            .map(|f| (0..8).map(|c| f * (1.0 - 0.2 * c as f32)).collect()),
        bias: [0.4, 0.5, 0.6],
    }
}

/// Colours cell by cell, then Catmull-Rom between them.
fn twin(preview: &LatentsPreview) -> Image {
    let [channels, height, width] = preview.latents.shape;
    let color = |x: i64, y: i64| {
        let column = x.clamp(0, width as i64 - 1) as usize;
        let row = y.clamp(0, height as i64 - 1) as usize;
        let latent: Vec<f32> = (0..channels)
            .map(|c| preview.latents.values[(c * height + row) * width + column])
            .collect();
        preview.rgb.color(&latent).map(f64::from)
    };
    let kernel = |d: f64| match d.abs() {
        d if d < 1.0 => 1.5 * d.powi(3) - 2.5 * d.powi(2) + 1.0,
        d if d < 2.0 => -0.5 * d.powi(3) + 2.5 * d.powi(2) - 4.0 * d + 2.0,
        _ => 0.0,
    };
    let mut pixels = Vec::new();
    for y in 0..height * 8 {
        for x in 0..width * 8 {
            let [px, py] = [x, y].map(|v| (v as f64 + 0.5) / 8.0 - 0.5);
            let mut sum = [0.0; 3];
            for j in py.floor() as i64 - 1..=py.floor() as i64 + 2 {
                for i in px.floor() as i64 - 1..=px.floor() as i64 + 2 {
                    let weight = kernel(px - i as f64) * kernel(py - j as f64);
                    for (sum, value) in sum.iter_mut().zip(color(i, j)) {
                        *sum += weight * value;
                    }
                }
            }
            pixels.push(sum.map(|v| v.clamp(0.0, 1.0)));
        }
    }
    Image {
        width: width * 8,
        height: height * 8,
        pixels,
    }
}

#[test]
fn latents_are_coloured_and_enlarged_as_the_twin_says() {
    let Some(stage) = Stage::open() else { return };
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(160.0, 120.0));
    for (key, rgb) in [LatentRgb::stable_diffusion(), eight_channels()]
        .into_iter()
        .enumerate()
    {
        let preview = preview(12, 16, rgb);
        let twin = Mips::flat(twin(&preview));
        let source = Source::latents(TextureKey(key as u64), Arc::new(preview));
        assert_eq!(source.size_px(), [128, 96]);
        for zoom in [1.0, 1.25, 0.5] {
            let view = View {
                center: [64.0, 48.0],
                zoom,
            };
            let what = canvas(rect, source.clone(), Compare::None, Vec::new(), view);
            let painted = stage.paint([160, 120], 1.0, vec![what]);
            let zoom = f64::from(zoom);
            let origin = [80.0 - 64.0 * zoom, 60.0 - 48.0 * zoom];
            let placed = Placed::at(origin, [128, 96], zoom);
            painted.assert_is(1.5, &format!("latents at zoom {zoom}"), |x, y| {
                premultiplied(twin.seen(placed, x, y, 0.0), placed.inside(x, y))
            });
        }
    }
    assert_eq!(texture_use(&stage.state).uploads, 2);
}

#[test]
fn latents_of_another_shape_are_not_drawn() {
    let Some(stage) = Stage::open() else { return };
    let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(16.0, 16.0));
    let mut wide = preview(2, 2, LatentRgb::sdxl());
    wide.latents.shape = [16, 1, 1];
    let mut short = preview(2, 2, LatentRgb::sdxl());
    short.latents.values.pop();
    let mut huge = preview(2, 2, LatentRgb::sdxl());
    huge.pixels_per_cell = 1 << 20;
    for (key, preview) in [wide, short, huge].into_iter().enumerate() {
        let source = Source::latents(TextureKey(key as u64), Arc::new(preview));
        let view = View {
            center: [4.0, 4.0],
            zoom: 1.0,
        };
        let what = canvas(rect, source, Compare::None, Vec::new(), view);
        assert_eq!(stage.paint([16, 16], 1.0, vec![what]).at(8, 8), [0; 4]);
    }
}
