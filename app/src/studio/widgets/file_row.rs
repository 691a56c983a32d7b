//! What the rows of adapters, picture prompts and ControlNets have in common.

use egui::{Align, Label, Layout, Response, RichText, Ui, vec2};

use crate::studio::theme::Tokens;

/// The least width of a title in points.
const LEAST_WIDTH: f32 = 40.0;

/// The name of a file, cut off where it is longer than what `buttons_width` points for the buttons
/// beside it leave; faint where the file does nothing now.
pub(crate) fn file_title(ui: &mut Ui, name: &str, is_faint: bool, buttons_width: f32) -> Response {
    let tokens = Tokens::in_ui(ui);
    // A path is known by its end.
    let short = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let color = if is_faint {
        tokens.text_weak
    } else {
        tokens.text
    };
    let title = Label::new(RichText::new(short).color(color)).truncate();
    let width = (ui.available_width() - buttons_width).max(LEAST_WIDTH);
    let size = vec2(width, ui.spacing().interact_size.y);
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| ui.add(title))
        .inner
}

/// Why a file cannot work; no trouble while it is muted.
pub(crate) fn file_problem(ui: &mut Ui, problem: &str, is_muted: bool) {
    let tokens = Tokens::in_ui(ui);
    let color = if is_muted {
        tokens.text_weak
    } else {
        tokens.trouble
    };
    ui.label(RichText::new(problem).small().color(color));
}
