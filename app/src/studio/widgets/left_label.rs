//! Labels in columns.

use egui::{Align, Label, Layout, Response, RichText, Ui, vec2};

/// A line of text on the left of `width` × `height` points, cut off where it is longer.
pub(crate) fn left_label(ui: &mut Ui, text: RichText, width: f32, height: f32) -> Response {
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(vec2(width, height), layout, |ui| {
        ui.set_min_size(vec2(width, height));
        ui.add(Label::new(text).truncate())
    })
    .inner
}
