//! The canvas in a whole egui frame.

use std::sync::Arc;

use egui::{Color32, Frame, Rect, pos2, vec2};
use egui_kittest::Harness;
use egui_kittest::wgpu::WgpuTestRenderer;
use vernier::studio::gpu::{Compare, Source, TextureKey, View, canvas};

use crate::stage::{Stage, busy_picture};

#[test]
fn a_frame_holds_the_picture_byte_for_byte_inside_its_clip() {
    let Some(stage) = Stage::open() else { return };
    let picture = busy_picture(50, 40, 11);
    let source = Source::picture(TextureKey(1), Arc::clone(&picture));
    let rect = Rect::from_min_size(pos2(20.0, 10.0), vec2(80.0, 60.0));
    let clip = Rect::from_min_max(pos2(0.0, 0.0), pos2(70.0, 200.0));
    let background = Color32::from_rgb(40, 41, 42);
    let mut harness = Harness::builder()
        .with_size(vec2(160.0, 120.0))
        .renderer(WgpuTestRenderer::from_render_state(stage.state.clone()))
        .build_ui(move |ui| {
            Frame::new().fill(background).show(ui, |ui| {
                ui.set_min_size(ui.available_size());
                let view = View {
                    center: [25.0, 20.0],
                    zoom: 1.0,
                };
                let what = canvas(rect, source.clone(), Compare::None, Vec::new(), view);
                ui.painter().with_clip_rect(clip).add(what);
            });
            // Drawn after the canvas, and so over it.
            let over = Rect::from_min_size(pos2(40.0, 30.0), vec2(5.0, 5.0));
            ui.painter().rect_filled(over, 0.0, Color32::RED);
        });
    let image = harness.render().unwrap();
    assert_eq!(image.dimensions(), (160, 120));
    // The picture's top left corner: 20 + (80 - 50) / 2, 10 + (60 - 40) / 2.
    for (x, y, pixel) in image.enumerate_pixels() {
        let (column, row) = (x.wrapping_sub(35), y.wrapping_sub(20));
        let inside = column < 50 && row < 40 && x < 70;
        let over = (40..45).contains(&x) && (30..35).contains(&y);
        let border = (39..46).contains(&x) && (29..36).contains(&y);
        if over {
            assert_eq!(pixel.0, [255, 0, 0, 255]);
        } else if inside && !border {
            let start = (row * 50 + column) as usize * 3;
            assert_eq!(pixel.0[..3], picture.rgb[start..start + 3], "({x}, {y})");
        } else if (12..30).contains(&x) && (12..100).contains(&y) {
            assert_eq!(pixel.0, [40, 41, 42, 255], "({x}, {y})");
        }
    }
}
