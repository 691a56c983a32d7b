//! Pictures, captions and values in rows and columns.

use std::path::PathBuf;

use egui::{Align2, FontId, Id, Image, Key, RichText, ScrollArea, Sense, TextEdit, Ui, vec2};

use super::{Change, PicturesView};
use crate::studio::state::{ColumnCheck, Sheet, Studio};
use crate::studio::theme::Tokens;
use crate::studio::widgets::{icon_button, left_label};

/// Side of a thumbnail in points.
const THUMBNAIL: f32 = 40.0;

/// Height of a row in points, without the gap below it.
const ROW: f32 = 42.0;

/// Widths of columns in points.
const FILE_WIDTH: f32 = 150.0;
const CAPTION_WIDTH: f32 = 300.0;
const VALUE_WIDTH: f32 = 104.0;

/// Columns that cannot be learnt and say why in full.
const MOST_SAID: usize = 2;

pub(super) fn table(
    ui: &mut Ui,
    studio: &Studio,
    view: &mut PicturesView,
    sheet: &Sheet,
    checks: &[ColumnCheck],
    changes: &mut Vec<Change>,
) {
    ScrollArea::horizontal()
        .id_salt("columns")
        .auto_shrink(false)
        .show(ui, |ui| {
            let removed = header(ui, sheet, checks);
            let gap = ui.spacing().item_spacing.y;
            let mut area = ScrollArea::vertical().id_salt("rows").auto_shrink(false);
            if let Some((row, _)) = view.next_cell
                && !view.seen_rows.contains(&row)
            {
                let above = row.saturating_sub(2);
                area = area.vertical_scroll_offset(above as f32 * (ROW + gap));
            }
            area.show_rows(ui, ROW, sheet.rows.len(), |ui, rows| {
                let wanted: Vec<PathBuf> = rows
                    .clone()
                    .map(|row| sheet.path(row))
                    .filter(|path| !view.textures.contains_key(path))
                    .filter(|path| !studio.training.unreadable().contains_key(path))
                    .collect();
                if wanted != view.wanted {
                    view.wanted = wanted;
                    view.has_new_wishes = true;
                }
                view.seen_rows = rows.clone();
                for row in rows {
                    row_ui(ui, studio, view, sheet, row, changes);
                }
            });
            // Last, for the other changes count the columns as they were drawn.
            changes.extend(removed.map(Change::RemoveColumn));
        });
}

/// Names of the columns, and what is wrong with them; gives the one that is to be removed.
fn header(ui: &mut Ui, sheet: &Sheet, checks: &[ColumnCheck]) -> Option<usize> {
    let tokens = Tokens::in_ui(ui);
    let mut removed = None;
    ui.horizontal(|ui| {
        ui.allocate_exact_size(vec2(THUMBNAIL, 20.0), Sense::hover());
        let title = |ui: &mut Ui, text: RichText, width: f32| left_label(ui, text, width, 20.0);
        title(
            ui,
            RichText::new("picture").color(tokens.text_weak),
            FILE_WIDTH,
        );
        title(
            ui,
            RichText::new("caption").color(tokens.text_weak),
            CAPTION_WIDTH,
        );
        for (at, name) in sheet.columns.iter().enumerate() {
            let check = checks.get(at);
            let problem = check.and_then(|check| check.problem.as_deref());
            let gap = check.and_then(|check| check.gap.as_deref());
            let (color, mark) = match (problem, gap) {
                (Some(_), _) => (tokens.caution, "⚠ "),
                (None, Some(_)) => (tokens.caution, "○ "),
                (None, None) => (tokens.text, ""),
            };
            let text = RichText::new(format!("{mark}{name}")).color(color);
            let label = title(ui, text, VALUE_WIDTH - 32.0);
            if let Some(said) = problem.or(gap) {
                label.on_hover_text(said);
            }
            let help = "Takes the column out of the table; undo brings it back";
            if icon_button(ui, "✖", &format!("remove column {name}"), help).clicked() {
                removed = Some(at);
            }
        }
    });
    // What is wrong is said in full, not only to those who hover.
    let problems: Vec<&String> = checks.iter().filter_map(|c| c.problem.as_ref()).collect();
    for sentence in problems.iter().take(MOST_SAID) {
        let text = RichText::new(sentence.as_str())
            .small()
            .color(tokens.text_weak);
        ui.label(text);
    }
    if problems.len() > MOST_SAID {
        let more = problems.len() - MOST_SAID;
        ui.weak(format!(
            "{more} more columns cannot be learnt; each says why under the pointer"
        ));
    }
    removed
}

fn row_ui(
    ui: &mut Ui,
    studio: &Studio,
    view: &mut PicturesView,
    sheet: &Sheet,
    row: usize,
    changes: &mut Vec<Change>,
) {
    let tokens = Tokens::in_ui(ui);
    let path = sheet.path(row);
    let known = &sheet.rows[row];
    let trouble = studio.training.unreadable().get(&path);
    ui.horizontal(|ui| {
        ui.set_height(ROW);
        let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL), Sense::hover());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(
                egui::Role::Image,
                true,
                format!("thumbnail of {}", known.file),
            )
        });
        if let Some(texture) = view.textures.get(&path) {
            Image::new(texture).paint_at(ui, rect);
            response.on_hover_ui(|ui| {
                ui.add(Image::new(texture).fit_to_exact_size(vec2(160.0, 160.0)));
            });
        } else {
            ui.painter().rect_filled(rect, 2.0, tokens.well);
            if trouble.is_some() {
                let (middle, font) = (rect.center(), FontId::proportional(16.0));
                let painter = ui.painter();
                painter.text(middle, Align2::CENTER_CENTER, "⚠", font, tokens.trouble);
            }
        }
        let name = match trouble {
            Some(_) => RichText::new(&known.file).color(tokens.trouble),
            None => RichText::new(&known.file),
        };
        let label = left_label(ui, name, FILE_WIDTH, ROW - 4.0);
        if let Some(sentence) = trouble {
            label.on_hover_text(sentence);
        }
        let caption = known.caption();
        let name = format!("caption of {}", known.file);
        if let Some(text) = cell(ui, view, (row, 0), caption, &name, CAPTION_WIDTH) {
            changes.push(Change::Caption(row, text));
        }
        for (column, value) in known.cells.iter().enumerate() {
            let name = format!("{} of {}", sheet.columns[column], known.file);
            if let Some(text) = cell(ui, view, (row, column + 1), value, &name, VALUE_WIDTH) {
                changes.push(Change::Cell(row, column, text));
            }
        }
    });
}

/// A cell that can be written in; gives its text where that has changed. Enter goes to the cell
/// below, Tab to the next one.
fn cell(
    ui: &mut Ui,
    view: &mut PicturesView,
    place: (usize, usize),
    text: &str,
    name: &str,
    width: f32,
) -> Option<String> {
    let mut written = text.to_owned();
    let id = Id::unique(("training cell", place));
    let edit = TextEdit::singleline(&mut written).id(id);
    let edit = ui.add_sized([width, 24.0], edit).accessible_name(name);
    if view.next_cell == Some(place) {
        edit.request_focus();
        view.next_cell = None;
    }
    if edit.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
        view.next_cell = Some((place.0 + 1, place.1));
        ui.ctx().request_repaint();
    }
    view.is_being_typed |= edit.changed();
    edit.changed().then_some(written)
}
