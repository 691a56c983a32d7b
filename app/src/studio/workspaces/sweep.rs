//! A grid of pictures over one or two axes.

use std::path::PathBuf;

use egui::{
    Align2, Button, ComboBox, DragValue, FontId, Panel, Pos2, Rect, RichText, Sense, Shape, Stroke,
    StrokeKind, Ui, vec2,
};

use super::Workspace;
use crate::studio::gpu::{Pixels, Sheet, View, sheet};
use crate::studio::panes::Keys;
use crate::studio::state::{Axis, AxisField, Studio};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{panned, zoomed};

/// Most settings of one axis.
const MOST: usize = 64;
/// Screen pixels per picture pixel.
const ZOOM_RANGE: std::ops::RangeInclusive<f32> = 0.02..=16.0;

/// What the sweep remembers between frames.
#[derive(Default)]
pub(crate) struct SweepView {
    view: Option<View>,
    keys: Keys,
}

/// Draws the workspace. Adopting a cell goes to [`Workspace::Generate`]. Gives whether the grid
/// shall be written to a file.
pub(crate) fn sweep_workspace(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut SweepView,
    workspace: &mut Workspace,
) -> bool {
    let mut wants_export = false;
    Panel::left("sweep settings")
        .default_size(270.0)
        .show(ui, |ui| {
            ui.add_space(space::S);
            let (mut across, mut down) = (studio.sweep.across.take(), studio.sweep.down.take());
            axis_ui(ui, studio, "across", &mut across, false);
            axis_ui(ui, studio, "down", &mut down, true);
            (studio.sweep.across, studio.sweep.down) = (across, down);
            wants_export = buttons(ui, studio);
            selected_ui(ui, studio, workspace);
        });
    egui::CentralPanel::no_frame().show(ui, |ui| grid_ui(ui, studio, view, workspace));
    wants_export
}

fn axis_ui(ui: &mut Ui, studio: &Studio, name: &str, axis: &mut Option<Axis>, may_be_none: bool) {
    ui.push_id(name, |ui| {
        let heading = semibold(name);
        let label = ui.label(heading);
        let title = axis
            .as_ref()
            .map_or_else(|| "none".to_owned(), |axis| axis.field.title());
        let mut chosen: Option<Option<Axis>> = None;
        ComboBox::from_id_salt("field")
            .width(ui.available_width() - space::L)
            .selected_text(title)
            .show_ui(ui, |ui| {
                if may_be_none && ui.button("none").clicked() {
                    chosen = Some(None);
                }
                for field in [AxisField::Guidance, AxisField::Steps, AxisField::Seed] {
                    if ui.button(field.title()).clicked() {
                        chosen = Some(Some(Axis::usual(field, &studio.bench.recipe)));
                    }
                }
                for adapter in &studio.bench.recipe.adapters {
                    let field = AxisField::Adapter(adapter.name.clone());
                    if ui.button(field.title()).clicked() {
                        chosen = Some(Some(Axis::usual(field, &studio.bench.recipe)));
                    }
                }
                for spec in studio.rack().iter().flat_map(|group| &group.sliders) {
                    if ui.button(spec.key.to_string()).clicked() {
                        chosen = Some(Some(Axis::of_slider(spec)));
                    }
                }
            })
            .response
            .labelled_by(label.id);
        if let Some(chosen) = chosen {
            *axis = chosen;
        }
        if let Some(axis) = axis {
            ui.horizontal(|ui| {
                ui.add(DragValue::new(&mut axis.from).speed(0.05))
                    .accessible_name(format!("{name}, first setting"));
                ui.label("to");
                ui.add(DragValue::new(&mut axis.to).speed(0.05))
                    .accessible_name(format!("{name}, last setting"));
                ui.label("in");
                ui.add(DragValue::new(&mut axis.count).range(1..=MOST))
                    .accessible_name(format!("{name}, number of settings"));
            });
        }
        ui.add_space(space::M);
    });
}

fn buttons(ui: &mut Ui, studio: &mut Studio) -> bool {
    let tokens = Tokens::in_ui(ui);
    if studio.sweep.across.is_none() {
        studio.sweep.across = Some(Axis::usual(AxisField::Guidance, &studio.bench.recipe));
    }
    let count = |axis: &Option<Axis>| axis.as_ref().map_or(1, |axis| axis.count);
    let pictures = count(&studio.sweep.across) * count(&studio.sweep.down);
    let text = RichText::new(format!("Render {pictures} pictures")).color(tokens.on_accent);
    let mut wants_export = false;
    ui.horizontal(|ui| {
        if ui.add(Button::new(text).fill(tokens.accent)).clicked() {
            studio.start_sweep();
        }
        let is_made = studio.sweep.cells().iter().any(|cell| cell.made.is_some());
        let export = ui.add_enabled(is_made, Button::new("Export…"));
        let export = export.on_hover_text("Writes the grid as one PNG");
        wants_export = export.clicked();
    });
    wants_export
}

fn selected_ui(ui: &mut Ui, studio: &mut Studio, workspace: &mut Workspace) {
    let selected = studio
        .sweep
        .selected
        .and_then(|at| studio.sweep.cells().get(at));
    let Some(cell) = selected.cloned() else {
        return;
    };
    ui.add_space(space::L);
    ui.label(semibold("Selected"));
    for control in &cell.recipe.controls {
        ui.label(control.to_string());
    }
    for adapter in &cell.recipe.adapters {
        ui.label(adapter.to_string());
    }
    let recipe = &cell.recipe;
    ui.label(format!(
        "seed {}, {} steps, guidance {:.1}",
        recipe.seed, recipe.steps, recipe.guidance_scale
    ));
    ui.horizontal(|ui| {
        if ui.button("Take onto the bench").clicked() {
            studio.adopt(&cell.recipe);
            *workspace = Workspace::Generate;
        }
        if let Some(made) = cell.made
            && ui.button("Keep this picture").clicked()
        {
            studio.add_result(made);
        }
    });
}

