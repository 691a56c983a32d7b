//! The panel beside the canvas: source, strength, tools, regions.

use egui::text::{LayoutJob, TextFormat};
use egui::{
    Button, DragValue, Frame, Grid, Margin, Panel, Rect, RichText, ScrollArea, Sense, Shape,
    Slider, Stroke, StrokeKind, Ui, vec2,
};
use vernier_engine::picture::Ink;

use super::regions::regions_ui;
use super::{EditView, canvas::layer_color};
use crate::studio::command::UiCommand;
use crate::studio::gpu::{self, Compare, Pixels, View};
use crate::studio::panes::{CanvasView, HistogramPanel};
use crate::studio::state::{
    BRUSH_RADIUS_RANGE_PX, Covered, EditShows, FEATHER_RANGE_PX, GROW_RANGE_PX, Layer, Studio,
    Tool, USUAL_PADDING_PX,
};
use crate::studio::theme::{SEMIBOLD, Tokens, space};

/// Length of sliders in points.
const SLIDER: f32 = 140.0;
/// Side of the source's thumbnail in points.
const THUMBNAIL: f32 = 72.0;

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
        strength_ui(ui, studio);
        section(ui, "Mask");
        layer_line(ui, studio, view);
        asked = tools_ui(ui, studio).or(asked);
        numbers_ui(ui, studio);
        asked = whole_ui(ui, studio).or(asked);
        only_masked_ui(ui, studio);
        section(ui, "Regions");
        asked = regions_ui(ui, studio, view).or(asked);
        ui.add_space(space::M);
        let shown = match studio.edit.shows {
            EditShows::Source => studio
                .covered_source()
                .and_then(Result::ok)
                .map(|s| s.picture),
            EditShows::Result | EditShows::Wipe(_) => studio.edit_result().map(|r| r.0),
        };
        let shown = shown.map(|picture| canvas.source(&Pixels::Picture(picture)));
        histogram.show(ui, shown);
        ui.add_space(space::L);
    });
    asked
}

pub(super) fn section(ui: &mut Ui, title: &str) {
    ui.add_space(space::L);
    ui.label(RichText::new(title).family(egui::FontFamily::Name(SEMIBOLD.into())));
}

fn command_button(ui: &mut Ui, studio: &Studio, command: UiCommand, text: &str) -> bool {
    let button = ui.add_enabled(studio.allows(command), Button::new(text));
    button.on_hover_text(command.help()).clicked()
}

fn source_ui(ui: &mut Ui, studio: &mut Studio, canvas: &mut CanvasView) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    ui.label(RichText::new("Source").family(egui::FontFamily::Name(SEMIBOLD.into())));
    let source = studio.covered_source();
    let mut has_other_shape = false;
    ui.horizontal_top(|ui| {
        let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL), Sense::hover());
        let name = match &source {
            Some(Ok(_)) => "source picture",
            _ => "no source picture",
        };
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
        ui.painter().rect_filled(rect, 2.0, tokens.well);
        let edge = Stroke::new(1.0, tokens.line);
        ui.painter()
            .rect_stroke(rect, 2.0, edge, StrokeKind::Inside);
        if let Some(Ok(Covered { picture, .. })) = &source {
            thumbnail(
                ui,
                rect.shrink(1.0),
                &Pixels::Picture(picture.clone()),
                canvas,
            );
        }
        ui.vertical(|ui| {
            let text = match &source {
                None => "None: the picture starts from noise alone.".to_owned(),
                Some(Err(problem)) => problem.clone(),
                Some(Ok(Covered { own_px, .. })) => {
                    let [width, height] = *own_px;
                    let [w, h] = studio.edit_size_px();
                    if *own_px == [w, h] {
                        format!("{w} × {h} px")
                    } else {
                        let is_same_shape =
                            u64::from(width) * u64::from(h) == u64::from(height) * u64::from(w);
                        has_other_shape = !is_same_shape;
                        let verb = if is_same_shape { "scaled" } else { "cut" };
                        format!("{width} × {height} px, {verb} to {w} × {h}")
                    }
                }
            };
            let color = match &source {
                Some(Err(_)) => tokens.trouble,
                _ => tokens.text_weak,
            };
            ui.label(RichText::new(text).small().color(color));
            if has_other_shape {
                let button = ui.button("Match its shape");
                let help = "Gives the picture the source's shape, at about as many pixels as now";
                if button.on_hover_text(help).clicked() {
                    studio.match_source_shape();
                }
            }
            asked = source_buttons(ui, studio);
        });
    });
    asked
}

fn source_buttons(ui: &mut Ui, studio: &Studio) -> Option<UiCommand> {
    let mut asked = None;
    ui.horizontal_wrapped(|ui| {
        for (command, text) in [
            (UiCommand::UseAsSource, "Use shown picture"),
            (UiCommand::OpenSource, "Open…"),
            (UiCommand::ClearSource, "Clear"),
        ] {
            let button = ui.add_enabled(studio.allows(command), Button::new(text));
            let button = button.accessible_name(match command {
                UiCommand::ClearSource => command.title(),
                UiCommand::OpenSource => "Open a source",
                _ => text,
            });
            if button.on_hover_text(command.help()).clicked() {
                asked = Some(command);
            }
        }
    });
    asked
}

