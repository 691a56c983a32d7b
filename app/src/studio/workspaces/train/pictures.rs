//! The folder of pictures as a table that can be written in.

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use egui::{
    Align2, ColorImage, ComboBox, FontId, Id, Image, Key, Label, RichText, ScrollArea, Sense,
    TextEdit, TextureHandle, TextureOptions, Ui, vec2,
};
use vernier_engine::measure::Quantity;
use vernier_engine::service::ReadWhat;

use super::TrainAsked;
use super::form::QUANTITIES;
use crate::studio::state::{ColumnCheck, Sheet, Studio, in_words};
use crate::studio::theme::{Tokens, space};
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
/// Textures that are kept.
const MOST_TEXTURES: usize = 600;

/// What the pane remembers between frames.
#[derive(Default)]
pub(crate) struct PicturesView {
    /// Whether a cell is being written in.
    pub(super) is_being_typed: bool,
    new_column: String,
    fill: Option<String>,
    shows_unreadable: bool,
    textures: HashMap<PathBuf, TextureHandle>,
    folder: PathBuf,
    wanted: Vec<PathBuf>,
    has_new_wishes: bool,
    /// The cell that shall be written in next, by row and column.
    next_cell: Option<(usize, usize)>,
    seen_rows: Range<usize>,
}

impl PicturesView {
    pub(super) fn take_wanted(&mut self) -> Option<Vec<PathBuf>> {
        std::mem::take(&mut self.has_new_wishes).then(|| self.wanted.clone())
    }

    fn take_thumbnails(&mut self, ui: &Ui, studio: &mut Studio) {
        for (path, made) in studio.training.take_thumbnails() {
            let Ok(picture) = made else {
                continue;
            };
            if self.textures.len() >= MOST_TEXTURES {
                // Those that are seen come again at once.
                self.textures.clear();
                self.wanted.clear();
            }
            let size = [picture.width_px as usize, picture.height_px as usize];
            let image = ColorImage::from_rgb(size, &picture.rgb);
            let name = format!("thumbnail {}", path.display());
            let texture = ui.ctx().load_texture(name, image, TextureOptions::LINEAR);
            self.textures.insert(path, texture);
        }
    }
}

/// What is done to the sheet after it was drawn.
enum Change {
    Caption(usize, String),
    Cell(usize, usize, String),
    RemoveColumn(usize),
}

/// Draws the pictures.
pub(super) fn pictures_ui(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut PicturesView,
) -> Option<TrainAsked> {
    let mut asked = None;
    view.take_thumbnails(ui, studio);
    ui.horizontal(|ui| {
        let help = "A folder of PNG and JPEG files, or the CSV file beside them";
        if ui.button("Open pictures…").on_hover_text(help).clicked() {
            asked = Some(TrainAsked::OpenPictures);
        }
        if studio.training.is_opening() {
            ui.spinner();
        }
        folder_line(ui, studio, view);
    });
    if let Some(sentence) = studio.training.not_opened() {
        let tokens = Tokens::in_ui(ui);
        ui.label(RichText::new(sentence).color(tokens.trouble));
    }
    let Some(sheet) = studio.training.sheet().cloned() else {
        ui.add_space(space::L);
        ui.weak(
            "Values and adapters learn from a folder of pictures; directions and sliders need none",
        );
        return asked;
    };
    if sheet.folder != view.folder {
        view.folder.clone_from(&sheet.folder);
        view.textures.clear();
        view.wanted.clear();
    }
    tools(ui, studio, view);
    if view.shows_unreadable {
        unreadable_ui(ui, studio);
    }
    ui.separator();
    let checks = studio.training.checks().to_vec();
    let mut changes = Vec::new();
    table(ui, studio, view, &sheet, &checks, &mut changes);
    if let Some(sheet) = studio.training.sheet_mut_if(!changes.is_empty()) {
        for change in changes {
            match change {
                Change::Caption(row, text) => sheet.set_caption(row, &text),
                Change::Cell(row, column, text) => sheet.rows[row].cells[column] = text,
                Change::RemoveColumn(at) => sheet.remove_column(at),
            }
        }
    }
    asked
}

