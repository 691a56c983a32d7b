//! What is painted on, with what, and what changes a mask as a whole.

use egui::text::{LayoutJob, TextFormat};
use egui::{Button, DragValue, Grid, RichText, Slider, Ui};
use vernier_engine::picture::Ink;

use crate::studio::command::UiCommand;
use crate::studio::state::{
    BRUSH_RADIUS_RANGE_PX, FEATHER_RANGE_PX, GROW_RANGE_PX, Layer, Studio, Tool,
};
use crate::studio::theme::Tokens;
use crate::studio::workspaces::edit::EditView;
use crate::studio::workspaces::edit::canvas::{layer_color, layers};

/// What is painted on, and what that means for the picture.
pub(super) fn layer_line(ui: &mut Ui, studio: &mut Studio, view: &mut EditView) {
    let tokens = Tokens::in_ui(ui);
    let chosen = studio.edit.layer();
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("paints").color(tokens.text_weak));
        for layer in layers(studio) {
            let text = match layer {
                Layer::Mask => "where it may change".to_owned(),
                Layer::Region(index) => format!("region {}", index + 1),
                Layer::Change(index) => format!("change {}", index + 1),
            };
            let name = format!("paint {text}");
            let button = Button::selectable(layer == chosen, chip(ui, layer, &text));
            if ui.add(button).accessible_name(name).clicked() {
                studio.edit.choose_layer(layer);
            }
        }
    });
    let (text, color) = match studio.mask_problem(chosen) {
        Some(problem) => (problem, tokens.trouble),
        None => (meaning(studio, view, chosen), tokens.text_weak),
    };
    ui.label(RichText::new(text).small().color(color));
}

/// A square of the layer's colour before a text of the usual one.
pub(in super::super) fn chip(ui: &Ui, layer: Layer, text: &str) -> LayoutJob {
    let tokens = Tokens::in_ui(ui);
    let font = egui::TextStyle::Button.resolve(ui.style());
    let mut job = LayoutJob::default();
    let color = layer_color(layer, tokens);
    job.append("■ ", 0.0, TextFormat::simple(font.clone(), color));
    job.append(text, 0.0, TextFormat::simple(font, tokens.text));
    job
}

/// A part of the picture in words.
pub(in super::super) fn percent(share: f64) -> String {
    match share * 100.0 {
        some if some > 0.0 && some < 1.0 => "under 1 %".to_owned(),
        some => format!("{some:.0} %"),
    }
}

fn meaning(studio: &mut Studio, view: &mut EditView, layer: Layer) -> String {
    let share = studio.shown_mask(layer).map(|shown| {
        let known = view.share.filter(|known| known.0 == shown.revision);
        let (_, share) = known.unwrap_or_else(|| (shown.revision, shown.mask.share()));
        view.share = Some((shown.revision, share));
        share
    });
    match (layer, share) {
        (Layer::Mask, Some(share)) if share > 0.0 => format!(
            "{} may change; outside of it the pixels stay as they are.",
            percent(share)
        ),
        (Layer::Mask, _) if studio.bench.recipe.source.is_none() => {
            "Painting begins with the shown picture as the source.".to_owned()
        }
        (Layer::Mask, _) => "Nothing is masked: everything may change.".to_owned(),
        (Layer::Region(_), Some(share)) if share > 0.0 => {
            format!("Its words count on {} of the picture.", percent(share))
        }
        (Layer::Change(_), Some(share)) if share > 0.0 => {
            format!(
                "It changes on {} of the picture, and nowhere else.",
                percent(share)
            )
        }
        (Layer::Change(_), _) => {
            "The model looks for it by its words; paint to say where it is.".to_owned()
        }
        (Layer::Region(_), _) => "Paint where its words shall count.".to_owned(),
    }
}

pub(super) fn tools_ui(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
    let mut asked = None;
    ui.horizontal(|ui| {
        for (tool, command) in [
            (Tool::Brush, UiCommand::ToolBrush),
            (Tool::Lasso, UiCommand::ToolLasso),
            (Tool::Box, UiCommand::ToolBox),
        ] {
            let button = Button::selectable(studio.edit.tool == tool, command.title());
            let button = ui.add(button).on_hover_text(command.help());
            if button.clicked() {
                asked = Some(command);
            }
        }
        ui.separator();
        for (ink, text, help) in [
            (Ink::Add, "Add", "What is painted may change"),
            (
                Ink::Erase,
                "Erase",
                "What is painted may not change; the right button does the other",
            ),
        ] {
            let button = Button::selectable(studio.edit.ink == ink, text);
            if ui.add(button).on_hover_text(help).clicked() {
                studio.edit.ink = ink;
            }
        }
    });
    asked
}

pub(super) fn numbers_ui(ui: &mut Ui, studio: &mut Studio) {
    Grid::new("mask numbers").num_columns(2).show(ui, |ui| {
        if studio.edit.tool == Tool::Brush {
            let label = ui.label("size");
            let mut diameter_px = studio.edit.brush_radius_px * 2.0;
            let (least, most) = BRUSH_RADIUS_RANGE_PX.into_inner();
            let slider = Slider::new(&mut diameter_px, least * 2.0..=most * 2.0)
                .logarithmic(true)
                .fixed_decimals(0)
                .suffix(" px");
            let slider = ui.add(slider).labelled_by(label.id);
            if slider.changed() {
                studio.edit.brush_radius_px = diameter_px / 2.0;
            }
            ui.end_row();
            let label = ui.label("hardness");
            let slider = Slider::new(&mut studio.edit.hardness, 0.0..=1.0).fixed_decimals(2);
            ui.add(slider).labelled_by(label.id);
            ui.end_row();
        }
        let layer = studio.edit.layer();
        let before = studio.mask_use(layer).map(|mask| mask.feather_px);
        let label = ui.label("feather");
        let mut feather_px = before.unwrap_or(0.0);
        let slider = Slider::new(&mut feather_px, FEATHER_RANGE_PX)
            .clamping(egui::SliderClamping::Edits)
            .fixed_decimals(0)
            .suffix(" px");
        let slider = ui.add_enabled(before.is_some(), slider);
        let help = "How far the mask's edge is softened";
        let slider = slider.labelled_by(label.id).on_hover_text(help);
        if slider.changed()
            && let Some(mask) = studio.mask_use_mut(layer)
        {
            mask.feather_px = feather_px;
        }
        ui.end_row();
    });
}

/// What changes the mask as a whole.
pub(super) fn whole_ui(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
    let mut asked = None;
    ui.horizontal_wrapped(|ui| {
        for (command, text) in [
            (UiCommand::InvertMask, "Invert"),
            (UiCommand::FillMask, "Fill"),
            (UiCommand::ClearMask, "Clear mask"),
        ] {
            if command_button(ui, studio, command, text) {
                asked = Some(command);
            }
        }
    });
    ui.horizontal(|ui| {
        for (command, text) in [
            (UiCommand::GrowMask, "Grow"),
            (UiCommand::ShrinkMask, "Shrink"),
        ] {
            if command_button(ui, studio, command, text) {
                asked = Some(command);
            }
        }
        ui.label("by");
        let field = DragValue::new(&mut studio.edit.grow_px)
            .range(GROW_RANGE_PX)
            .suffix(" px");
        ui.add(field)
            .accessible_name("grow or shrink by, in pixels");
    });
    asked
}

fn command_button(ui: &mut Ui, studio: &Studio, command: UiCommand, text: &str) -> bool {
    let button = ui.add_enabled(studio.allows(command), Button::new(text));
    button.on_hover_text(command.help()).clicked()
}
