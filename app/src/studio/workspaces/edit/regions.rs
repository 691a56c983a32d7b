//! Parts of the picture with words of their own.

use egui::{Button, DragValue, RichText, TextEdit, Ui};

use super::EditView;
use super::side::chip;
use crate::studio::command::UiCommand;
use crate::studio::state::{Layer, Shown, Studio};
use crate::studio::theme::Tokens;
use crate::studio::widgets::{icon_button, icon_toggle};

/// Room for a region's weight and its two icons, in points.
const AFTER_WORDS: f32 = 130.0;

pub(super) fn regions_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut EditView,
) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    let mut removed = None;
    for index in 0..studio.bench.recipe.regions.len() {
        ui.push_id(("region", index), |ui| {
            if region_ui(ui, studio, view, index) {
                removed = Some(index);
            }
        });
    }
    if let Some(index) = removed {
        studio.remove_region(index);
    }
    if studio.bench.recipe.regions.is_empty() {
        let text = "A region gives a part of the picture words of its own.";
        ui.label(RichText::new(text).small().color(tokens.text_weak));
    }
    let command = UiCommand::AddRegion;
    if ui
        .button(command.title())
        .on_hover_text(command.help())
        .clicked()
    {
        view.wants_words = Some(studio.bench.recipe.regions.len());
        asked = Some(command);
    }
    asked
}

/// One region; `true` where it shall go.
fn region_ui(ui: &mut Ui, studio: &mut Studio, view: &mut EditView, index: usize) -> bool {
    let tokens = Tokens::in_ui(ui);
    let layer = Layer::Region(index);
    let number = index + 1;
    let mut is_removed = false;
    ui.horizontal(|ui| {
        let is_chosen = studio.edit.layer() == layer;
        let text = chip(ui, layer, &number.to_string());
        let chip = ui.add(Button::selectable(is_chosen, text));
        let chip = chip.accessible_name(format!("mask of region {number}"));
        if chip.on_hover_text("Paints on this region").clicked() {
            studio.edit.choose_layer(layer);
        }
        let Some(region) = studio.bench.recipe.regions.get_mut(index) else {
            return;
        };
        let edit = TextEdit::singleline(&mut region.prompt).hint_text("what to show here");
        let width = (ui.available_width() - AFTER_WORDS).max(60.0);
        let edit = ui.add(edit.desired_width(width));
        let edit = edit.accessible_name(format!("words of region {number}"));
        if view.wants_words == Some(index) {
            view.wants_words = None;
            edit.request_focus();
        }
        let field = DragValue::new(&mut region.weight)
            .range(0.0..=1.0)
            .speed(0.01)
            .fixed_decimals(2);
        let weight = ui.add(field);
        let weight = weight.accessible_name(format!("weight of region {number}"));
        let weight = weight
            .on_hover_text("How much its words count there against those of the whole picture");
        if edit.changed() || weight.changed() {
            studio.shown = Shown::Bench;
        }
        view.is_being_typed |= edit.changed();
        let is_hidden = studio.edit.is_hidden(index);
        let name = format!("show mask of region {number}");
        let help = "Draws its mask, or not; its words are at work either way";
        if icon_toggle(ui, !is_hidden, "👁", &name, help).clicked() {
            studio.edit.toggle_hidden(index);
        }
        let name = format!("remove region {number}");
        let help = "Takes the region away with its words and its mask";
        is_removed = icon_button(ui, "✖", &name, help).clicked();
    });
    let region = studio.bench.recipe.regions.get(index);
    if region.is_some_and(|region| region.prompt.trim().is_empty()) {
        let text = "Say what it shall show; until then nothing can be rendered.";
        ui.label(RichText::new(text).small().color(tokens.caution));
    }
    is_removed
}
