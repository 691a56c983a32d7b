//! Models, controls and adapters at hand, to be searched, looked at and put to work.

mod adapters;
mod controlnets;

use std::path::PathBuf;
use std::sync::Arc;

use egui::{
    Button, Color32, Frame, Rect, Response, RichText, ScrollArea, Sense, Shape, Stroke, TextEdit,
    Ui, pos2, vec2,
};
use vernier_engine::controls::{Calibration, ControlInfo};
use vernier_engine::picture::Picture;

use crate::studio::command::UiCommand;
use crate::studio::state::{ModelItem, Studio, in_words, is_match, searched_text};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::PictureTextures;

/// What the pane remembers between frames.
#[derive(Default)]
pub(crate) struct LibraryView {
    /// Writing shall go to the search in the next frame.
    pub(crate) wants_focus: bool,
    search: String,
    shows: Shelf,
    textures: PictureTextures,
}

/// Which part of the library is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Shelf {
    #[default]
    Controls,
    Adapters,
    Models,
}

impl Shelf {
    const ALL: [(&'static str, Self); 3] = [
        ("Controls", Self::Controls),
        ("Adapters", Self::Adapters),
        ("Models", Self::Models),
    ];
}

/// What is dragged from the library with the pointer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Carried {
    /// A control, by its name.
    Control(String),
    /// A model, by its place in the list.
    Model(usize),
    /// A LoRA or an embedding, by its file.
    Adapter(PathBuf),
    /// A ControlNet, by its file or folder.
    ControlNet(PathBuf),
}

/// Draws the library.
pub(crate) fn library_pane(
    ui: &mut Ui,
    studio: &mut Studio,
    view: &mut LibraryView,
) -> Option<UiCommand> {
    let mut asked = None;
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        for (title, shelf) in Shelf::ALL {
            let tab = Button::selectable(view.shows == shelf, title);
            let tab = ui.add(tab).accessible_name(format!("library: {title}"));
            if tab.clicked() {
                view.shows = shelf;
            }
        }
        let search = TextEdit::singleline(&mut view.search).hint_text("search");
        let search = ui.add(search.desired_width(f32::INFINITY));
        let search = search.accessible_name("search the library");
        if std::mem::take(&mut view.wants_focus) {
            search.request_focus();
        }
    });
    ui.add_space(space::S);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        let add = match view.shows {
            Shelf::Controls => {
                controls(ui, studio, view);
                return;
            }
            Shelf::Models => {
                models(ui, studio, &view.search);
                UiCommand::AddModels
            }
            Shelf::Adapters => {
                adapters::adapters(ui, studio, &view.search);
                controlnets::controlnets(ui, studio, &view.search);
                UiCommand::AddAdapter
            }
        };
        if ui.button(add.title()).on_hover_text(add.help()).clicked() {
            asked = Some(add);
        }
    });
    asked
}

fn models(ui: &mut Ui, studio: &mut Studio, search: &str) {
    let tokens = Tokens::in_ui(ui);
    let mut taken = None;
    let mut is_any = false;
    for (at, item) in studio.models().iter().enumerate() {
        let path = item.path.to_string_lossy();
        let about = item.about.as_ref().unwrap_or_else(|e| e);
        if !is_match(search, &format!("{} {about} {path}", item.model.name)) {
            continue;
        }
        is_any = true;
        let is_on_bench = studio.bench.recipe.model.name == item.model.name
            && studio.bench.recipe.model.path == item.model.path;
        card(ui, is_on_bench, |ui| {
            let can_use = item.about.is_ok();
            let name = &item.model.name;
            if head(ui, name, Carried::Model(at), can_use && !is_on_bench) {
                taken = Some(item.clone());
            }
            model_lines(ui, item, tokens);
        });
    }
    if !is_any && !search.trim().is_empty() {
        ui.weak("No model matches the search");
    }
    if let Some(item) = taken {
        studio.take_model(&item);
    }
}

fn model_lines(ui: &mut Ui, item: &ModelItem, tokens: Tokens) {
    match &item.about {
        Ok(about) => {
            let size = item.size_px;
            let size = size.map_or(String::new(), |(w, h)| format!(", {w}×{h} px"));
            ui.label(RichText::new(format!("{about}{size}")).small());
        }
        Err(sentence) => {
            ui.label(RichText::new(sentence).small().color(tokens.trouble));
        }
    }
    let path = item.path.display().to_string();
    ui.label(RichText::new(path).small().color(tokens.text_weak));
}

