//! A slider that knows how far it can be trusted.

use egui::{
    Align, Color32, DragValue, Layout, Rect, Response, RichText, Shape, Slider, SliderClamping,
    Stroke, Ui, pos2, vec2,
};

use super::{icon_button, icon_toggle};
use crate::studio::state::SliderSpec;
use crate::studio::theme::{Tokens, space};

/// Height in points of the response curve above the rail.
const CURVE_HEIGHT: f32 = 14.0;
/// Width in points of the number beside the rail.
const NUMBER_WIDTH: f32 = 46.0;

/// The finest move.
const STEP: f64 = 0.01;

/// What the artist did to a slider.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum SliderAnswer {
    /// Moved it.
    Moved(f64),
    /// Put it back to where it does nothing.
    Reset,
    /// Switched it off, or on.
    ToggleMute,
    /// Locked it, or freed it.
    ToggleLock,
}

/// Draws the slider `spec` at `value` (`None` where it is not set) with its band, its response
/// curve, its number and its switches.
pub(crate) fn attribute_slider(
    ui: &mut Ui,
    spec: &SliderSpec,
    value: Option<f64>,
    is_muted: bool,
    is_locked: bool,
) -> Option<SliderAnswer> {
    let tokens = Tokens::in_ui(ui);
    let mut answer = None;
    let name = match &spec.key.subject {
        Some(subject) => format!("{} of {subject}", spec.title),
        None => spec.title.clone(),
    };
    ui.horizontal(|ui| {
        let color = match (value, is_muted) {
            (Some(_), false) => tokens.text,
            _ => tokens.text_weak,
        };
        let title = ui.label(RichText::new(&spec.title).color(color));
        title.on_hover_ui(|ui| about(ui, spec));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let lock = if is_locked { "🔒" } else { "🔓" };
            let help = "Locked sliders stay where they are when a recipe is taken over";
            if icon_toggle(ui, is_locked, lock, &format!("lock {name}"), help).clicked() {
                answer = Some(SliderAnswer::ToggleLock);
            }
            ui.add_enabled_ui(value.is_some(), |ui| {
                let help = "Switches it off and keeps its setting";
                if icon_toggle(ui, is_muted, "M", &format!("mute {name}"), help).clicked() {
                    answer = Some(SliderAnswer::ToggleMute);
                }
                let help = "Back to where it does nothing";
                if icon_button(ui, "⟲", &format!("reset {name}"), help).clicked() {
                    answer = Some(SliderAnswer::Reset);
                }
            });
            ui.label(RichText::new(spec.unit()).small().color(tokens.text_weak));
        });
    });
    let moved = ui
        .add_enabled_ui(!is_locked, |ui| rail(ui, spec, value, &name, tokens))
        .inner;
    answer = answer.or(moved.filter(|moved| is_move(moved, value, spec)));
    if let Some(warning) = value.and_then(|value| spec.trust(value)) {
        ui.label(RichText::new(warning).small().color(tokens.caution));
    }
    ui.add_space(space::XS);
    answer
}

fn about(ui: &mut Ui, spec: &SliderSpec) {
    ui.set_max_width(280.0);
    ui.label(if spec.about.is_empty() {
        spec.key.to_string()
    } else {
        spec.about.clone()
    });
    ui.label(RichText::new(spec.kind.label()).small().weak());
    if let Some(c) = &spec.calibration {
        let figures = format!(
            "Measured by {} on {} prompts × {} seeds: rank correlation {:.2}, R² {:.2}, spread ±{:.2}",
            c.meter, c.prompts, c.seeds, c.spearman, c.r_squared, c.spread
        );
        ui.label(RichText::new(figures).small());
        for (other, change) in &c.side_effects {
            if change.abs() >= 0.02 {
                let line = format!("{}: {:+.0} %", other.replace('_', " "), change * 100.0);
                ui.label(RichText::new(line).small().weak());
            }
        }
    }
}

/// The rail with what lies behind it, and the number.
fn rail(
    ui: &mut Ui,
    spec: &SliderSpec,
    value: Option<f64>,
    name: &str,
    tokens: Tokens,
) -> Option<SliderAnswer> {
    let mut moved = None;
    let curve = spec.curve();
    let curve_height = if curve.is_empty() { 0.0 } else { CURVE_HEIGHT };
    ui.add_space(curve_height);
    ui.horizontal(|ui| {
        let width = (ui.available_width() - NUMBER_WIDTH - space::M).max(60.0);
        ui.spacing_mut().slider_width = width;
        // Kept free for what lies behind the slider, whose place is known only afterwards.
        let behind = ui.painter().add(Shape::Noop);
        let mut at = drawn_at(value.unwrap_or(spec.rest), spec);
        let slider = Slider::new(&mut at, spec.range.clone())
            .show_value(false)
            .clamping(SliderClamping::Always)
            .trailing_fill(false)
            .step_by(STEP);
        let response = ui.add(slider).accessible_name(name);
        let number = number(ui, spec, &mut at, value.is_some(), name);
        if response.double_clicked() {
            moved = Some(SliderAnswer::Reset);
        } else if response.changed() || number.changed() {
            moved = Some(SliderAnswer::Moved(snapped(at, spec, response.dragged())));
        }
        let shapes = background(spec, &curve, response.rect, curve_height, tokens);
        ui.painter().set(behind, Shape::Vec(shapes));
        if let Some(expected) = value.and_then(|value| spec.expected(value)) {
            response.on_hover_text(format!("the meter should read {expected:.2}"));
        }
    });
    moved
}

