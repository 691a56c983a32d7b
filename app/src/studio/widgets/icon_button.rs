//! Buttons that show an icon and are called by a name.

use egui::{Button, Response, RichText, Ui};

use crate::studio::theme::Tokens;

/// A button with `icon`; `name` is what assistive technology calls it, `help` its tooltip.
pub(crate) fn icon_button(ui: &mut Ui, icon: &str, name: &str, help: &str) -> Response {
    let button = Button::new(icon).frame_when_inactive(false);
    ui.add(button).accessible_name(name).on_hover_text(help)
}

/// The same, pressed in while `is_on`.
pub(crate) fn icon_toggle(
    ui: &mut Ui,
    is_on: bool,
    icon: &str,
    name: &str,
    help: &str,
) -> Response {
    let tokens = Tokens::in_ui(ui);
    let text = RichText::new(icon).color(if is_on {
        tokens.accent
    } else {
        tokens.text_weak
    });
    let button = Button::new(text).frame_when_inactive(false).selected(false);
    ui.add(button).accessible_name(name).on_hover_text(help)
}
