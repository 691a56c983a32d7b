//! The prompt, with its subjects on their very words.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat};
use egui::{
    Button, Galley, Id, Key, KeyboardShortcut, Modifiers, RichText, TextBuffer, TextEdit, Ui,
};

use super::library::{dropped, take_carried};
use crate::studio::command::UiCommand;
use crate::studio::state::{Studio, Subject, in_words, word_at};
use crate::studio::theme::{Tokens, semibold, space};

/// What the prompt pane remembers between frames.
#[derive(Debug, Default)]
pub(crate) struct PromptView {
    /// Writing shall go to the prompt in the next frame.
    pub(crate) wants_focus: bool,
    shows_negative: bool,
    is_being_typed: bool,
}

impl PromptView {
    /// Whether a word is just being written.
    pub(crate) fn is_being_typed(&self) -> bool {
        self.is_being_typed
    }
}

/// Draws prompt, subjects and the render button.
pub(crate) fn prompt_pane(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut PromptView,
) -> Option<UiCommand> {
    let mut asked = None;
    ui.horizontal_top(|ui| {
        let button_width = 150.0;
        let width = (ui.available_width() - button_width - space::L).max(200.0);
        ui.vertical(|ui| {
            ui.set_width(width);
            prompt_edit(ui, studio, view);
            chosen_row(ui, studio);
            subject_row(ui, studio, view);
            waiting_row(ui, studio);
            if view.shows_negative {
                let hint = "what to steer away from";
                let edit = TextEdit::multiline(&mut studio.bench.recipe.negative_prompt)
                    .desired_rows(1)
                    .desired_width(f32::INFINITY)
                    .hint_text(hint);
                ui.add(edit).accessible_name("negative prompt");
            }
        });
        ui.vertical(|ui| {
            asked = render_buttons(ui, studio);
        });
    });
    asked
}

fn prompt_edit(ui: &mut Ui, studio: &mut Studio, view: &mut PromptView) {
    let tokens = Tokens::in_ui(ui);
    let subjects = studio.subjects().to_vec();
    let mut layouter = |ui: &Ui, text: &dyn TextBuffer, wrap_width: f32| -> Arc<Galley> {
        let mut job = laid_out(text.as_str(), &subjects, &tokens, ui);
        job.wrap.max_width = wrap_width;
        ui.fonts_mut(|fonts| fonts.layout_job(job))
    };
    let id = Id::unique("prompt");
    let mut text = studio.bench.recipe.prompt.clone();
    let output = TextEdit::multiline(&mut text)
        .id(id)
        .desired_rows(2)
        .desired_width(f32::INFINITY)
        .hint_text("what to show, in as many words as you like")
        // Enter alone makes no new line in a sentence; a prompt has none.
        .return_key(KeyboardShortcut::new(Modifiers::SHIFT, Key::Enter))
        .layouter(&mut layouter)
        .show(ui);
    let response = output.response.response.clone().accessible_name("prompt");
    if std::mem::take(&mut view.wants_focus) {
        response.request_focus();
    }
    view.is_being_typed = response.changed();
    if let Some(carried) = dropped(ui, &response) {
        let word = ui.ctx().pointer_interact_pos().and_then(|pos| {
            let at = output.galley.cursor_from_pos(pos - output.galley_pos);
            word_at(&text, byte_of(&text, at.index.0)).map(str::to_owned)
        });
        take_carried(studio, &carried, word.as_deref());
    }
    if response.changed() {
        studio.bench.recipe.prompt = text;
        studio.shown = crate::studio::state::Shown::Bench;
        return;
    }
    if response.clicked()
        && let Some(cursor) = output.cursor_range
    {
        let byte = byte_of(&text, cursor.primary.index.0);
        let noun = word_at(&text, byte).map(str::to_lowercase);
        let is_subject = |noun: &String| subjects.iter().any(|s| s.noun == *noun);
        if let Some(noun) = noun.filter(is_subject) {
            studio.selected_subject = Some(noun);
        }
    }
}

/// Where the character `at` begins, in bytes.
fn byte_of(text: &str, at: usize) -> usize {
    let mut characters = text.char_indices();
    characters.nth(at).map_or(text.len(), |(byte, _)| byte)
}

/// The text with every subject's word on its own colour.
fn laid_out(text: &str, subjects: &[Subject], tokens: &Tokens, ui: &Ui) -> LayoutJob {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let font = egui::FontId::new(font.size + 2.0, font.family);
    let plain = TextFormat::simple(font.clone(), tokens.text);
    let mut job = LayoutJob::default();
    let mut from = 0;
    for (at, subject) in subjects.iter().enumerate() {
        // The subjects are those of the last frame; what has been typed since may be shorter.
        let Some(word) = text
            .get(subject.bytes.clone())
            .filter(|_| subject.bytes.start >= from)
        else {
            continue;
        };
        let Some(before) = text.get(from..subject.bytes.start) else {
            continue;
        };
        job.append(before, 0.0, plain.clone());
        let color = tokens.subject(at);
        let chip = TextFormat {
            color,
            background: color.gamma_multiply(0.22),
            underline: egui::Stroke::new(1.0, color),
            ..plain.clone()
        };
        job.append(word, 0.0, chip);
        from = subject.bytes.end;
    }
    job.append(text.get(from..).unwrap_or_default(), 0.0, plain);
    job
}