/// Where the handle of a slider at `value` is drawn: a step of the rail.
fn drawn_at(value: f64, spec: &SliderSpec) -> f64 {
    let at = (value / STEP).round() * STEP;
    at.clamp(*spec.range.start(), *spec.range.end())
}

/// Whether somebody moved it. The rail takes a value between its steps or beyond its ends, such as
/// a closed loop finds, for the nearest that it has, which is no move.
fn is_move(answer: &SliderAnswer, value: Option<f64>, spec: &SliderSpec) -> bool {
    match (answer, value) {
        (SliderAnswer::Moved(to), Some(value)) => (to - drawn_at(value, spec)).abs() > STEP / 2.0,
        _ => true,
    }
}

fn number(ui: &mut Ui, spec: &SliderSpec, at: &mut f64, is_set: bool, name: &str) -> Response {
    let mut value = DragValue::new(at)
        .range(spec.range.clone())
        .speed(0.01)
        .fixed_decimals(2);
    if !is_set && spec.kind.takes_values() {
        value = value.custom_formatter(|_, _| "–".to_owned());
    }
    ui.add_sized([NUMBER_WIDTH, ui.spacing().interact_size.y], value)
        .accessible_name(format!("{name}, number"))
}

/// A hand that lets go near rest means rest; hundredths are as fine as anybody can see.
fn snapped(at: f64, spec: &SliderSpec, is_dragged: bool) -> f64 {
    let width = spec.range.end() - spec.range.start();
    let is_near = (at - spec.rest).abs() < width * 0.012;
    if is_dragged && is_near && !spec.kind.takes_values() {
        spec.rest
    } else {
        (at * 100.0).round() / 100.0
    }
}

fn background(
    spec: &SliderSpec,
    curve: &[(f64, f64)],
    rect: Rect,
    curve_height: f32,
    tokens: Tokens,
) -> Vec<Shape> {
    // The handle stays inside the widget by its own radius.
    let radius = rect.height() / 2.5;
    let (left, right) = (rect.left() + radius, rect.right() - radius);
    let (start, end) = (*spec.range.start(), *spec.range.end());
    let x = |value: f64| left + (right - left) * ((value - start) / (end - start)) as f32;
    let y = rect.center().y;
    let bar = |from: f64, to: f64, color: Color32| {
        let area = Rect::from_min_max(pos2(x(from), y - 2.0), pos2(x(to), y + 2.0));
        Shape::rect_filled(area.expand2(vec2(0.0, 3.0)), 3.0, color)
    };
    let mut shapes = Vec::new();
    if let Some(band) = spec.band() {
        shapes.push(bar(*band.start(), *band.end(), tokens.band));
    }
    let tick = |value: f64, height: f32, color: Color32| {
        let ends = [pos2(x(value), y - height), pos2(x(value), y + height)];
        Shape::line_segment(ends, Stroke::new(1.0, color))
    };
    if spec.range.contains(&0.0) && *spec.range.start() < 0.0 {
        shapes.push(tick(0.0, 7.0, tokens.text_weak));
    }
    if !curve.is_empty() {
        let points = curve
            .iter()
            .map(|&(at, reading)| {
                let height = curve_height * reading.clamp(0.0, 1.0) as f32;
                pos2(x(at), rect.top() - height)
            })
            .collect();
        shapes.push(Shape::line(points, Stroke::new(1.5, tokens.accent_dim)));
    }
    shapes
}

#[cfg(test)]
mod tests {
    use vernier_engine::controls::ControlKind;
    use vernier_engine::recipe::ControlScale;

    use super::*;
    use crate::studio::state::ControlKey;

    fn smile() -> SliderSpec {
        SliderSpec {
            key: ControlKey::new("smile", Some("man")),
            title: "smile".to_owned(),
            about: String::new(),
            kind: ControlKind::Direction,
            scale: ControlScale::Raw,
            range: -2.0..=2.0,
            rest: 0.0,
            calibration: None,
        }
    }

    #[test]
    fn a_hand_that_lets_go_near_rest_means_rest() {
        let spec = smile();
        assert!(snapped(0.03, &spec, true).abs() < f64::EPSILON);
        assert!(
            (snapped(0.03, &spec, false) - 0.03).abs() < f64::EPSILON,
            "typed"
        );
        assert!((snapped(0.3, &spec, true) - 0.3).abs() < f64::EPSILON);
    }
    #[test]
    fn a_value_that_the_rail_cannot_show_is_no_move() {
        let spec = smile();
        for value in [0.1234, -0.906, 2.3, -5.0] {
            let drawn = SliderAnswer::Moved(snapped(drawn_at(value, &spec), &spec, false));
            assert!(!is_move(&drawn, Some(value), &spec), "{value}");
        }
        assert!(is_move(&SliderAnswer::Moved(0.13), Some(0.1234), &spec));
        assert!(is_move(&SliderAnswer::Moved(1.99), Some(2.3), &spec));
        assert!(is_move(&SliderAnswer::Moved(0.0), None, &spec));
        assert!(is_move(&SliderAnswer::Reset, Some(0.5), &spec));
    }
}