fn thumbnail(ui: &Ui, rect: Rect, pixels: &Pixels, canvas: &mut CanvasView) {
    let source = canvas.source(pixels);
    let view = View::fit(source.size_px(), rect, ui.pixels_per_point());
    let painted = gpu::canvas(rect, source, Compare::None, Vec::new(), view);
    ui.painter()
        .with_clip_rect(rect.intersect(ui.clip_rect()))
        .add(Shape::Callback(painted));
}

fn strength_ui(ui: &mut Ui, studio: &mut Studio) {
    let tokens = Tokens::in_ui(ui);
    let steps = studio.bench.recipe.steps;
    let Some(source) = &mut studio.bench.recipe.source else {
        return;
    };
    let before = source.strength;
    ui.horizontal(|ui| {
        let label = ui.label("strength");
        // Rounded up, so that the least is one whole step.
        let least = (1000.0 / f64::from(steps.max(1))).ceil() / 1000.0;
        let slider = Slider::new(&mut source.strength, least..=1.0)
            .clamping(egui::SliderClamping::Edits)
            .fixed_decimals(2);
        ui.add(slider)
            .labelled_by(label.id)
            .on_hover_text("How far the picture may go from the source; 1 keeps nothing of it");
    });
    let walked = source.walked_steps(steps);
    let (text, color) = match walked {
        0 => (
            "Less than one step: raise the strength".to_owned(),
            tokens.caution,
        ),
        _ => (
            format!("{walked} of {steps} steps are walked"),
            tokens.text_weak,
        ),
    };
    ui.label(RichText::new(text).small().color(color));
    if (source.strength - before).abs() > 0.0 {
        studio.shown = crate::studio::state::Shown::Bench;
    }
}

/// What is painted on, and what that means for the picture.
fn layer_line(ui: &mut Ui, studio: &mut Studio, view: &mut EditView) {
    let tokens = Tokens::in_ui(ui);
    let chosen = studio.edit.layer();
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new("paints").color(tokens.text_weak));
        let regions = (0..studio.bench.recipe.regions.len()).map(Layer::Region);
        for layer in std::iter::once(Layer::Mask).chain(regions) {
            let text = match layer {
                Layer::Mask => "where it may change".to_owned(),
                Layer::Region(index) => format!("region {}", index + 1),
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
pub(super) fn chip(ui: &Ui, layer: Layer, text: &str) -> LayoutJob {
    let tokens = Tokens::in_ui(ui);
    let font = egui::TextStyle::Button.resolve(ui.style());
    let mut job = LayoutJob::default();
    let color = layer_color(layer, tokens);
    job.append("■ ", 0.0, TextFormat::simple(font.clone(), color));
    job.append(text, 0.0, TextFormat::simple(font, tokens.text));
    job
}

fn meaning(studio: &mut Studio, view: &mut EditView, layer: Layer) -> String {
    let share = studio.shown_mask(layer).map(|shown| {
        let known = view.share.filter(|known| known.0 == shown.revision);
        let (_, share) = known.unwrap_or_else(|| (shown.revision, shown.mask.share()));
        view.share = Some((shown.revision, share));
        share
    });
    let percent = |share: f64| match share * 100.0 {
        some if some > 0.0 && some < 1.0 => "under 1 %".to_owned(),
        some => format!("{some:.0} %"),
    };
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
        (Layer::Region(_), _) => "Paint where its words shall count.".to_owned(),
    }
}

fn tools_ui(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
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

fn numbers_ui(ui: &mut Ui, studio: &mut Studio) {
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
fn whole_ui(ui: &mut Ui, studio: &mut Studio) -> Option<UiCommand> {
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

/// Whether the masked part is rendered alone, at the recipe's full size.
fn only_masked_ui(ui: &mut Ui, studio: &mut Studio) {
    let Some(source) = &mut studio.bench.recipe.source else {
        return;
    };
    let before = source.only_masked;
    ui.horizontal(|ui| {
        let mut is_on = source.only_masked.is_some();
        let mut padding_px = source.only_masked.unwrap_or(USUAL_PADDING_PX);
        let help = "Renders the masked part alone, enlarged to the picture's size, and puts it \
                    back: small things get more detail";
        ui.add_enabled_ui(source.mask.is_some(), |ui| {
            ui.checkbox(&mut is_on, "masked part alone")
                .on_hover_text(help);
        });
        if is_on {
            ui.label("with");
            let field = DragValue::new(&mut padding_px).range(0..=512).suffix(" px");
            ui.add(field)
                .accessible_name("pixels around the masked part");
        }
        source.only_masked = is_on.then_some(padding_px);
    });
    if source.only_masked != before {
        studio.shown = crate::studio::state::Shown::Bench;
    }
}

fn view_ui(ui: &mut Ui, studio: &mut Studio) {
    ui.horizontal(|ui| {
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
        ] {
            let is_chosen = std::mem::discriminant(&choice) == std::mem::discriminant(&shows);
            let button = Button::selectable(is_chosen, text);
            let button = ui.add_enabled(has_source || choice == EditShows::Result, button);
            let button = button.accessible_name(format!("show {}", text.to_lowercase()));
            if button.on_hover_text(help).clicked() && !is_chosen {
                studio.edit.shows = choice;
            }
        }
        ui.separator();
        ui.checkbox(&mut studio.edit.shows_masks, "masks");
    });
}
