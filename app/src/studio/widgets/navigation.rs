//! Looking at something from near and far.

use std::ops::RangeInclusive;

use egui::{Rect, Response, Ui};

use crate::studio::gpu::View;

/// Points of the wheel for a factor of e.
const WHEEL: f32 = 200.0;

/// The view after the wheel, or a pinch, has zoomed at the pointer; `None` where nothing has.
pub(crate) fn zoomed(
    ui: &Ui,
    rect: Rect,
    response: &Response,
    view: View,
    range: &RangeInclusive<f32>,
) -> Option<View> {
    let pos = response.hover_pos()?;
    let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
    let factor = pinch * (scroll / WHEEL).exp();
    let zoom = (view.zoom * factor).clamp(*range.start(), *range.end());
    ((factor - 1.0).abs() > 1e-4).then(|| view.zoomed_at(rect, ui.pixels_per_point(), pos, zoom))
}

/// The view after a drag has moved what is under the pointer along with it.
pub(crate) fn panned(ui: &Ui, response: &Response, view: View) -> View {
    let delta = response.drag_delta() * ui.pixels_per_point() / view.zoom;
    View {
        center: [view.center[0] - delta.x, view.center[1] - delta.y],
        ..view
    }
}