fn grid_ui(ui: &mut Ui, studio: &mut Studio, view: &mut SweepView, workspace: &mut Workspace) {
    let tokens = Tokens::in_ui(ui);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    ui.painter().rect_filled(rect, 0.0, tokens.canvas);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "sweep grid"));
    let Some((across, down)) = studio.sweep.drawn().map(|(a, d)| (a.clone(), d.cloned())) else {
        let font = FontId::proportional(14.0);
        let text = "Choose what to move, and render";
        let middle = rect.center();
        ui.painter()
            .text(middle, Align2::CENTER_CENTER, text, font, tokens.text_weak);
        return;
    };
    let side = |recipe: &vernier_engine::recipe::Recipe| {
        let (width, height) = recipe.picture_size_px();
        width.max(height)
    };
    let cell_px = studio
        .sweep
        .cells()
        .first()
        .map_or(64, |cell| side(&cell.recipe)) as f32;
    let cells = studio.sweep.cells().iter().map(|cell| {
        let made = cell.made.as_ref()?;
        Some(view.keys.source(&Pixels::Picture(made.picture.clone())))
    });
    let grid = Sheet {
        columns: across.count.max(1),
        cell_px,
        gap_px: cell_px / 32.0,
        cells: cells.collect(),
    };
    let scale = ui.pixels_per_point();
    let room = Rect::from_min_max(
        rect.min + vec2(64.0, 36.0),
        rect.max - vec2(space::L, space::L),
    );
    let size = grid.size_px().map(|side| side.ceil() as u32);
    let fit = View::fit(size, room, scale);
    let mut now = view.view.unwrap_or(fit);
    if let Some(zoomed) = zoomed(ui, room, &response, now, &ZOOM_RANGE) {
        now = zoomed;
        view.view = Some(now);
    }
    if response.dragged() {
        now = panned(ui, &response, now);
        view.view = Some(now);
    }
    ui.painter()
        .with_clip_rect(rect)
        .add(Shape::Callback(sheet(room, grid.clone(), now)));
    for at in 0..grid.cells.len() {
        let cell = grid.cell_rect(at, room, scale, &now);
        if grid.cells[at].is_none() {
            ui.painter()
                .rect_stroke(cell, 0.0, Stroke::new(1.0, tokens.line), StrokeKind::Inside);
        }
        if studio.sweep.selected == Some(at) {
            let stroke = Stroke::new(2.0, tokens.accent);
            ui.painter()
                .rect_stroke(cell, 0.0, stroke, StrokeKind::Outside);
        }
    }
    axis_labels(ui, &grid, room, &now, (&across, down.as_ref()), tokens);
    let clicked: Option<Pos2> = response
        .interact_pointer_pos()
        .filter(|_| response.clicked());
    if let Some(pos) = clicked {
        studio.sweep.selected = grid.cell_under(pos, room, scale, &now);
    }
    if response.double_clicked()
        && let Some(cell) = studio
            .sweep
            .selected
            .and_then(|at| studio.sweep.cells().get(at))
    {
        let recipe = cell.recipe.clone();
        studio.adopt(&recipe);
        *workspace = Workspace::Generate;
    }
}

fn axis_labels(
    ui: &Ui,
    grid: &Sheet,
    room: Rect,
    view: &View,
    (across, down): (&Axis, Option<&Axis>),
    tokens: Tokens,
) {
    let scale = ui.pixels_per_point();
    let font = FontId::proportional(11.0);
    let painter = ui.painter();
    for (at, value) in across.values().iter().enumerate() {
        let cell = grid.cell_rect(at, room, scale, view);
        let place = cell.center_top() - vec2(0.0, 4.0);
        painter.text(
            place,
            Align2::CENTER_BOTTOM,
            short(*value),
            font.clone(),
            tokens.text,
        );
    }
    let first = grid.cell_rect(0, room, scale, view);
    let title = first.left_top() - vec2(0.0, 18.0);
    painter.text(
        title,
        Align2::LEFT_BOTTOM,
        across.field.title(),
        font.clone(),
        tokens.text_weak,
    );
    let Some(down) = down else { return };
    for (row, value) in down.values().iter().enumerate() {
        let cell = grid.cell_rect(row * grid.columns, room, scale, view);
        let place = cell.left_center() - vec2(6.0, 0.0);
        painter.text(
            place,
            Align2::RIGHT_CENTER,
            short(*value),
            font.clone(),
            tokens.text,
        );
    }
    let place = first.left_top() - vec2(6.0, 4.0);
    painter.text(
        place,
        Align2::RIGHT_BOTTOM,
        down.field.title(),
        font,
        tokens.text_weak,
    );
}

/// A setting as people write it.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    // Two decimals are always there, so there is a point to trim up to.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The grid as one file.
pub(crate) fn export(
    studio: &Studio,
    path: PathBuf,
) -> impl FnOnce() -> Result<PathBuf, String> + use<> {
    let columns = studio
        .sweep
        .drawn()
        .map_or(1, |(across, _)| across.count.max(1));
    let made = studio
        .sweep
        .cells()
        .iter()
        .filter_map(|cell| cell.made.as_ref());
    let pictures: Vec<_> = made.map(|made| (*made.picture).clone()).collect();
    move || {
        let written = vernier_engine::picture::save_sheet(&path, &pictures, columns as u32);
        written.map(|()| path).map_err(|e| e.to_string())
    }
}
