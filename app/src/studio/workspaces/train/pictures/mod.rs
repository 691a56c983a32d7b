//! The folder of pictures as a table that can be written in.

mod table;
mod tools;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;

use egui::{Label, RichText, ScrollArea, TextureHandle, Ui};

use self::table::table;
use self::tools::tools;
use super::TrainAsked;
use crate::studio::state::Studio;
use crate::studio::theme::{Tokens, space};
use crate::studio::widgets::picture_texture;

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
            let texture = picture_texture(ui, format!("thumbnail {}", path.display()), &picture);
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
    let checks = studio.training.checks();
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
