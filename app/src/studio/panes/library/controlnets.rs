//! ControlNets at hand.

use egui::{RichText, Ui};

use super::{Carried, card, head};
use crate::assets::{own, own_folder_in_words};
use crate::studio::state::{Studio, is_match};
use crate::studio::theme::{Tokens, semibold, space};

/// Draws a card for each that matches `search`; where it asks for them and there is none, says
/// where they belong.
pub(super) fn controlnets(ui: &mut Ui, studio: &mut Studio, search: &str) {
    let tokens = Tokens::in_ui(ui);
    let mut taken = None;
    let family = studio.model_family();
    let matches = studio.controlnets().iter().filter(|found| {
        let path = found.path.to_string_lossy();
        let text = format!("controlnet {} {} {path}", found.name, found.in_a_line());
        is_match(search, &text)
    });
    for (at, found) in matches.enumerate() {
        if at == 0 {
            ui.add_space(space::S);
            ui.label(semibold("ControlNets"));
        }
        let mut nets = studio.bench.recipe.controlnets.iter();
        let is_on_bench = nets.any(|used| used.name == found.name && !used.muted);
        card(ui, is_on_bench, |ui| {
            let carried = Carried::ControlNet(found.path.clone());
            // One may follow two pictures.
            if head(ui, &found.name, carried, found.kind.is_ok()) {
                taken = Some(found.path.clone());
            }
            let line = |ui: &mut Ui, text: &str, color| {
                ui.label(RichText::new(text).small().color(color));
            };
            let color = match found.kind {
                Ok(_) => tokens.text,
                Err(_) => tokens.trouble,
            };
            line(ui, found.in_a_line(), color);
            if let Some(misfit) = family.and_then(|family| found.misfit(family)) {
                line(ui, &format!("It {misfit}"), tokens.caution);
            }
            line(ui, &found.path.display().to_string(), tokens.text_weak);
        });
    }
    if let Some(path) = taken {
        studio.take_controlnet(&path);
    } else if studio.controlnets().is_empty() && is_asked_for(search) {
        ui.weak("Vernier comes with no ControlNet: put one into");
        let folder = own_folder_in_words(own::CONTROLNETS);
        ui.label(RichText::new(folder).small());
    }
}

/// Whether somebody who writes `search` looks for ControlNets.
fn is_asked_for(search: &str) -> bool {
    let search = search.trim().to_lowercase();
    search.len() > 2 && "controlnet".starts_with(&search)
}
