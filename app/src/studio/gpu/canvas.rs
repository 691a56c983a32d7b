//! One picture on the screen.

use eframe::egui_wgpu::ScreenDescriptor;
use egui::{PaintCallback, Rect};

use super::callback::{Scene, callback};
use super::drawing::{Drawing, Ready};
use super::pipelines::{Layer, Params};
use super::resources::Resources;
use super::source::{Compare, Overlay, Source};
use super::view::View;

/// Paints one picture into `rect` (points), compared with another or not, under `overlays` in
/// their order. Nothing is drawn outside of the picture.
///
/// It shows nothing before [`install`](super::install).
pub fn canvas(
    rect: Rect,
    source: Source,
    compare: Compare,
    overlays: Vec<Overlay>,
    view: View,
) -> PaintCallback {
    let canvas = Canvas {
        rect,
        source,
        compare,
        overlays,
        view,
    };
    callback(rect, canvas)
}

struct Canvas {
    rect: Rect,
    source: Source,
    compare: Compare,
    overlays: Vec<Overlay>,
    view: View,
}

impl Scene for Canvas {
    fn draw(&self, resources: &mut Resources, screen: &ScreenDescriptor) -> Option<Ready> {
        let pixels_per_point = screen.pixels_per_point;
        let size = self.source.size_px();
        let origin = self.view.origin_px(self.rect, pixels_per_point);
        let extent = size.map(|side| side as f32 * self.view.zoom);
        let mut drawing = Drawing::new(screen);
        let base = drawing.place(self.rect, origin, extent)?;

        let first = resources.shown(&self.source, None)?;
        match &self.compare {
            Compare::None => drawing.one(base, Layer::Plain, first),
            Compare::Wipe { other, at } => {
                let second = resources.shown(other, None)?;
                let line = pixels_per_point.round().max(1.0);
                let left = origin[0] + at.clamp(0.0, 1.0) * extent[0] - line / 2.0;
                let params = Params {
                    // Whole pixels, so that the line is as bright everywhere.
                    wipe: left.round() + line / 2.0,
                    line,
                    color: [1.0; 4],
                    ..base
                };
                drawing.two(params, Layer::Wipe, [&first, &second], resources);
            }
            Compare::Heat { other, gain } => {
                let second = resources.shown(other, None)?;
                let params = Params {
                    gain: *gain,
                    ..base
                };
                drawing.two(params, Layer::Heat, [&first, &second], resources);
            }
        }
        for overlay in &self.overlays {
            let Some(mask) = resources.mask(overlay) else {
                continue;
            };
            let color = overlay.color.to_srgba_unmultiplied();
            let params = Params {
                color: color.map(|byte| f32::from(byte) / 255.0),
                opacity: overlay.opacity.clamp(0.0, 1.0),
                ..base
            };
            drawing.one(params, Layer::Overlay, mask);
        }
        drawing.finish(resources)
    }
}
