//! Pictures, comparisons and masks on the canvas.

use std::sync::Arc;

use egui::{Color32, Rect, pos2, vec2};
use vernier::studio::gpu::{
    Compare, Overlay, Source, TextureKey, View, canvas, heat_color, texture_use,
};
use vernier_engine::picture::{Mask, Picture};

use crate::stage::{Stage, busy_picture};
use crate::twin::{Image, Mips, Placed, over, premultiplied};

const SCREEN: [u32; 2] = [160, 120];

fn whole_screen() -> Rect {
    Rect::from_min_size(pos2(0.0, 0.0), vec2(160.0, 120.0))
}

fn source(key: u64, picture: &Arc<Picture>) -> Source {
    Source::picture(TextureKey(key), Arc::clone(picture))
}

/// Views at zooms of all kinds, with where they put a picture of `size`.
fn views(size: [u32; 2]) -> Vec<(View, Placed)> {
    let center = [size[0] as f32 * 0.5 + 1.3, size[1] as f32 * 0.5 - 2.1];
    let zooms = [0.11, 0.25, 0.4, 0.7, 1.37, 2.5, 7.3];
    zooms
        .into_iter()
        .map(|zoom| {
            let origin = [80.0 - center[0] * zoom, 60.0 - center[1] * zoom];
            let placed = Placed::at(origin.map(f64::from), size, f64::from(zoom));
            (View { center, zoom }, placed)
        })
        .collect()
}

#[test]
fn bytes_come_out_as_they_are_at_zoom_1() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(93, 71, 1);
    let view = View {
        center: [46.2, 35.7],
        zoom: 1.0,
    };
    for pixels_per_point in [1.0, 1.5] {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(160.0, 120.0) / pixels_per_point);
        let what = canvas(rect, source(1, &picture), Compare::None, Vec::new(), view);
        let painted = stage.paint(SCREEN, pixels_per_point, vec![what]);
        let corner = view.screen_at(rect, pixels_per_point, [0.0, 0.0]) * pixels_per_point;
        let (left, top) = (corner.x.round() as u32, corner.y.round() as u32);
        for y in 0..SCREEN[1] {
            for x in 0..SCREEN[0] {
                let (column, row) = (x.wrapping_sub(left), y.wrapping_sub(top));
                let expected = if column < 93 && row < 71 {
                    let start = (row * 93 + column) as usize * 3;
                    let pixel = &picture.rgb[start..start + 3];
                    [pixel[0], pixel[1], pixel[2], 255]
                } else {
                    [0; 4]
                };
                assert_eq!(painted.at(x, y), expected, "({x}, {y})");
            }
        }
    }
}

#[test]
fn a_picture_is_filtered_as_the_twin_says() {
    let Some(stage) = Stage::open() else { return };
    for size in [[64, 48], [333, 251]] {
        let picture = busy_picture(size[0], size[1], 2);
        let twin = Mips::of(Image::of(&picture));
        for (view, placed) in views(size) {
            let source = source(u64::from(size[0]), &picture);
            let what = canvas(whole_screen(), source, Compare::None, Vec::new(), view);
            let painted = stage.paint(SCREEN, 1.0, vec![what]);
            painted.assert_is(1.0, &format!("zoom {}", view.zoom), |x, y| {
                premultiplied(twin.seen(placed, x, y, 0.0), placed.inside(x, y))
            });
        }
    }
}

#[test]
fn magnified_pixels_are_flat_inside() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(20, 15, 3);
    let view = View {
        center: [10.0, 7.5],
        zoom: 8.0,
    };
    let what = canvas(
        whole_screen(),
        source(1, &picture),
        Compare::None,
        Vec::new(),
        view,
    );
    let painted = stage.paint(SCREEN, 1.0, vec![what]);
    for y in 0..120 {
        for x in 0..160 {
            let start = (y / 8 * 20 + x / 8) as usize * 3;
            assert_eq!(painted.at(x, y)[..3], picture.rgb[start..start + 3]);
        }
    }
}

