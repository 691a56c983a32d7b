//! Sliders, grouped by whom they work on.

use egui::{CollapsingHeader, RichText, ScrollArea, Sense, Ui};

use super::adapters::adapters_group;
use super::controlnets::controlnets_group;
use super::library::{dropped, take_carried};
use super::picture_prompts::picture_prompts_group;
use crate::studio::state::{RackGroup, SliderSpec, Studio};
use crate::studio::theme::{Tokens, semibold, space};
use crate::studio::widgets::{SliderAnswer, attribute_slider};

/// Draws all sliders of the selected subject and of the picture; without a selection, of all.
pub(crate) fn controls_pane(ui: &mut Ui, studio: &mut Studio) {
    let tokens = Tokens::in_ui(ui);
    let groups = studio.rack();
    let area = ui.interact(ui.max_rect(), ui.scope_id().with("drop"), Sense::hover());
    if let Some(carried) = dropped(ui, &area) {
        take_carried(studio, &carried, None);
    }
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.add_space(space::S);
        adapters_group(ui, studio);
        picture_prompts_group(ui, studio);
        controlnets_group(ui, studio);
        let mut subjects = 0;
        for group in groups.iter() {
            let at = subjects;
            subjects += usize::from(group.subject.is_some());
            let is_hidden = match (&studio.selected_subject, &group.subject) {
                (Some(selected), Some(subject)) => *selected != subject.noun,
                _ => false,
            };
            if is_hidden {
                continue;
            }
            let (title, color) = match &group.subject {
                Some(subject) => (subject.noun.as_str(), tokens.subject(at)),
                None => ("picture", tokens.text),
            };
            let heading = semibold(title).color(color);
            CollapsingHeader::new(heading)
                .id_salt(("rack", title))
                .default_open(true)
                .show(ui, |ui| group_ui(ui, studio, group, tokens));
        }
    });
}

fn group_ui(ui: &mut Ui, studio: &mut Studio, group: &RackGroup, tokens: Tokens) {
    if group.sliders.is_empty() {
        let text = match &group.subject {
            Some(subject) => format!("There is no control for {} yet", subject.noun),
            None => "There is no control for the whole picture yet".to_owned(),
        };
        ui.label(RichText::new(text).small().color(tokens.text_weak));
        return;
    }
    for spec in &group.sliders {
        let control = studio.bench.control(&spec.key);
        let value = control.map(|control| spec.shown(control));
        let is_muted = studio.bench.is_muted(&spec.key);
        let is_locked = studio.bench.is_locked(&spec.key);
        ui.push_id(spec.key.to_string(), |ui| {
            let Some(answer) = attribute_slider(ui, spec, value, is_muted, is_locked) else {
                return;
            };
            match answer {
                SliderAnswer::Moved(value) => move_to(studio, spec, value),
                SliderAnswer::Reset => studio.set_control(&spec.key, None),
                SliderAnswer::ToggleMute => studio.bench.toggle_mute(&spec.key),
                SliderAnswer::ToggleLock => studio.bench.toggle_lock(&spec.key),
            }
        });
    }
}

/// A strength at rest leaves the recipe; a value does not, for every value is one.
#[allow(clippy::float_cmp, reason = "rest is set, not computed")]
fn move_to(studio: &mut Studio, spec: &SliderSpec, value: f64) {
    let is_at_rest = value == spec.rest && !spec.kind.takes_values();
    let setting = (!is_at_rest).then_some((spec.scale, value));
    studio.set_control(&spec.key, setting);
}
