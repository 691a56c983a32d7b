//! The picture with its masks over it.

use egui::{
    Align2, Color32, CornerRadius, FontId, Rect, Response, Sense, Shape, Stroke, StrokeKind, Ui,
};

use super::{EditView, pointer};
use crate::studio::gpu::{self, Compare, Overlay, Pixels, Source, TextureKey, View};
use crate::studio::panes::{CanvasView, corner_note, heat_scale};
use crate::studio::state::{EditShows, Layer, Studio, Tool};
use crate::studio::theme::Tokens;

/// How strongly masks tint the picture: the one that is painted on, and the others.
const TINT: [f32; 2] = [0.38, 0.2];
/// The same where the model has found a thing, and nobody paints: the result is looked at.
const FOUND_TINT: f32 = 0.08;

pub(super) fn canvas_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut EditView,
    canvas: &mut CanvasView,
) {
    let tokens = Tokens::in_ui(ui);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::drag());
    ui.painter()
        .rect_filled(rect, CornerRadius::ZERO, tokens.canvas);
    let painted = painted(studio, canvas);
    let label = match &painted {
        Some(painted) => format!("edit canvas: {}", painted.note),
        None => "edit canvas: empty".to_owned(),
    };
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, label.as_str()));
    let size = studio.edit_size_px();
    let scale = ui.pixels_per_point();
    let mut now = canvas.view_of(size, rect, scale);
    pointer::take(ui, studio, view, canvas, (rect, &response, &mut now));

    let painter = ui.painter().with_clip_rect(rect);
    let Some(painted) = painted else {
        let text = "Open a picture to start from, or render one";
        painter.text(
            rect.center(),
            Align2::CENTER_CENTER,
            text,
            FontId::proportional(14.0),
            tokens.text_weak,
        );
        return;
    };
    let compare = match (painted.other, studio.edit.shows) {
        (Some(other), EditShows::Wipe(at)) => Compare::Wipe { other, at },
        (Some(other), EditShows::Heat(gain)) => Compare::Heat { other, gain },
        _ => Compare::None,
    };
    let is_heat = matches!(compare, Compare::Heat { .. });
    let overlays = overlays(studio, tokens, is_heat);
    painter.add(Shape::Callback(gpu::canvas(
        rect,
        painted.source,
        compare,
        overlays,
        now,
    )));
    if let (EditShows::Heat(gain), true) = (studio.edit.shows, is_heat) {
        heat_scale(ui, rect, gain, tokens);
    }
    stroke_ui(ui, studio, rect, now);
    brush_ring(ui, studio, rect, &response, now);
    corner_note(ui, rect, &painted.note, tokens);
}

/// Textures of the places of changes begin after those of regions.
const FIRST_CHANGE: u64 = 1 << 16;

/// What can be painted on: the mask and the regions, or the changes by words.
pub(super) fn layers(studio: &Studio) -> Vec<Layer> {
    let recipe = &studio.bench.recipe;
    if let Some(edit) = &recipe.edit {
        return (0..edit.changes.len()).map(Layer::Change).collect();
    }
    let regions = (0..recipe.regions.len()).map(Layer::Region);
    std::iter::once(Layer::Mask).chain(regions).collect()
}

/// What lies below the masks.
struct Painted {
    source: Source,
    /// Right of the wiping line, or what it differs from.
    other: Option<Source>,
    note: String,
}

/// The source, what came of it, or both; whichever there is where the other is missing.
fn painted(studio: &mut Studio, canvas: &mut CanvasView) -> Option<Painted> {
    let source = studio.covered_source().and_then(Result::ok);
    let source = source.map(|s| canvas.source(&Pixels::Picture(s.picture)));
    let size = studio.edit_size_px();
    let result = studio.shown_pixels().and_then(|(pixels, is_current)| {
        let shown = canvas.source(&pixels);
        (shown.size_px() == size).then(|| {
            let note = match (is_current, studio.preview_note()) {
                (true, _) => "result",
                (false, Some(note)) => note,
                (false, None) => "the result before",
            };
            (shown, note.to_owned())
        })
    });
    let painted = |source, other, note: &str| Painted {
        source,
        other,
        note: note.to_owned(),
    };
    Some(match (source, result, studio.edit.shows) {
        (Some(source), Some((result, note)), EditShows::Wipe(_)) => {
            let note = format!("left: source, right: {note}");
            painted(source, Some(result), &note)
        }
        (Some(source), Some((result, note)), EditShows::Heat(gain)) => {
            // What the model drew tells of leaks that the source's own pixels cover by now.
            let drawn = studio.edit_outcome().map(|outcome| outcome.drawn.clone());
            let (drawn, what) = match drawn {
                Some(drawn) => (
                    canvas.source(&Pixels::Picture(drawn)),
                    "what the model drew, before the source was put back".to_owned(),
                ),
                None => (result, note),
            };
            let note = format!("difference from the source, ×{gain:.0}: {what}");
            painted(drawn, Some(source), &note)
        }
        (_, Some((result, note)), EditShows::Result) | (None, Some((result, note)), _) => {
            painted(result, None, &note)
        }
        (Some(source), ..) => painted(source, None, "source"),
        (None, None, _) => return None,
    })
}

