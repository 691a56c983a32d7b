//! Things of the source that become others by words.

mod leakage;

use egui::text::{LayoutJob, TextFormat};
use egui::{Align, Button, CollapsingHeader, DragValue, Layout, RichText, Slider, TextEdit, Ui};
use vernier_engine::conditioning::find_phrase;
use vernier_engine::recipe::{Change, Edit, EditPart};

use super::EditView;
use super::side::{chip, percent, section};
use crate::studio::command::UiCommand;
use crate::studio::state::{Layer, Shown, Studio};
use crate::studio::theme::{Tokens, space};
use crate::studio::widgets::{icon_button, icon_toggle};

/// Room for the arrow between two fields and what lies around them, in points.
const ARROW: f32 = 46.0;

/// What was asked of a row.
enum Asked {
    Remove,
    Paint,
    Find,
}

/// Draws the list of changes, what they share, and what came of them.
pub(super) fn words_ui(ui: &mut Ui, studio: &mut Studio, view: &mut EditView) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    section(ui, "What the source shows");
    source_words(ui, studio, tokens);
    section(ui, "Changes");
    let count = studio.bench.recipe.edit.as_ref();
    let count = count.map_or(0, |edit| edit.changes.len());
    let mut answer = None;
    for index in 0..count {
        let asked = ui.push_id(("change", index), |ui| {
            change_ui(ui, studio, view, index, tokens)
        });
        answer = asked.inner.map(|asked| (index, asked)).or(answer);
    }
    match answer {
        Some((index, Asked::Remove)) => studio.remove_change(index),
        Some((index, Asked::Paint)) => studio.paint_change(index),
        Some((index, Asked::Find)) => studio.find_change(index),
        None => {}
    }
    let rows_are_fine = (0..count).all(|index| studio.change_problem(index).is_none());
    if let Some(problem) = studio.edit_problem().filter(|_| rows_are_fine) {
        ui.label(RichText::new(problem).small().color(tokens.caution));
    }
    let mut asked = None;
    let command = UiCommand::AddChange;
    let button = ui.add_enabled(studio.allows(command), Button::new(command.title()));
    if button.on_hover_text(command.help()).clicked() {
        view.wants_words = Some(count);
        asked = Some(command);
    }
    ui.add_space(space::S);
    method_ui(ui, studio);
    leakage::leakage_ui(ui, studio, tokens);
    asked
}

/// The prompt, each change's words in its colour where they were found.
fn source_words(ui: &mut Ui, studio: &Studio, tokens: Tokens) {
    let prompt = &studio.bench.recipe.prompt;
    let help = "The prompt above says it; the words of each change are looked for in it.";
    let mut found: Vec<(std::ops::Range<usize>, usize)> = Vec::new();
    let edit = studio.bench.recipe.edit.as_ref();
    for (index, change) in edit.iter().flat_map(|edit| edit.changes.iter().enumerate()) {
        if let [place] = find_phrase(prompt, &change.from).as_slice() {
            found.push((place.clone(), index));
        }
    }
    found.sort_by_key(|(place, _)| place.start);
    let font = egui::TextStyle::Body.resolve(ui.style());
    let plain = TextFormat::simple(font.clone(), tokens.text);
    let mut job = LayoutJob::default();
    let mut from = 0;
    for (place, index) in found {
        let color = tokens.subject(index);
        let marked = TextFormat {
            background: color.gamma_multiply(0.22),
            underline: egui::Stroke::new(1.0, color),
            ..TextFormat::simple(font.clone(), color)
        };
        if let (Some(before), Some(words)) =
            (prompt.get(from..place.start), prompt.get(place.clone()))
        {
            job.append(before, 0.0, plain.clone());
            job.append(words, 0.0, marked);
            from = place.end;
        }
    }
    job.append(prompt.get(from..).unwrap_or_default(), 0.0, plain);
    ui.label(job);
    ui.label(RichText::new(help).small().color(tokens.text_weak));
}

/// One change: its words, how far it goes, where it is, what is wrong with it.
fn change_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut EditView,
    index: usize,
    tokens: Tokens,
) -> Option<Asked> {
    let before = studio.bench.recipe.edit.clone();
    words_row(ui, studio, view, index, tokens);
    let asked = place_row(ui, studio, index, tokens);
    if studio.bench.recipe.edit != before {
        studio.shown = Shown::Bench;
    }
    if let Some(problem) = studio.change_problem(index) {
        let edit = studio.bench.recipe.edit.as_ref();
        let change = edit.and_then(|edit| edit.changes.get(index));
        let is_begun = change.is_some_and(|c| !c.from.trim().is_empty() && !c.to.trim().is_empty());
        let color = match change {
            Some(change) if change.muted => tokens.text_weak,
            _ if is_begun => tokens.trouble,
            _ => tokens.caution,
        };
        ui.label(RichText::new(problem).small().color(color));
    }
    ui.add_space(space::M);
    asked
}

