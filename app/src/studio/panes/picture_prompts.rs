//! The bench's picture prompts, a row each: pictures, weight, and what of them is taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use egui::{
    Align, CollapsingHeader, ComboBox, Id, Image, Layout, RichText, Sense, TextureHandle, Ui, vec2,
};
use vernier_engine::picture::PictureShelf;
use vernier_engine::recipe::{PictureRef, PictureTakes, short_hash};

use crate::studio::state::{PictureRow, Studio, reduced};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{
    file_problem, file_title, fit, icon_button, icon_toggle, picture_texture, weight_slider,
};

/// Longest side of a thumbnail in points.
const THUMBNAIL: f32 = 52.0;
/// The same in pixels.
const THUMBNAIL_PX: u32 = 128;
/// Thumbnails that are kept at most.
const MOST_KEPT: usize = 64;

/// What was asked of a row.
enum Answer {
    Weigh(f64),
    Take(PictureTakes),
    FromFile,
    FromShown,
    RemovePicture(usize),
    ToggleMute,
    Remove,
}

/// Thumbnails by their pictures' hashes; `None` where a picture is not there.
type Thumbnails = Arc<Mutex<HashMap<String, Option<TextureHandle>>>>;

/// Draws the group, where there is anything in it.
pub(super) fn picture_prompts_group(ui: &mut Ui, studio: &mut Studio) {
    let rows = studio.picture_rows();
    if rows.is_empty() {
        return;
    }
    let shelf = studio.options().pictures.clone();
    CollapsingHeader::new(semibold("picture prompts"))
        .id_salt(("rack", "picture prompts"))
        .default_open(true)
        .show(ui, |ui| {
            for (at, row) in rows.iter().enumerate() {
                let drawn = ui.push_id(("picture prompt", at), |ui| row_ui(ui, row, &shelf));
                if ui.rect_contains_pointer(drawn.response.rect) {
                    studio.point_at_picture_prompt(at);
                }
                match drawn.inner {
                    Some(Answer::Weigh(weight)) => studio.weigh_picture_prompt(at, weight),
                    Some(Answer::Take(takes)) => studio.set_picture_takes(at, takes),
                    Some(Answer::FromFile) => studio.ask_for_prompt_picture(at),
                    Some(Answer::FromShown) => studio.give_prompt_shown(at),
                    Some(Answer::RemovePicture(index)) => studio.remove_prompt_picture(at, index),
                    Some(Answer::ToggleMute) => studio.toggle_picture_prompt_mute(at),
                    Some(Answer::Remove) => studio.remove_picture_prompt(at),
                    None => continue,
                }
                // Places in the list may have changed.
                break;
            }
        });
}

fn row_ui(ui: &mut Ui, row: &PictureRow, shelf: &PictureShelf) -> Option<Answer> {
    let tokens = Tokens::in_ui(ui);
    let name = &row.adapter.name;
    let mut answer = head(ui, row);
    answer = pictures(ui, row, shelf, tokens).or(answer);
    if !row.pictures.is_empty() {
        let label = format!("weight of {name}");
        if let Some(weight) = weight_slider(ui, "", row.weight, &label) {
            answer = Some(Answer::Weigh(weight));
        }
        answer = takes(ui, row, tokens).or(answer);
    }
    if let Some(limits) = &row.limits {
        ui.label(RichText::new(limits).small().color(tokens.text_weak));
    }
    if let Some(problem) = &row.adapter.problem {
        file_problem(ui, problem, row.adapter.is_muted);
    }
    ui.add_space(space::S);
    answer
}

/// Name and switches.
fn head(ui: &mut Ui, row: &PictureRow) -> Option<Answer> {
    let mut answer = None;
    let name = &row.adapter.name;
    ui.horizontal(|ui| {
        let title = file_title(ui, name, row.adapter.is_muted, 70.0);
        title.on_hover_ui(|ui| {
            ui.set_max_width(320.0);
            ui.label(&row.adapter.about);
            if let Some(path) = &row.adapter.path {
                ui.label(RichText::new(path.display().to_string()).small().weak());
            }
        });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let help = "Takes it off the bench; its file stays";
            let remove = format!("remove picture prompt {name}");
            if icon_button(ui, "✖", &remove, help).clicked() {
                answer = Some(Answer::Remove);
            }
            let mute = format!("mute picture prompt {name}");
            let help = "Switches it off and keeps its weight";
            if icon_toggle(ui, row.adapter.is_muted, "M", &mute, help).clicked() {
                answer = Some(Answer::ToggleMute);
            }
        });
    });
    answer
}

