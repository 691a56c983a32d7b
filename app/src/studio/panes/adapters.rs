//! The bench's LoRAs and embeddings, a row each.

use egui::{Align, CollapsingHeader, Layout, RichText, Ui};

use crate::studio::state::{AdapterRow, Studio};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{file_problem, file_title, icon_button, icon_toggle, weight_slider};

/// Most trained words that a row offers.
const MOST_WORDS: usize = 6;

/// What was asked of a row.
enum Answer {
    Weigh(f64, f64),
    ToggleMute,
    Remove,
    Say(String),
}

/// Draws the group, where there is anything in it.
pub(super) fn adapters_group(ui: &mut Ui, studio: &mut Studio) {
    let rows = studio.adapter_rows();
    if rows.is_empty() {
        return;
    }
    CollapsingHeader::new(semibold("adapters"))
        .id_salt(("rack", "adapters"))
        .default_open(true)
        .show(ui, |ui| {
            for row in &rows {
                let is_embedding = row.weights.is_none();
                let answer = ui.push_id((&row.name, is_embedding), |ui| row_ui(ui, row));
                match answer.inner {
                    Some(Answer::Weigh(unet, text)) => studio.weigh_adapter(&row.name, unet, text),
                    Some(Answer::ToggleMute) => studio.toggle_adapter_mute(&row.name),
                    Some(Answer::Remove) => studio.remove_adapter(row),
                    Some(Answer::Say(word)) => studio.say(&word),
                    None => {}
                }
            }
        });
}

fn row_ui(ui: &mut Ui, row: &AdapterRow) -> Option<Answer> {
    let tokens = Tokens::in_ui(ui);
    let mut answer = head(ui, row, tokens);
    if let Some(weights) = row.weights {
        answer = sliders(ui, row, weights).or(answer);
    }
    if let Some(problem) = &row.problem {
        file_problem(ui, problem, row.is_muted);
    } else if row.lacks_word {
        let text = format!("No prompt has the word {}, so it does nothing.", row.name);
        ui.label(RichText::new(text).small().color(tokens.caution));
        if ui.button(format!("write {}", row.name)).clicked() {
            answer = Some(Answer::Say(row.name.clone()));
        }
    }
    if !row.trained_words.is_empty() {
        answer = words(ui, row, tokens).or(answer);
    }
    ui.add_space(space::S);
    answer
}

/// Name and switches.
fn head(ui: &mut Ui, row: &AdapterRow, tokens: Tokens) -> Option<Answer> {
    let mut answer = None;
    let name = &row.name;
    ui.horizontal(|ui| {
        let title = file_title(ui, name, row.is_muted || row.lacks_word, 90.0);
        title.on_hover_ui(|ui| about(ui, row));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let help = if row.weights.is_some() {
                "Takes it off the bench; its file stays"
            } else {
                "Takes it off the bench and its word out of the prompts; its file stays"
            };
            if icon_button(ui, "✖", &format!("remove adapter {name}"), help).clicked() {
                answer = Some(Answer::Remove);
            }
            if row.weights.is_none() {
                ui.label(RichText::new("word").small().color(tokens.text_weak));
                return;
            }
            let mute = format!("mute adapter {name}");
            let help = "Switches it off and keeps its weight";
            if icon_toggle(ui, row.is_muted, "M", &mute, help).clicked() {
                answer = Some(Answer::ToggleMute);
            }
            let reset = format!("reset adapter {name}");
            let help = "Back to 1, as it was trained";
            if icon_button(ui, "⟲", &reset, help).clicked() {
                answer = Some(Answer::Weigh(1.0, 1.0));
            }
        });
    });
    answer
}

fn about(ui: &mut Ui, row: &AdapterRow) {
    ui.set_max_width(320.0);
    ui.label(&row.about);
    let path = row.path.as_ref();
    let place = path.map_or_else(|| row.name.clone(), |path| path.display().to_string());
    ui.label(RichText::new(place).small().weak());
}

fn sliders(ui: &mut Ui, row: &AdapterRow, (unet, text): (f64, f64)) -> Option<Answer> {
    let name = &row.name;
    let mut answer = None;
    if let Some(weight) = weight_slider(ui, "", unet, &format!("weight of {name}")) {
        // The text encoder's part goes along unless it was given a weight of its own.
        let is_one = unet.to_bits() == text.to_bits();
        answer = Some(Answer::Weigh(weight, if is_one { weight } else { text }));
    }
    if row.has_text {
        let name = format!("text encoder weight of {name}");
        if let Some(weight) = weight_slider(ui, "text", text, &name) {
            answer = Some(Answer::Weigh(unet, weight));
        }
    }
    answer
}

fn words(ui: &mut Ui, row: &AdapterRow, tokens: Tokens) -> Option<Answer> {
    let mut answer = None;
    ui.horizontal_wrapped(|ui| {
        ui.label(
            RichText::new("trained with")
                .small()
                .color(tokens.text_weak),
        );
        for word in row.trained_words.iter().take(MOST_WORDS) {
            let button = ui
                .small_button(word)
                .on_hover_text("Writes it into the prompt");
            let button = button.accessible_name(format!("write {word}"));
            if button.clicked() {
                answer = Some(Answer::Say(word.clone()));
            }
        }
    });
    answer
}
