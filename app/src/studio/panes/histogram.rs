//! How bright the picture is: how many of its pixels have each value.

use eframe::egui_wgpu::RenderState;
use egui::{CollapsingHeader, Color32, Mesh, Rect, RichText, Sense, Shape, Stroke, Ui, pos2, vec2};

use crate::studio::gpu::{Histogram, HistogramRequest, Pixels, Source, TextureKey};
use crate::studio::theme::Tokens;

/// Height of the curves in points.
const HEIGHT: f32 = 72.0;

/// A foldable panel with the histogram of whatever picture it is given.
pub(crate) struct HistogramPanel {
    render_state: Option<RenderState>,
    counted: Option<(TextureKey, Histogram)>,
    counting: Option<(TextureKey, HistogramRequest)>,
}

impl HistogramPanel {
    /// Counts on the device of `render_state`, or without one on the processor.
    pub(crate) fn new(render_state: Option<RenderState>) -> Self {
        Self {
            render_state,
            counted: None,
            counting: None,
        }
    }

    /// Draws the panel; folded, it counts nothing. While a new picture is counted, the last one's
    /// curves stay.
    pub(crate) fn show(&mut self, ui: &mut Ui, source: Option<Source>) {
        CollapsingHeader::new("Histogram")
            .default_open(false)
            .show(ui, |ui| {
                let tokens = Tokens::in_ui(ui);
                let Some(source) = source else {
                    ui.weak("There is no picture yet");
                    return;
                };
                self.count(ui, &source);
                if let Some((_, histogram)) = &self.counted {
                    curves(ui, histogram, tokens);
                    clipped(ui, histogram, tokens);
                }
            });
    }

    fn count(&mut self, ui: &Ui, source: &Source) {
        let is_known = self.counted.as_ref().is_some_and(|(k, _)| *k == source.key);
        if is_known {
            return;
        }
        if !self
            .counting
            .as_ref()
            .is_some_and(|(k, _)| *k == source.key)
        {
            let state = self.render_state.as_ref();
            let request = state.and_then(|state| HistogramRequest::start(state, source));
            match (request, &source.pixels) {
                (Some(request), _) => self.counting = Some((source.key, request)),
                (None, Pixels::Picture(picture)) => {
                    self.counted = Some((source.key, Histogram::of(picture)));
                    return;
                }
                (None, Pixels::Latents(_)) => return,
            }
        }
        let Some((key, mut request)) = self.counting.take() else {
            return;
        };
        if let Some(histogram) = request.poll() {
            self.counted = Some((key, histogram.clone()));
        } else {
            if !request.is_over() {
                ui.ctx().request_repaint();
            }
            self.counting = Some((key, request));
        }
    }
}

fn curves(ui: &mut Ui, histogram: &Histogram, tokens: Tokens) {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), HEIGHT), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "histogram"));
    ui.painter().rect_filled(rect, 2.0, tokens.well);
    let rect = rect.shrink(2.0);
    let channels = [&histogram.red, &histogram.green, &histogram.blue];
    // A clipped end would flatten everything else.
    let inner = |bins: &[u32; 256]| bins[1..255].iter().copied().max().unwrap_or(0);
    let all = channels.iter().map(|bins| inner(bins));
    let most = all.chain([inner(&histogram.luminance)]).max();
    let most = most.unwrap_or(0).max(1);
    let place = |at: usize, count: u32| {
        let part = (count as f32 / most as f32).min(1.0);
        let x = rect.left() + rect.width() * (at as f32 + 0.5) / 256.0;
        pos2(x, rect.bottom() - part * rect.height())
    };
    fill(ui, rect, tokens.text_weak.gamma_multiply(0.35), |at| {
        place(at, histogram.luminance[at])
    });
    let colors = [
        Color32::from_rgb(224, 80, 72),
        Color32::from_rgb(72, 168, 88),
        Color32::from_rgb(72, 128, 224),
    ];
    for (bins, color) in channels.into_iter().zip(colors) {
        let line = bins.iter().enumerate().map(|(at, n)| place(at, *n));
        let line = Shape::line(line.collect(), Stroke::new(1.0, color));
        ui.painter().add(line);
    }
}

fn fill(ui: &Ui, rect: Rect, color: Color32, top: impl Fn(usize) -> egui::Pos2) {
    let mut mesh = Mesh::default();
    for at in 0..256 {
        let top = top(at);
        let next = mesh.vertices.len() as u32;
        mesh.colored_vertex(top, color);
        mesh.colored_vertex(pos2(top.x, rect.bottom()), color);
        if at > 0 {
            mesh.add_triangle(next - 2, next - 1, next);
            mesh.add_triangle(next - 1, next, next + 1);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
}

/// How many pixels are as dark or as bright as they can be.
fn clipped(ui: &mut Ui, histogram: &Histogram, tokens: Tokens) {
    let luminance = &histogram.luminance;
    let all: u32 = luminance.iter().sum();
    for (name, count) in [
        ("clipped shadows", luminance[0]),
        ("clipped highlights", luminance[255]),
    ] {
        let percent = f64::from(count) / f64::from(all.max(1)) * 100.0;
        let text = format!("{name}: {count} px ({percent:.1} %)");
        let color = if percent >= 1.0 {
            tokens.caution
        } else {
            tokens.text_weak
        };
        ui.label(RichText::new(text).small().color(color));
    }
}