fn controls(ui: &mut Ui, studio: &mut Studio, view: &mut LibraryView) {
    let all: Vec<&ControlInfo> = studio
        .controls()
        .iter()
        .map(|found| &found.info)
        .filter(|info| is_match(&view.search, &searched_text(info)))
        .collect();
    if all.is_empty() {
        ui.weak(if studio.controls().is_empty() {
            "There are no controls yet; the Train workspace makes them"
        } else {
            "No control matches the search"
        });
    }
    let mut taken = None;
    let mut previewed = None;
    for info in all {
        card(ui, false, |ui| {
            let carried = Carried::Control(info.name.clone());
            if head(ui, &info.name, carried, true) {
                taken = Some(info.name.clone());
            }
            if control_lines(ui, studio, view, info) {
                previewed = Some(info.name.clone());
            }
        });
    }
    if let Some(name) = taken {
        studio.take_control(&name, None);
    }
    if let Some(name) = previewed {
        studio.preview_control(&name);
    }
}

/// Draws what a control is and does; whether its preview was asked for.
fn control_lines(ui: &mut Ui, studio: &Studio, view: &mut LibraryView, info: &ControlInfo) -> bool {
    let tokens = Tokens::in_ui(ui);
    if !info.about.is_empty() {
        ui.label(RichText::new(&info.about).small());
    }
    let whom = if info.subjects.is_empty() {
        "the whole picture".to_owned()
    } else {
        info.subjects.join(", ")
    };
    let line = format!("{} for {whom}", info.kind.label());
    ui.label(RichText::new(line).small().color(tokens.text_weak));
    let mut asked = false;
    ui.horizontal(|ui| {
        if let Some((attribute, calibration)) = info.calibrations.iter().next() {
            response_curve(ui, attribute, calibration, tokens);
        } else {
            let text = RichText::new("not calibrated").small();
            ui.label(text.color(tokens.text_weak));
        }
        let preview = studio.previews().get(&info.name);
        if let Some(preview) = preview {
            for (at, picture) in preview.pictures().enumerate() {
                thumbnail(ui, view, &info.name, at, picture, tokens);
            }
        }
        if studio.is_previewing(&info.name) {
            ui.spinner();
        } else if preview.is_none_or(|preview| !preview.is_whole()) {
            let button = Button::new(RichText::new("Preview").small());
            let help = "Renders its lowest setting, none, and its highest";
            let name = format!("preview {}", info.name);
            let button = ui.add(button).accessible_name(name);
            asked = button.on_hover_text(help).clicked();
        }
    });
    asked
}

fn thumbnail(
    ui: &mut Ui,
    view: &mut LibraryView,
    name: &str,
    at: usize,
    picture: Option<&Arc<Picture>>,
    tokens: Tokens,
) {
    const SIDE: f32 = 52.0;
    let (rect, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::hover());
    let which = ["lowest", "none", "highest"].get(at).unwrap_or(&"");
    ui.painter()
        .rect_filled(rect, 2.0, tokens.line.gamma_multiply(0.4));
    let Some(picture) = picture else { return };
    view.textures
        .paint(ui, &format!("{name}/{at}"), picture, rect);
    response.on_hover_text(which.to_owned());
}

/// The measured response in small, its reliable part on a band.
fn response_curve(ui: &mut Ui, attribute: &str, calibration: &Calibration, tokens: Tokens) {
    let (rect, response) = ui.allocate_exact_size(vec2(84.0, 52.0), Sense::hover());
    let painter = ui.painter_at(rect);
    painter.rect_filled(rect, 2.0, tokens.line.gamma_multiply(0.4));
    let raws = calibration.response.iter().map(|point| point.raw);
    let (low, high) = raws.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), raw| {
        (l.min(raw), h.max(raw))
    });
    let span = (high - low).max(f64::EPSILON);
    let inner = rect.shrink(4.0);
    let x = |raw: f64| inner.left() + inner.width() * ((raw - low) / span) as f32;
    let y = |reading: f64| inner.bottom() - inner.height() * reading.clamp(0.0, 1.0) as f32;
    let (from, to) = (x(calibration.raw_low), x(calibration.raw_high));
    let band = Rect::from_x_y_ranges(from.min(to)..=from.max(to), rect.y_range());
    painter.rect_filled(band, 0.0, tokens.band.gamma_multiply(0.5));
    let points: Vec<_> = calibration
        .response
        .iter()
        .map(|point| pos2(x(point.raw), y(point.mean)))
        .collect();
    painter.add(Shape::line(points, Stroke::new(1.5, tokens.accent)));
    response.on_hover_ui(|ui| {
        ui.label(format!(
            "Moves {} from {:.2} to {:.2} within its reliable range; rank correlation {:.2}",
            in_words(attribute),
            calibration.expected(calibration.raw_low).unwrap_or(0.0),
            calibration.expected(calibration.raw_high).unwrap_or(0.0),
            calibration.spearman
        ));
    });
}