#[test]
fn a_wipe_shows_one_picture_each_side_of_a_line() {
    let Some(stage) = Stage::open() else { return };
    let (first, second) = (busy_picture(80, 60, 4), busy_picture(40, 30, 5));
    let twins = [&first, &second].map(|p| Mips::of(Image::of(p)));
    let view = View {
        center: [40.0, 30.0],
        zoom: 1.7,
    };
    let placed = Placed::at([80.0 - 68.0, 60.0 - 51.0], [80, 60], 1.7);
    for (at, pixels_per_point) in [(0.3, 1.0), (1.0, 1.0), (0.5, 2.0)] {
        let compare = Compare::Wipe {
            other: source(2, &second),
            at,
        };
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(160.0, 120.0) / pixels_per_point);
        let what = canvas(rect, source(1, &first), compare, Vec::new(), view);
        let painted = stage.paint(SCREEN, pixels_per_point, vec![what]);
        let line = f64::from(pixels_per_point);
        let left = (12.0 + f64::from(at) * 136.0 - line / 2.0).round();
        painted.assert_is(1.0, &format!("wipe at {at}"), |x, y| {
            let color = if (left..left + line).contains(&x) {
                [1.0; 3]
            } else {
                let twin = &twins[usize::from(x > left)];
                twin.seen(placed, x, y, 0.0)
            };
            premultiplied(color, placed.inside(x, y))
        });
    }
}

#[test]
fn a_heat_map_shows_the_largest_difference() {
    let Some(stage) = Stage::open() else { return };
    let (first, second) = (busy_picture(80, 60, 6), busy_picture(80, 60, 7));
    let twins = [&first, &second].map(|p| Mips::of(Image::of(p)));
    for gain in [0.5, 3.0] {
        for (view, placed) in views([80, 60]) {
            let compare = Compare::Heat {
                other: source(2, &second),
                gain,
            };
            let what = canvas(whole_screen(), source(1, &first), compare, Vec::new(), view);
            let painted = stage.paint(SCREEN, 1.0, vec![what]);
            // The scale's own rounding comes on top.
            painted.assert_is(2.0, &format!("heat at zoom {}", view.zoom), |x, y| {
                let [a, b] = [0, 1].map(|i: usize| twins[i].seen(placed, x, y, 0.0));
                let apart = (0..3).map(|c| (a[c] - b[c]).abs()).fold(0.0, f64::max);
                let color = heat_color((apart * f64::from(gain)) as f32);
                let color = [color.r(), color.g(), color.b()].map(|v| f64::from(v) / 255.0);
                premultiplied(color, placed.inside(x, y))
            });
        }
    }
}

/// A soft-edged disc.
fn disc(width: u32, height: u32) -> Mask {
    let mut coverage = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (dx, dy) = (
                (x as f64 + 0.5) / width as f64 - 0.45,
                (y as f64 + 0.5) / height as f64 - 0.55,
            );
            let inside = (0.35 - dx.hypot(dy)) * width as f64 / 3.0 + 0.5;
            coverage.push((inside.clamp(0.0, 1.0) * 255.0) as u8);
        }
    }
    Mask::from_coverage(width, height, coverage).unwrap()
}

#[test]
fn masks_lie_over_the_picture() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(64, 48, 8);
    let twin = Mips::of(Image::of(&picture));
    let color = Color32::from_rgb(255, 96, 0);
    let hue = [1.0, 96.0 / 255.0, 0.0];
    for mask in [disc(64, 48), disc(16, 12), disc(200, 150)] {
        let key = u64::from(mask.width_px());
        let mask_twin = Mips::of(Image::of_mask(
            mask.width_px(),
            mask.height_px(),
            mask.coverage(),
        ));
        let mask = Arc::new(mask);
        for (view, placed) in views([64, 48]) {
            let overlay = Overlay {
                mask: Arc::clone(&mask),
                key: TextureKey(key),
                revision: 0,
                color,
                opacity: 0.4,
            };
            let source = source(64, &picture);
            let what = canvas(whole_screen(), source, Compare::None, vec![overlay], view);
            let painted = stage.paint(SCREEN, 1.0, vec![what]);
            let what = format!("mask of {key} at zoom {}", view.zoom);
            painted.assert_is(2.0, &what, |x, y| {
                let coverage = |x, y| mask_twin.seen(placed, x, y, 1.0)[0];
                let here = coverage(x, y);
                let slope = |reach: f64| {
                    let across = coverage(x + reach, y) - coverage(x - reach, y);
                    let down = coverage(x, y + reach) - coverage(x, y - reach);
                    0.5 * across.hypot(down) / reach
                };
                let near = |limit: f64, slope: f64| {
                    let apart = (here - 0.5).abs() / slope;
                    (limit - apart).clamp(0.0, 1.0)
                };
                let (wide, narrow) = (slope(2.0), slope(1.0));
                let mut top = premultiplied(hue, 0.4 * here);
                if wide > 0.0005 {
                    top = over(premultiplied([0.0; 3], 0.6 * near(3.0, wide)), top);
                    if narrow > 0.001 {
                        top = over(premultiplied(hue, near(1.0, narrow)), top);
                    }
                }
                let inside = placed.inside(x, y);
                let top = top.map(|v| v * inside);
                over(top, premultiplied(twin.seen(placed, x, y, 0.0), inside))
            });
        }
    }
}

