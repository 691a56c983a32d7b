//! The bench's ControlNets, a row each, with what they see.

use std::sync::Arc;

use egui::mutex::Mutex;
use egui::{
    Align, Button, CollapsingHeader, ComboBox, DragValue, Id, Layout, RichText, Sense, Ui, vec2,
};
use vernier_engine::recipe::Preprocessor;

use crate::studio::state::{ControlNetRow, MapFor, Studio};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{
    PictureTextures, file_problem, file_title, icon_button, icon_toggle, weight_slider,
};

/// Side of a map in points.
const MAP_SIDE: f32 = 72.0;
/// The shortest stretch of the steps that a row sets.
const LEAST_PART: f64 = 0.01;

/// What was asked of a row.
#[derive(Clone, Copy)]
enum Answer {
    Weigh(f64),
    From(f64),
    To(f64),
    Preprocess(Preprocessor),
    ToggleMute,
    Remove,
    OtherPicture,
}

/// Draws the group, where there is anything in it.
pub(super) fn controlnets_group(ui: &mut Ui, studio: &mut Studio) {
    let rows = studio.controlnet_rows();
    let waiting = studio.waiting_for_map().cloned();
    if rows.is_empty() && waiting.is_none() {
        return;
    }
    CollapsingHeader::new(semibold("ControlNets"))
        .id_salt(("rack", "controlnets"))
        .default_open(true)
        .show(ui, |ui| {
            for row in &rows {
                let answer = ui.push_id(row.index, |ui| row_ui(ui, row)).inner;
                if let Some(answer) = answer {
                    carry_out(studio, row, answer);
                }
                if waiting == Some(MapFor::Row(row.index)) {
                    ask_for_picture(ui, studio, &row.used.name);
                }
            }
            if let Some(MapFor::New(found)) = &waiting {
                ask_for_picture(ui, studio, &found.name);
            }
        });
}

fn carry_out(studio: &mut Studio, row: &ControlNetRow, answer: Answer) {
    let index = row.index;
    match answer {
        Answer::Weigh(weight) => studio.change_controlnet(index, |used| used.weight = weight),
        Answer::From(start) => studio.change_controlnet(index, |used| used.start = start),
        Answer::To(end) => studio.change_controlnet(index, |used| used.end = end),
        Answer::Preprocess(preprocessor) => studio.preprocess_controlnet(index, preprocessor),
        Answer::ToggleMute => studio.change_controlnet(index, |used| used.muted = !used.muted),
        Answer::Remove => studio.remove_controlnet(index),
        Answer::OtherPicture => studio.wait_for_map(Some(MapFor::Row(index))),
    }
}

/// Asks for the picture that `name` shall follow.
fn ask_for_picture(ui: &mut Ui, studio: &mut Studio, name: &str) {
    let tokens = Tokens::in_ui(ui);
    let text = format!("Which picture shall {name} follow? Drop its file onto the window, or take");
    ui.label(RichText::new(text).small().color(tokens.text));
    ui.horizontal_wrapped(|ui| {
        let button = |ui: &mut Ui, title: &str, name: String| {
            let button = ui.add(Button::new(RichText::new(title).small()));
            button.accessible_name(name).clicked()
        };
        if button(ui, "a file…", format!("open a picture for {name}")) {
            studio.ask_for_map_file();
        }
        if button(
            ui,
            "the shown one",
            format!("{name} follows the shown picture"),
        ) {
            studio.follow_shown();
        }
        if button(ui, "none", format!("no picture for {name}")) {
            studio.wait_for_map(None);
        }
    });
    ui.add_space(space::S);
}

fn row_ui(ui: &mut Ui, row: &ControlNetRow) -> Option<Answer> {
    let tokens = Tokens::in_ui(ui);
    let mut answer = head(ui, row);
    let name = &row.used.name;
    ui.horizontal(|ui| {
        map_ui(ui, row, tokens);
        ui.vertical(|ui| {
            answer = answer.or(preprocessors(ui, row));
            let button = ui.add(Button::new(RichText::new("another picture…").small()));
            let button = button.accessible_name(format!("another picture for {name}"));
            if button.clicked() {
                answer = Some(Answer::OtherPicture);
            }
        });
    });
    let weight = format!("weight of ControlNet {name}");
    if let Some(weight) = weight_slider(ui, "", row.used.weight, &weight) {
        answer = Some(Answer::Weigh(weight));
    }
    answer = window(ui, row, tokens).or(answer);
    if let Some(problem) = &row.problem {
        file_problem(ui, problem, row.used.muted);
    }
    ui.add_space(space::S);
    answer
}