fn folder_line(ui: &mut Ui, studio: &mut Studio, view: &mut PicturesView) {
    let tokens = Tokens::in_ui(ui);
    let Some(sheet) = studio.training.sheet().cloned() else {
        return;
    };
    let is_unsaved = studio.training.is_unsaved();
    let text = if is_unsaved { "Save *" } else { "Save" };
    let help = "Writes captions and table; what was not changed keeps its very bytes";
    let save = ui.add_enabled(is_unsaved, egui::Button::new(text));
    if save
        .on_hover_text(help)
        .accessible_name("save captions and table")
        .clicked()
    {
        studio.training.save();
    }
    let bad = studio.training.unreadable().len();
    if bad > 0 {
        let text = RichText::new(format!("{bad} cannot be read")).color(tokens.trouble);
        ui.toggle_value(&mut view.shows_unreadable, text)
            .on_hover_text("Which files these are, and why");
    }
    let count = sheet.rows.len();
    let place = format!("{count} pictures in {}", sheet.folder.display());
    ui.add(Label::new(RichText::new(place).color(tokens.text_weak)).truncate());
}

fn unreadable_ui(ui: &mut Ui, studio: &Studio) {
    let tokens = Tokens::in_ui(ui);
    ScrollArea::vertical()
        .id_salt("unreadable files")
        .max_height(110.0)
        .show(ui, |ui| {
            for sentence in studio.training.unreadable().values() {
                ui.label(RichText::new(sentence).small().color(tokens.trouble));
            }
        });
}

/// Columns are added and filled here.
fn tools(ui: &mut Ui, studio: &mut Studio, view: &mut PicturesView) {
    ui.horizontal(|ui| {
        let edit = TextEdit::singleline(&mut view.new_column).hint_text("new column");
        let edit = ui
            .add(edit.desired_width(110.0))
            .accessible_name("new column");
        let is_entered = edit.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        if (ui.button("Add column").clicked() || is_entered)
            && let Some(sheet) = studio.training.sheet_mut()
        {
            match sheet.add_column(&view.new_column) {
                Ok(()) => {
                    view.new_column.clear();
                    studio.training.problem = None;
                }
                Err(sentence) => studio.training.problem = Some(sentence),
            }
        }
        ui.separator();
        let readable: Vec<String> = studio.training.readable.clone();
        let title = view
            .fill
            .as_deref()
            .map_or_else(|| "choose".to_owned(), in_words);
        ui.label("fill a column by");
        ComboBox::from_id_salt("what to read")
            .selected_text(title)
            .show_ui(ui, |ui| {
                let all = QUANTITIES
                    .into_iter()
                    .map(str::to_owned)
                    .chain(readable.clone());
                for name in all {
                    let is_chosen = view.fill.as_ref() == Some(&name);
                    if ui.selectable_label(is_chosen, in_words(&name)).clicked() {
                        view.fill = Some(name);
                    }
                }
            })
            .response
            .accessible_name("what to read from every picture");
        if let Some(filling) = studio.training.filling().cloned() {
            let (done, all) = (filling.done, filling.rows.len());
            ui.spinner();
            ui.label(format!("{} {done} of {all}", in_words(&filling.column)));
            if ui.button("Stop reading").clicked() {
                studio.stop_filling();
            }
        } else {
            let fill = ui.add_enabled(view.fill.is_some(), egui::Button::new("Fill"));
            let help = "Reads it from every picture, into the column of that name; a running \
                        training is finished before";
            if fill
                .on_hover_text(help)
                .accessible_name("fill the column")
                .clicked()
                && let Some(name) = view.fill.clone()
            {
                let named = Quantity::named(&name).filter(|_| !readable.contains(&name));
                let what =
                    named.map_or_else(|| ReadWhat::Attribute(name.clone()), ReadWhat::Quantity);
                studio.fill_column(&name, what);
            }
        }
    });
}

fn table(
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
            header(ui, sheet, checks, changes);
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
        });
}

fn header(ui: &mut Ui, sheet: &Sheet, checks: &[ColumnCheck], changes: &mut Vec<Change>) {
    let tokens = Tokens::in_ui(ui);
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
            let check = checks.get(at).cloned().unwrap_or_default();
            let (color, mark) = match (&check.problem, &check.gap) {
                (Some(_), _) => (tokens.caution, "⚠ "),
                (None, Some(_)) => (tokens.caution, "○ "),
                (None, None) => (tokens.text, ""),
            };
            let text = RichText::new(format!("{mark}{name}")).color(color);
            let said = check.problem.or(check.gap);
            let label = title(ui, text, VALUE_WIDTH - 32.0);
            if let Some(said) = said {
                label.on_hover_text(said);
            }
            let help = "Takes the column out of the table; undo brings it back";
            if icon_button(ui, "✖", &format!("remove column {name}"), help).clicked() {
                changes.push(Change::RemoveColumn(at));
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
