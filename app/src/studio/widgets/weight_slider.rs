//! How far something counts: nothing at 0, as it is at 1.

use egui::{DragValue, Rect, RichText, Shape, Slider, SliderClamping, Stroke, Ui, pos2};

use crate::studio::theme::{Tokens, space};

/// Where the slider goes; a number may be written beyond it.
const SLIDER_RANGE: std::ops::RangeInclusive<f64> = -1.0..=2.0;
/// What may be written.
const NUMBER_RANGE: std::ops::RangeInclusive<f64> = -10.0..=10.0;
/// Width in points of the number beside the rail.
const NUMBER_WIDTH: f32 = 46.0;
/// A hand that lets go so near 0 or 1 means that.
const NEAR: f64 = 0.03;

/// Draws a slider at `weight` with `label` before it; gives where it was moved to.
pub(crate) fn weight_slider(ui: &mut Ui, label: &str, weight: f64, name: &str) -> Option<f64> {
    let tokens = Tokens::in_ui(ui);
    let mut moved = None;
    ui.horizontal(|ui| {
        if !label.is_empty() {
            let text = RichText::new(label).small().color(tokens.text_weak);
            ui.label(text);
        }
        let width = (ui.available_width() - NUMBER_WIDTH - space::M).max(60.0);
        ui.spacing_mut().slider_width = width;
        let mut at = weight;
        let slider = Slider::new(&mut at, SLIDER_RANGE)
            .show_value(false)
            .clamping(SliderClamping::Never)
            .trailing_fill(false)
            .step_by(0.01);
        // Kept free for what lies behind the slider, whose place is known only afterwards.
        let behind = ui.painter().add(Shape::Noop);
        let slider = ui.add(slider).accessible_name(name);
        ui.painter().set(behind, marks(slider.rect, tokens));
        let height = ui.spacing().interact_size.y;
        let number = DragValue::new(&mut at)
            .range(NUMBER_RANGE)
            .speed(0.01)
            .fixed_decimals(2);
        let number = ui.add_sized([NUMBER_WIDTH, height], number);
        let number = number.accessible_name(format!("{name}, number"));
        if slider.double_clicked() {
            moved = Some(1.0);
        } else if slider.changed() || number.changed() {
            moved = Some(snapped(at, slider.dragged()));
        }
        slider.on_hover_text("0 changes nothing, 1 is as it was trained; a double click is 1");
    });
    // Steps of a hundredth leave rounding errors, which are no move.
    moved.filter(|moved| (moved - weight).abs() > 1e-9)
}

/// Where it changes nothing, and where it is as it was trained.
fn marks(rect: Rect, tokens: Tokens) -> Shape {
    // The handle stays inside the widget by its own radius.
    let radius = rect.height() / 2.5;
    let rail = (rect.left() + radius)..=(rect.right() - radius);
    let mark = |value: f64, color| {
        let range = *SLIDER_RANGE.start() as f32..=*SLIDER_RANGE.end() as f32;
        let x = egui::remap(value as f32, range, rail.clone());
        let ends = [7.0, -7.0].map(|dy| pos2(x, rect.center().y + dy));
        Shape::line_segment(ends, Stroke::new(1.0, color))
    };
    Shape::Vec(vec![
        mark(0.0, tokens.text_weak),
        mark(1.0, tokens.accent_dim),
    ])
}

/// Hundredths are as fine as anybody can see; 0 and 1 are easy to hit.
fn snapped(at: f64, is_dragged: bool) -> f64 {
    let near = [0.0, 1.0].into_iter().find(|mark| (at - mark).abs() < NEAR);
    match near.filter(|_| is_dragged) {
        Some(mark) => mark,
        None => (at * 100.0).round() / 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::snapped;

    #[test]
    fn nothing_and_as_trained_are_easy_to_hit() {
        let is = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(is(snapped(0.98, true), 1.0) && is(snapped(-0.02, true), 0.0));
        assert!(is(snapped(0.98, false), 0.98), "typed");
        assert!(is(snapped(0.504, true), 0.5));
    }
}