/// Name and switches.
fn head(ui: &mut Ui, row: &ControlNetRow) -> Option<Answer> {
    let mut answer = None;
    let name = &row.used.name;
    ui.horizontal(|ui| {
        let title = file_title(ui, name, row.used.muted, 60.0);
        if !row.about.is_empty() {
            title.on_hover_text(&row.about);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            let help = "Takes it off the bench; its file stays";
            if icon_button(ui, "✖", &format!("remove ControlNet {name}"), help).clicked() {
                answer = Some(Answer::Remove);
            }
            let mute = format!("mute ControlNet {name}");
            let help = "Switches it off and keeps its settings";
            if icon_toggle(ui, row.used.muted, "M", &mute, help).clicked() {
                answer = Some(Answer::ToggleMute);
            }
        });
    });
    answer
}

/// What it sees.
fn map_ui(ui: &mut Ui, row: &ControlNetRow, tokens: Tokens) {
    let (rect, response) = ui.allocate_exact_size(vec2(MAP_SIDE, MAP_SIDE), Sense::hover());
    ui.painter()
        .rect_filled(rect, 2.0, tokens.line.gamma_multiply(0.4));
    if let Ok(map) = &row.map {
        let textures = textures(ui);
        let name = format!("controlnet map {}", row.index);
        textures.lock().paint(ui, &name, map, rect);
    }
    let name = format!("map of {}", row.used.name);
    response
        .accessible_name(name)
        .on_hover_text("What the ControlNet sees, cut to the picture's size");
}

/// The maps' textures, which live as long as the window.
fn textures(ui: &Ui) -> Arc<Mutex<PictureTextures>> {
    let id = Id::unique("controlnet maps");
    ui.data_mut(|data| {
        let kept = data.get_temp_mut_or_default::<Arc<Mutex<PictureTextures>>>(id);
        Arc::clone(kept)
    })
}

fn preprocessors(ui: &mut Ui, row: &ControlNetRow) -> Option<Answer> {
    let own = row.used.preprocessor;
    let mut asked = None;
    let title = |preprocessor: Preprocessor| match preprocessor {
        Preprocessor::None => "as it is".to_owned(),
        other => other.name().to_owned(),
    };
    let menu = ComboBox::from_id_salt("preprocessor")
        .width(110.0)
        .selected_text(title(own))
        .show_ui(ui, |ui| {
            for preprocessor in Preprocessor::ALL {
                let choice = ui.selectable_label(preprocessor == own, title(preprocessor));
                if choice.clicked() {
                    asked = Some(Answer::Preprocess(preprocessor));
                }
            }
        });
    menu.response
        .accessible_name(format!("preprocessor of {}", row.used.name))
        .on_hover_text("What is made of the picture before the ControlNet sees it");
    asked
}

/// From which part of the steps to which it is at work.
fn window(ui: &mut Ui, row: &ControlNetRow, tokens: Tokens) -> Option<Answer> {
    let mut answer = None;
    let (name, used) = (&row.used.name, &row.used);
    ui.horizontal(|ui| {
        let part = |ui: &mut Ui, value: f64, range: std::ops::RangeInclusive<f64>, what: &str| {
            let mut at = value;
            let number = DragValue::new(&mut at)
                .range(range)
                .speed(0.01)
                .fixed_decimals(2);
            let number = ui.add(number);
            let number = number.accessible_name(format!("{what} of ControlNet {name}"));
            (number.changed() && (at - value).abs() > 1e-9).then_some(at)
        };
        let label = |ui: &mut Ui, text: &str| {
            ui.label(RichText::new(text).small().color(tokens.text_weak));
        };
        label(ui, "from");
        if let Some(start) = part(ui, used.start, 0.0..=used.end - LEAST_PART, "start") {
            answer = Some(Answer::From(start));
        }
        label(ui, "to");
        if let Some(end) = part(ui, used.end, used.start + LEAST_PART..=1.0, "end") {
            answer = Some(Answer::To(end));
        }
        label(ui, "of the steps");
    });
    answer
}
