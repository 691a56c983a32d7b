//! The panel beside the canvas: source, strength, tools, regions.

mod mask;
mod source;

use egui::{Button, Frame, Margin, Panel, ScrollArea, Ui};

use self::mask::{layer_line, numbers_ui, tools_ui, whole_ui};
use self::source::{only_masked_ui, source_ui, strength_ui};
use super::EditView;
use super::regions::regions_ui;
use super::words::words_ui;
use crate::studio::command::UiCommand;
use crate::studio::gpu::Pixels;
use crate::studio::panes::{CanvasView, HistogramPanel};
use crate::studio::state::{EditShows, Studio, USUAL_GAIN};
use crate::studio::theme::{semibold, space};

pub(super) use mask::{chip, percent};

/// Length of sliders in points.
const SLIDER: f32 = 140.0;

pub(super) fn side_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut EditView,
    canvas: &mut CanvasView,
    histogram: &mut HistogramPanel,
) -> Option<UiCommand> {
    let mut asked = None;
    // Looking is at hand however long the rest is.
    let foot = Frame::NONE.inner_margin(Margin::symmetric(0, space::S as i8));
    Panel::bottom("edit view")
        .frame(foot)
        .show_separator_line(true)
        .show(ui, |ui| view_ui(ui, studio));
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        // Nothing stands under the scroll bar.
        ui.set_max_width(ui.available_width() - space::M);
        ui.spacing_mut().slider_width = SLIDER;
        ui.add_space(space::S);
        asked = source_ui(ui, studio, canvas);
        asked = way_ui(ui, studio).or(asked);
        if studio.bench.is_edited_by_words() {
            asked = words_ui(ui, studio, view).or(asked);
            section(ui, "Place of a change");
            layer_line(ui, studio, view);
            asked = tools_ui(ui, studio).or(asked);
            numbers_ui(ui, studio);
            asked = whole_ui(ui, studio).or(asked);
        } else {
            strength_ui(ui, studio);
            section(ui, "Mask");
            layer_line(ui, studio, view);
            asked = tools_ui(ui, studio).or(asked);
            numbers_ui(ui, studio);
            asked = whole_ui(ui, studio).or(asked);
            only_masked_ui(ui, studio);
            section(ui, "Regions");
            asked = regions_ui(ui, studio, view).or(asked);
        }
        ui.add_space(space::M);
        let shown = match studio.edit.shows {
            EditShows::Source => studio
                .covered_source()
                .and_then(Result::ok)
                .map(|s| s.picture),
            EditShows::Result | EditShows::Wipe(_) | EditShows::Heat(_) => {
                studio.edit_result().map(|r| r.0)
            }
        };
        let shown = shown.map(|picture| canvas.source(&Pixels::Picture(picture)));
        histogram.show(ui, shown);
        ui.add_space(space::L);
    });
    asked
}

pub(super) fn section(ui: &mut Ui, title: &str) {
    ui.add_space(space::L);
    ui.label(semibold(title));
}

/// By paint or by words, once there is a picture to change.
fn way_ui(ui: &mut Ui, studio: &Studio) -> Option<UiCommand> {
    let command = UiCommand::EditByWords;
    if !studio.allows(command) {
        return None;
    }
    let by_words = studio.bench.is_edited_by_words();
    let mut asked = None;
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        for (is_words, text, help) in [
            (
                false,
                "By paint",
                "A mask says where the picture may change, regions what is where",
            ),
            (
                true,
                "By words",
                "Things become others, and nothing else changes",
            ),
        ] {
            let button = Button::selectable(by_words == is_words, text);
            let button = ui
                .add(button)
                .accessible_name(format!("edit {}", text.to_lowercase()));
            if button.on_hover_text(help).clicked() && by_words != is_words {
                asked = Some(command);
            }
        }
    });
    asked
}

fn view_ui(ui: &mut Ui, studio: &mut Studio) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = space::XS;
        let shows = studio.edit.shows;
        let has_source = studio.bench.recipe.source.is_some();
        for (choice, text, help) in [
            (EditShows::Result, "Result", "What has come of it"),
            (EditShows::Source, "Source", "What it started from"),
            (
                EditShows::Wipe(0.5),
                "Wipe",
                "The source left of a line, the result right of it",
            ),
            (
                EditShows::Heat(USUAL_GAIN),
                "Heat",
                "How much each pixel differs from the source; of an edit by words, as the model \
                 drew it",
            ),
        ] {
            let is_chosen = std::mem::discriminant(&choice) == std::mem::discriminant(&shows);
            let button = Button::selectable(is_chosen, text);
            let button = ui.add_enabled(has_source || choice == EditShows::Result, button);
            let button = button.accessible_name(format!("show {}", text.to_lowercase()));
            if button.on_hover_text(help).clicked() && !is_chosen {
                studio.edit.shows = choice;
            }
        }
        ui.checkbox(&mut studio.edit.shows_masks, "masks");
    });
}