/// What it is, and what it shall be.
fn words_row(ui: &mut Ui, studio: &mut Studio, view: &mut EditView, index: usize, tokens: Tokens) {
    let number = index + 1;
    let layer = Layer::Change(index);
    ui.horizontal(|ui| {
        let is_chosen = studio.edit.layer() == layer;
        let text = chip(ui, layer, &number.to_string());
        let chosen = ui.add(Button::selectable(is_chosen, text));
        let chosen = chosen.accessible_name(format!("place of change {number}"));
        if chosen.on_hover_text("Paints where this thing is").clicked() {
            studio.edit.choose_layer(layer);
        }
        let edit = studio.bench.recipe.edit.as_mut();
        let Some(change) = edit.and_then(|edit| edit.changes.get_mut(index)) else {
            return;
        };
        let color = if change.muted {
            tokens.text_weak
        } else {
            tokens.text
        };
        // Two fields with an arrow between.
        let width = ((ui.available_width() - ARROW) / 2.0).max(40.0);
        let from = TextEdit::singleline(&mut change.from).hint_text("red apple");
        let from = ui.add(from.desired_width(width).text_color(color));
        let from = from.accessible_name(format!("change {number}, what it is"));
        let from = from.on_hover_text("Its words, as they stand in the prompt");
        if view.wants_words == Some(index) {
            view.wants_words = None;
            from.request_focus();
        }
        ui.label(RichText::new("→").color(tokens.text_weak));
        let to = TextEdit::singleline(&mut change.to).hint_text("green pear");
        let to = ui.add(to.desired_width(width).text_color(color));
        let to = to.accessible_name(format!("change {number}, what it shall be"));
        view.is_being_typed |= from.changed() || to.changed();
    });
}

/// Where the thing is, as it was painted or as the model found it; how far it goes.
fn place_row(ui: &mut Ui, studio: &mut Studio, index: usize, tokens: Tokens) -> Option<Asked> {
    let number = index + 1;
    let layer = Layer::Change(index);
    let mut asked = None;
    let problem = studio.mask_problem(layer);
    ui.horizontal(|ui| {
        let is_painted = studio.mask_use(layer).is_some();
        let share = studio.shown_mask(layer).map(|shown| shown.mask.share());
        let found = studio.found_place(index).map(|found| found.mask.share());
        let (text, help, color) = match (&problem, share, found) {
            (Some(problem), ..) => ("unreadable".to_owned(), problem.as_str(), tokens.trouble),
            (None, Some(share), _) => (
                format!("painted, {}", percent(share)),
                "Its place was painted; so much of the picture",
                tokens.text_weak,
            ),
            (None, None, Some(share)) => (
                format!("found, {}", percent(share)),
                "The model found it by its words; so much of the picture",
                tokens.text_weak,
            ),
            (None, None, None) => (
                "to be found".to_owned(),
                "The model looks for it by its words",
                tokens.text_weak,
            ),
        };
        let label = ui.label(RichText::new(text).small().color(color));
        label.on_hover_text(help);
        let (title, help, answer) = if is_painted {
            (
                "find it",
                "Lets the model look for it by its words again",
                Asked::Find,
            )
        } else {
            (
                "paint it",
                "Paints on what was found, or from nothing",
                Asked::Paint,
            )
        };
        let button = ui.small_button(title).on_hover_text(help);
        let button = button.accessible_name(format!("{title}, change {number}"));
        if button.clicked() {
            asked = Some(answer);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let edit = studio.bench.recipe.edit.as_mut();
            if let Some(change) = edit.and_then(|edit| edit.changes.get_mut(index)) {
                asked = switches(ui, change, number).or(asked.take());
            }
        });
    });
    asked
}

/// How far a change goes, whether at all, and whether it stays; from right to left.
fn switches(ui: &mut Ui, change: &mut Change, number: usize) -> Option<Asked> {
    ui.spacing_mut().item_spacing.x = 0.0;
    let help = "Takes the change away with its place";
    let remove = icon_button(ui, "✖", &format!("remove change {number}"), help);
    let help = "Leaves this change out and keeps it here";
    if icon_toggle(
        ui,
        change.muted,
        "M",
        &format!("mute change {number}"),
        help,
    )
    .clicked()
    {
        change.muted = !change.muted;
    }
    let field = DragValue::new(&mut change.strength)
        .range(0.0..=1.0)
        .speed(0.01)
        .fixed_decimals(2);
    let strength = ui.add(field);
    let strength = strength.accessible_name(format!("change {number}, strength"));
    strength.on_hover_text("Strength: how far it goes from the old words to the new ones");
    remove.clicked().then_some(Asked::Remove)
}

/// What all changes share.
fn method_ui(ui: &mut Ui, studio: &mut Studio) {
    let Some(edit) = &mut studio.bench.recipe.edit else {
        return;
    };
    let before = edit.clone();
    ui.horizontal(|ui| {
        let label = ui.label("shapes");
        let slider = Slider::new(&mut edit.structure, 0.0..=1.0).fixed_decimals(2);
        let help = "For how large a part of the steps the source's shapes are kept; 0 gives a new \
                    thing room for its own";
        ui.add(slider).labelled_by(label.id).on_hover_text(help);
    });
    CollapsingHeader::new(RichText::new("Method").small())
        .id_salt("edit method")
        .show(ui, |ui| parts_ui(ui, edit));
    if *edit != before {
        studio.shown = Shown::Bench;
    }
}

fn parts_ui(ui: &mut Ui, edit: &mut Edit) {
    for (part, text, help) in [
        (
            EditPart::Words,
            "words know their own thing alone",
            "Each thing's new words are encoded by themselves",
        ),
        (
            EditPart::Regions,
            "words act at their thing alone",
            "Each thing reads its own words only where it is",
        ),
        (
            EditPart::Background,
            "hold the background",
            "After each step everything outside of the places is the source again",
        ),
        (
            EditPart::Structure,
            "keep shapes",
            "The source's queries and keys in the self-attentions",
        ),
    ] {
        let mut is_on = edit.has(part);
        if ui.checkbox(&mut is_on, text).on_hover_text(help).changed() {
            edit.without.retain(|own| *own != part);
            if !is_on {
                edit.without.push(part);
            }
        }
    }
}