/// What the seed has chosen, where the prompt leaves something open.
fn chosen_row(ui: &mut Ui, studio: &Studio) {
    let Some(chosen) = studio.chosen_prompt() else {
        return;
    };
    let tokens = Tokens::in_ui(ui);
    let text = RichText::new(format!("this seed: {chosen}")).small();
    let row = ui.add(egui::Label::new(text.color(tokens.text_weak)).truncate());
    row.on_hover_text(chosen);
}

/// Why the picture does not follow just now.
fn waiting_row(ui: &mut Ui, studio: &Studio) {
    if let Some(name) = studio.live_waits_for() {
        let tokens = Tokens::in_ui(ui);
        let text = format!("Live waits until {} is calibrated", in_words(name));
        ui.label(RichText::new(text).small().color(tokens.caution));
    }
    if let Some(sentence) = studio.unfit_adapter().filter(|_| studio.is_live()) {
        let tokens = Tokens::in_ui(ui);
        let text = RichText::new(format!("Live waits: {sentence}")).small();
        let row = ui.add(egui::Label::new(text.color(tokens.caution)).truncate());
        row.on_hover_text(sentence);
    }
}

/// The same subjects as buttons, for the keyboard and for those who do not click into text.
fn subject_row(ui: &mut Ui, studio: &mut Studio, view: &mut PromptView) {
    let tokens = Tokens::in_ui(ui);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("Subjects").small().color(tokens.text_weak));
        let mut chosen = None;
        let subjects = studio.subjects();
        for (at, subject) in subjects.iter().enumerate() {
            let is_selected = studio.selected_subject.as_ref() == Some(&subject.noun);
            let text = semibold(&subject.noun).color(tokens.subject(at));
            let chip = ui
                .add(Button::selectable(is_selected, text))
                .accessible_name(format!("subject {}", subject.noun));
            let chip = if subject.is_ambiguous {
                ui.label(RichText::new("twice").small().color(tokens.caution));
                chip.on_hover_text(format!(
                    "\"{}\" stands in the prompt more than once: controls cannot tell them apart",
                    subject.noun
                ))
            } else {
                chip.on_hover_text("Shows this subject's sliders alone")
            };
            if chip.clicked() {
                chosen = Some(subject.noun.clone());
            }
        }
        if subjects.is_empty() {
            ui.label(RichText::new("none found").small().color(tokens.text_weak));
        }
        if let Some(noun) = chosen {
            let is_same = studio.selected_subject.as_ref() == Some(&noun);
            studio.selected_subject = (!is_same).then_some(noun);
        }
        ui.menu_button(RichText::new("+ word").small(), |ui| {
            let words = vernier_engine::conditioning::split_words(&studio.bench.recipe.prompt);
            let mut toggled = None;
            for range in words {
                let word = studio.bench.recipe.prompt[range].to_lowercase();
                let is_one = studio.subjects().iter().any(|s| s.noun == word);
                if ui.add(Button::selectable(is_one, &word)).clicked() {
                    toggled = Some(word);
                }
            }
            if let Some(word) = toggled {
                studio.toggle_subject(&word);
            }
        })
        .response
        .on_hover_text("Makes any word of the prompt a subject");
        let negative = ui.add(Button::selectable(
            view.shows_negative,
            RichText::new("negative prompt").small(),
        ));
        if negative.clicked() {
            view.shows_negative = !view.shows_negative;
        }
    });
}

fn render_buttons(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    let text = semibold("Render").size(15.0).color(tokens.on_accent);
    let render = Button::new(text)
        .fill(tokens.accent)
        .min_size(egui::vec2(ui.available_width(), 32.0));
    if ui
        .add(render)
        .on_hover_text(UiCommand::Render.help())
        .clicked()
    {
        asked = Some(UiCommand::Render);
    }
    ui.horizontal(|ui| {
        let label = ui.label(RichText::new("pictures").small().color(tokens.text_weak));
        let count = egui::DragValue::new(&mut studio.count).range(1..=1000);
        ui.add(count).labelled_by(label.id);
        let mut is_live = studio.is_live();
        let live = ui.checkbox(&mut is_live, "Live");
        if live.on_hover_text(UiCommand::ToggleLive.help()).clicked() {
            asked = Some(UiCommand::ToggleLive);
        }
    });
    asked
}