fn card(ui: &mut Ui, is_chosen: bool, add: impl FnOnce(&mut Ui)) {
    let tokens = Tokens::in_ui(ui);
    let stroke = if is_chosen {
        Stroke::new(1.0, tokens.accent)
    } else {
        Stroke::new(1.0, tokens.line)
    };
    Frame::NONE
        .stroke(stroke)
        .corner_radius(3.0)
        .inner_margin(space::S)
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            add(ui);
        });
    ui.add_space(space::XS);
}

/// Draws the name, by which the card can be taken hold of; whether it is to be used.
fn head(ui: &mut Ui, name: &str, carried: Carried, can_use: bool) -> bool {
    let mut is_used = false;
    ui.horizontal(|ui| {
        let title = semibold(in_words(name));
        let label = egui::Label::new(title)
            .sense(Sense::drag())
            .selectable(false);
        let label = ui.add(label).on_hover_cursor(egui::CursorIcon::Grab);
        let help = match carried {
            Carried::Control(_) => "Drag it onto a word of the prompt",
            Carried::Model(_) | Carried::Adapter(_) | Carried::ControlNet(_) => {
                "Drag it onto the prompt"
            }
        };
        label.dnd_set_drag_payload(carried);
        if label.dragged() {
            follow_pointer(ui, name);
        }
        label.on_hover_text(help);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let button = ui.add_enabled(can_use, Button::new("Use"));
            let button = button.accessible_name(format!("use {name}"));
            is_used = button.clicked();
        });
    });
    is_used
}

/// What is being dragged, beside the pointer.
fn follow_pointer(ui: &Ui, name: &str) {
    let Some(at) = ui.ctx().pointer_interact_pos() else {
        return;
    };
    let layer = egui::LayerId::new(egui::Order::Tooltip, egui::Id::unique("carried"));
    let tokens = Tokens::in_ui(ui);
    let painter = ui.ctx().layer_painter(layer);
    let font = egui::TextStyle::Button.resolve(ui.style());
    let text = painter.layout_no_wrap(in_words(name), font, tokens.on_accent);
    let rect = Rect::from_min_size(at + vec2(12.0, 12.0), text.size()).expand(5.0);
    painter.rect_filled(rect, 4.0, tokens.accent);
    painter.galley(rect.min + vec2(5.0, 5.0), text, Color32::WHITE);
}

/// Something of the library was put onto `word` of the prompt, or beside all words.
pub(crate) fn take_carried(studio: &mut Studio, carried: &Carried, word: Option<&str>) {
    match carried {
        Carried::Control(name) => studio.take_control(name, word),
        Carried::Adapter(path) => studio.take_adapter(path.clone()),
        Carried::ControlNet(path) => studio.take_controlnet(path),
        Carried::Model(at) => {
            if let Some(item) = studio.models().get(*at).cloned() {
                studio.take_model(&item);
            }
        }
    }
}

/// What was let go of over `response`; while it hovers there, the place is marked.
pub(crate) fn dropped(ui: &Ui, response: &Response) -> Option<Arc<Carried>> {
    if response.dnd_hover_payload::<Carried>().is_some() {
        let tokens = Tokens::in_ui(ui);
        let stroke = Stroke::new(2.0, tokens.accent);
        let rect = response.rect;
        ui.painter()
            .rect_stroke(rect, 3.0, stroke, egui::StrokeKind::Outside);
    }
    response.dnd_release_payload()
}
