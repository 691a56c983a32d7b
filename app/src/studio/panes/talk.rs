//! The talk line: what shall change, in plain words, and the answers.

use egui::{Button, Key, RichText, ScrollArea, TextEdit, Ui};

use crate::studio::state::{Exchange, Studio};
use crate::studio::theme::{Tokens, space};

/// So many of the last exchanges are in view.
const SHOWN: usize = 3;

/// What the talk line remembers between frames.
#[derive(Debug, Default)]
pub(crate) struct TalkView {
    /// Whether it is shown.
    pub(crate) is_open: bool,
    /// Writing shall go to it in the next frame.
    pub(crate) wants_focus: bool,
}

/// Draws the last exchanges and the line that is being written.
pub(crate) fn talk_pane(ui: &mut Ui, studio: &mut Studio, view: &mut TalkView) {
    let tokens = Tokens::in_ui(ui);
    let exchanges = studio.talk().exchanges();
    let first = exchanges.len().saturating_sub(SHOWN);
    let shown: Vec<Exchange> = exchanges[first..].to_vec();
    let mut said = None;
    ScrollArea::vertical()
        .max_height(120.0)
        .stick_to_bottom(true)
        .show(ui, |ui| {
            for exchange in &shown {
                said = exchange_ui(ui, exchange, tokens).or(said.take());
            }
        });
    ui.horizontal(|ui| {
        let close = ui.add(Button::new("×").frame(false));
        if close.on_hover_text("Puts the talk line away").clicked() {
            view.is_open = false;
        }
        let hint = "Say what to change: “make her smile a bit more”, “undo that”";
        let edit = TextEdit::singleline(&mut studio.talk_mut().text)
            .desired_width(f32::INFINITY)
            .hint_text(hint);
        let response = ui.add(edit).accessible_name("say what to change");
        if std::mem::take(&mut view.wants_focus) {
            response.request_focus();
        }
        if response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter)) {
            said = Some(std::mem::take(&mut studio.talk_mut().text));
            response.request_focus();
        }
    });
    if studio.talk().is_waiting() {
        let text = "waits for the picture and its readings";
        ui.label(RichText::new(text).small().color(tokens.text_weak));
    }
    if let Some(said) = said {
        studio.hear(&said);
    }
}

/// One exchange; gives the answer that was clicked.
fn exchange_ui(ui: &mut Ui, exchange: &Exchange, tokens: Tokens) -> Option<String> {
    let mut clicked = None;
    let said = format!("“{}”", exchange.said);
    ui.label(RichText::new(said).color(tokens.text_weak));
    ui.horizontal_wrapped(|ui| {
        ui.label(&exchange.answer);
        for choice in &exchange.choices {
            let button = ui.add(Button::new(choice));
            if button.accessible_name(format!("answer {choice}")).clicked() {
                clicked = Some(choice.clone());
            }
        }
    });
    if let Some(after) = &exchange.after {
        ui.label(RichText::new(after).small().color(tokens.text_weak));
    }
    ui.add_space(space::XS);
    clicked
}