#[test]
fn a_mask_that_changes_is_uploaded_again_in_its_own_place() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(64, 48, 8);
    let view = View::fit([64, 48], whole_screen(), 1.0);
    let draw = |revision: u64, value: u8| {
        let overlay = Overlay {
            mask: Arc::new(Mask::filled(64, 48, value)),
            key: TextureKey(1),
            revision,
            color: Color32::RED,
            opacity: 1.0,
        };
        let what = canvas(
            whole_screen(),
            source(64, &picture),
            Compare::None,
            vec![overlay],
            view,
        );
        let painted = stage.paint(SCREEN, 1.0, vec![what]);
        (painted.at(80, 60), texture_use(&stage.state))
    };
    let (plain, first) = draw(0, 0);
    let (red, second) = draw(1, 255);
    assert_eq!(red, [255, 0, 0, 255]);
    assert_ne!(plain, red);
    assert_eq!(second.uploads, first.uploads + 1);
    assert_eq!(
        (second.textures, second.bytes),
        (first.textures, first.bytes)
    );
    assert_eq!(draw(1, 255).1, second, "the same once only");
}

#[test]
fn pixels_are_uploaded_once_and_evicted_by_age() {
    let Some(stage) = Stage::open() else { return };
    let pictures: Vec<_> = (0..3).map(|i| busy_picture(64, 64, i)).collect();
    let view = View::fit([64, 64], whole_screen(), 1.0);
    let draw = |key: usize| {
        let source = source(key as u64, &pictures[key]);
        let what = canvas(whole_screen(), source, Compare::None, Vec::new(), view);
        stage.paint(SCREEN, 1.0, vec![what]);
        texture_use(&stage.state)
    };
    let one = draw(0);
    assert_eq!((one.textures, one.uploads), (1, 1));
    assert_eq!(draw(0), one);
    vernier::studio::gpu::set_texture_budget(&stage.state, 2 * one.bytes);
    draw(1);
    draw(0);
    let three = draw(2);
    assert_eq!((three.textures, three.uploads), (2, 3));
    assert_eq!(draw(0).uploads, 3, "the newer one went");
    assert_eq!(draw(1).uploads, 4, "the oldest stayed");
}

#[test]
fn broken_pictures_are_not_drawn() {
    let Some(stage) = Stage::open() else { return };
    let sizes = [(0, 5, 0), (4, 4, 47), (9000, 1, 27_000)];
    for (key, (width_px, height_px, bytes)) in sizes.into_iter().enumerate() {
        let picture = Arc::new(Picture {
            width_px,
            height_px,
            rgb: vec![200; bytes],
        });
        let view = View {
            center: [0.0, 0.0],
            zoom: 3.0,
        };
        let source = source(key as u64, &picture);
        let what = canvas(whole_screen(), source, Compare::None, Vec::new(), view);
        let painted = stage.paint(SCREEN, 1.0, vec![what]);
        // The wide one is whole, and larger than one texture may be.
        let expected = if width_px == 9000 { 200 } else { 0 };
        assert_eq!(painted.at(85, 61)[0], expected);
    }
}
