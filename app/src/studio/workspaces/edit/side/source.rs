//! The picture that is started from, and how far it may be left behind.

use egui::{Button, DragValue, Rect, RichText, Sense, Shape, Slider, Stroke, StrokeKind, Ui, vec2};

use crate::studio::command::UiCommand;
use crate::studio::gpu::{self, Compare, Pixels, View};
use crate::studio::panes::CanvasView;
use crate::studio::state::{Covered, Shown, Studio, USUAL_PADDING_PX};
use crate::studio::theme::{Tokens, semibold};

/// Side of the source's thumbnail in points.
const THUMBNAIL: f32 = 72.0;

pub(super) fn source_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    canvas: &mut CanvasView,
) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    ui.label(semibold("Source"));
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

pub(super) fn strength_ui(ui: &mut Ui, studio: &mut Studio) {
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
        studio.shown = Shown::Bench;
    }
}

/// Whether the masked part is rendered alone, at the recipe's full size.
pub(super) fn only_masked_ui(ui: &mut Ui, studio: &mut Studio) {
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
        studio.shown = Shown::Bench;
    }
}
