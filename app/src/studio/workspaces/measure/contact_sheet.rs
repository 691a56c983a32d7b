//! A control along its range, in small pictures.

use egui::{
    Align2, Button, DragValue, FontId, Label, ProgressBar, Rect, RichText, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, UiBuilder, vec2,
};
use vernier_engine::controls::ControlInfo;
use vernier_engine::recipe::ControlScale;

use super::MeasureView;
use crate::studio::state::{ContactSheet, SheetSize, Studio, control_name};
use crate::studio::theme::{Tokens, space};
use crate::studio::workspaces::{Workspace, short};

/// Width of the prompts beside the rows.
const PROMPT_WIDTH: f32 = 130.0;
/// Height of the settings above the columns.
const HEADER_HEIGHT: f32 = 18.0;
/// Sides that a picture may have.
const SIDE_RANGE: std::ops::RangeInclusive<f32> = 56.0..=128.0;

/// Draws the contact sheet of one `attribute` of a control, and what makes it. A click on a picture
/// takes its recipe to [`Workspace::Generate`].
pub(super) fn contact_sheet(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut MeasureView,
    workspace: &mut Workspace,
    (info, attribute): (&ControlInfo, &str),
) {
    let name = control_name(info, attribute);
    making(ui, studio, view, info, attribute);
    let Some(sheet) = studio.contact_sheets().get(&name) else {
        return;
    };
    let clicked = pictures(ui, view, sheet, &name);
    if let Some(at) = clicked {
        let recipe = sheet.cells().all()[at].recipe.clone();
        studio.adopt(&recipe);
        *workspace = Workspace::Generate;
    }
}

fn making(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut MeasureView,
    info: &ControlInfo,
    attribute: &str,
) {
    let name = control_name(info, attribute);
    ui.horizontal(|ui| {
        if studio.is_making_contact_sheet(&name) {
            let cancel = ui.button("Cancel");
            let cancel = cancel.accessible_name(format!("cancel contact sheet of {name}"));
            if cancel.clicked() {
                studio.cancel_contact_sheet(&name);
            }
            if let Some(sheet) = studio.contact_sheets().get(&name) {
                let (made, all) = (sheet.cells().made(), sheet.cells().all().len());
                let bar = ProgressBar::new(made as f32 / all.max(1) as f32);
                let text = format!("{made} of {all} pictures");
                ui.add(bar.desired_width(220.0).text(text));
            }
            return;
        }
        let button = ui.add(Button::new("Contact sheet"));
        let button = button.accessible_name(format!("contact sheet of {name}"));
        let help = "Renders small pictures along its range, on prompts that say nothing but who \
                    is where";
        if button.on_hover_text(help).clicked() {
            studio.start_contact_sheet(info, attribute, view.sheet);
        }
        let SheetSize { settings, prompts } = &mut view.sheet;
        ui.add(DragValue::new(settings).range(SheetSize::SETTINGS))
            .accessible_name(format!("settings on the contact sheet of {name}"));
        ui.label("settings ×");
        ui.add(DragValue::new(prompts).range(SheetSize::PROMPTS))
            .accessible_name(format!("prompts on the contact sheet of {name}"));
        ui.label("prompts");
    });
}

/// Draws the sheet; the place of the picture that was clicked.
fn pictures(
    ui: &mut Ui,
    view: &mut MeasureView,
    sheet: &ContactSheet,
    name: &str,
) -> Option<usize> {
    let tokens = Tokens::in_ui(ui);
    let (columns, rows) = (sheet.settings().len(), sheet.prompts().len());
    let gap = space::XS;
    let room = ui.available_width() - PROMPT_WIDTH - gap * columns as f32;
    let side = (room / columns.max(1) as f32).clamp(*SIDE_RANGE.start(), *SIDE_RANGE.end());
    let step = side.floor() + gap;
    let size = vec2(
        PROMPT_WIDTH + step * columns as f32,
        HEADER_HEIGHT + step * rows as f32,
    );
    let unit = match sheet.scale() {
        ControlScale::Calibrated => "",
        ControlScale::Raw => " raw",
        ControlScale::Measured => " read",
    };
    let mut clicked = None;
    ScrollArea::horizontal()
        .id_salt(("contact sheet", name))
        .show(ui, |ui| {
            let (whole, _) = ui.allocate_exact_size(size, Sense::hover());
            let first = whole.min + vec2(PROMPT_WIDTH, HEADER_HEIGHT);
            let cell = |at: usize| {
                let (column, row) = ((at % columns) as f32, (at / columns) as f32);
                let corner = first + vec2(column, row) * step;
                Rect::from_min_size(corner, vec2(step - gap, step - gap))
            };
            for (column, setting) in sheet.settings().iter().enumerate() {
                let place = cell(column).center_top() - vec2(0.0, 2.0);
                let text = format!("{}{unit}", short(*setting));
                let font = FontId::proportional(11.0);
                ui.painter()
                    .text(place, Align2::CENTER_BOTTOM, text, font, tokens.text);
            }
            for (row, prompt) in sheet.prompts().enumerate() {
                let beside = cell(row * columns);
                let left = whole.min.x;
                let place = Rect::from_x_y_ranges(left..=first.x - space::S, beside.y_range());
                let builder = UiBuilder::new().max_rect(place);
                ui.scope_builder(builder, |ui| {
                    let text = RichText::new(prompt).small().color(tokens.text_weak);
                    ui.add(Label::new(text).wrap());
                });
            }
            for (at, one) in sheet.cells().all().iter().enumerate() {
                let rect = cell(at);
                let id = ui.scope_id().with((name, at));
                let response = ui.interact(rect, id, Sense::click());
                let setting = short(sheet.settings()[at % columns]);
                let label = format!("{name} at {setting}{unit}, {}", one.recipe.prompt);
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, label.as_str())
                });
                if ui.is_rect_visible(rect) {
                    let painter = ui.painter();
                    painter.rect_filled(rect, 2.0, tokens.line.gamma_multiply(0.4));
                    if let Some(made) = &one.made {
                        let place = format!("{name}/{at}");
                        view.textures.paint(ui, &place, &made.picture, rect);
                    }
                    if response.hovered() || response.has_focus() {
                        let stroke = Stroke::new(2.0, tokens.accent);
                        ui.painter()
                            .rect_stroke(rect, 2.0, stroke, StrokeKind::Outside);
                    }
                }
                if response.clicked() {
                    clicked = Some(at);
                }
                response.on_hover_text(format!("{label}\nA click takes it onto the bench"));
            }
        });
    clicked
}