/// What a layer is drawn with.
pub(super) fn layer_color(layer: Layer, tokens: Tokens) -> Color32 {
    match layer {
        Layer::Mask => tokens.mask,
        Layer::Region(index) | Layer::Change(index) => tokens.subject(index),
    }
}

/// The masks that are drawn, the one that is painted on above the others.
fn overlays(studio: &mut Studio, tokens: Tokens, is_heat: bool) -> Vec<Overlay> {
    if !studio.edit.shows_masks {
        return Vec::new();
    }
    let chosen = studio.edit.layer();
    let mut layers = layers(studio);
    layers.sort_by_key(|layer| *layer == chosen);
    let is_hidden = |studio: &Studio, layer: Layer| match layer {
        Layer::Region(index) => studio.edit.is_hidden(index),
        Layer::Mask => false,
        Layer::Change(index) => {
            let edit = studio.bench.recipe.edit.as_ref();
            edit.is_some_and(|edit| edit.changes[index].muted)
        }
    };
    let mut overlays = Vec::new();
    for layer in layers {
        if is_hidden(studio, layer) {
            continue;
        }
        let (shown, is_found) = match (studio.shown_mask(layer), layer) {
            (Some(shown), _) => (shown, false),
            (None, Layer::Change(index)) => match studio.found_place(index) {
                Some(found) => (found, true),
                None => continue,
            },
            (None, _) => continue,
        };
        overlays.push(Overlay {
            mask: shown.mask,
            key: TextureKey(match layer {
                Layer::Mask => 0,
                Layer::Region(index) => index as u64 + 1,
                Layer::Change(index) => index as u64 + FIRST_CHANGE,
            }),
            revision: shown.revision,
            color: layer_color(layer, tokens),
            opacity: match (is_heat, is_found) {
                // A difference map's colours mean something.
                (true, _) => 0.0,
                (false, true) => FOUND_TINT,
                (false, false) => TINT[usize::from(layer != chosen)],
            },
        });
    }
    overlays
}

/// The line of a lasso or the edges of a box while they are drawn.
fn stroke_ui(ui: &Ui, studio: &Studio, rect: Rect, view: View) {
    let Some(stroke) = studio.edit.stroke() else {
        return;
    };
    let scale = ui.pixels_per_point();
    let place = |point: &[f64; 2]| view.screen_at(rect, scale, point.map(|c| c as f32));
    let painter = ui.painter().with_clip_rect(rect);
    let lines = [
        Stroke::new(3.0, Color32::from_black_alpha(160)),
        Stroke::new(1.0, Color32::WHITE),
    ];
    match (stroke.tool(), stroke.points()) {
        (Tool::Lasso, points) => {
            let points: Vec<_> = points.iter().map(place).collect();
            let ends = [points.last().copied(), points.first().copied()];
            for line in lines {
                painter.add(Shape::line(points.clone(), line));
                if let [Some(last), Some(first)] = ends {
                    // How it will be closed.
                    painter.extend(Shape::dashed_line(&[last, first], line, 4.0, 4.0));
                }
            }
        }
        (Tool::Box, [from, to]) => {
            let area = Rect::from_two_pos(place(from), place(to));
            for line in lines {
                painter.rect_stroke(area, 0.0, line, StrokeKind::Middle);
            }
        }
        _ => {}
    }
}

/// The brush where it would paint.
fn brush_ring(ui: &Ui, studio: &Studio, rect: Rect, response: &Response, view: View) {
    let Some(pos) = response.hover_pos() else {
        return;
    };
    ui.ctx().set_cursor_icon(egui::CursorIcon::Crosshair);
    if studio.edit.tool != Tool::Brush {
        return;
    }
    let radius = studio.edit.brush_radius_px as f32 * view.zoom / ui.pixels_per_point();
    let painter = ui.painter().with_clip_rect(rect);
    let dark = Stroke::new(3.0, Color32::from_black_alpha(140));
    painter.circle_stroke(pos, radius, dark);
    painter.circle_stroke(pos, radius, Stroke::new(1.0, Color32::WHITE));
}