/// Thumbnails, and where more come from.
fn pictures(ui: &mut Ui, row: &PictureRow, shelf: &PictureShelf, tokens: Tokens) -> Option<Answer> {
    let mut answer = None;
    let name = &row.adapter.name;
    if row.pictures.is_empty() {
        let text = "Drop a picture here, or choose one:";
        ui.label(RichText::new(text).small().color(tokens.caution));
    }
    ui.horizontal_wrapped(|ui| {
        for (index, picture) in row.pictures.iter().enumerate() {
            let label = format!("picture {} of {name}", index + 1);
            if thumbnail(ui, picture, shelf, &label, tokens) {
                answer = Some(Answer::RemovePicture(index));
            }
        }
        let help = "A picture from a file; several are seen together";
        let file = ui.small_button("file…").on_hover_text(help);
        let file = file.accessible_name(format!("give {name} a picture from a file"));
        if file.clicked() {
            answer = Some(Answer::FromFile);
        }
        let shown = ui
            .small_button("shown")
            .on_hover_text("The picture that is shown");
        let shown = shown.accessible_name(format!("give {name} the shown picture"));
        if shown.clicked() {
            answer = Some(Answer::FromShown);
        }
    });
    answer
}

/// One picture; whether it was clicked away.
fn thumbnail(
    ui: &mut Ui,
    picture: &PictureRef,
    shelf: &PictureShelf,
    label: &str,
    tokens: Tokens,
) -> bool {
    let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL), Sense::click());
    let info = || egui::WidgetInfo::labeled(egui::Role::Button, true, label);
    response.widget_info(info);
    ui.painter()
        .rect_filled(rect, 2.0, tokens.text_weak.gamma_multiply(0.1));
    if let Some(texture) = texture(ui, picture, shelf) {
        Image::new(&texture).paint_at(ui, fit(texture.size_vec2(), rect));
    } else {
        let font = egui::FontId::proportional(18.0);
        let at = rect.center();
        ui.painter()
            .text(at, egui::Align2::CENTER_CENTER, "?", font, tokens.trouble);
    }
    let place = picture.path.as_deref();
    let place = place.unwrap_or_else(|| short_hash(&picture.hash));
    let response = response.on_hover_text(format!("{place}\nA click takes it away"));
    response.clicked()
}

fn texture(ui: &Ui, picture: &PictureRef, shelf: &PictureShelf) -> Option<TextureHandle> {
    let kept = ui.data_mut(|data| {
        let id = Id::unique("thumbnails of picture prompts");
        data.get_temp_mut_or_default::<Thumbnails>(id).clone()
    });
    // Nothing is left half done where a holder panicked.
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!(
        "{} {}",
        picture.hash,
        picture.path.as_deref().unwrap_or_default()
    );
    if let Some(known) = kept.get(&key) {
        return known.clone();
    }
    if kept.len() >= MOST_KEPT {
        kept.clear();
    }
    let small = shelf.get(picture).ok();
    let small = small.map(|picture| reduced(&picture, THUMBNAIL_PX));
    let texture = small.map(|small| picture_texture(ui, key.clone(), &small));
    kept.insert(key, texture.clone());
    texture
}

fn takes(ui: &mut Ui, row: &PictureRow, tokens: Tokens) -> Option<Answer> {
    let name = &row.adapter.name;
    let mut answer = None;
    ui.horizontal(|ui| {
        ui.label(RichText::new("takes").small().color(tokens.text_weak));
        let text = row.takes.map_or("chosen layers", in_words);
        let combo = ComboBox::from_id_salt("takes").selected_text(text);
        let combo = combo.show_ui(ui, |ui| {
            for takes in PictureTakes::ALL {
                let is_it = row.takes == Some(takes);
                if ui.selectable_label(is_it, in_words(takes)).clicked() && !is_it {
                    answer = Some(Answer::Take(takes));
                }
            }
        });
        let label = format!("what {name} takes");
        combo.response.accessible_name(label);
    });
    answer
}

fn in_words(takes: PictureTakes) -> &'static str {
    match takes {
        PictureTakes::All => "everything",
        PictureTakes::Style => "style",
        PictureTakes::Layout => "layout",
        PictureTakes::StyleAndLayout => "style and layout",
    }
}
