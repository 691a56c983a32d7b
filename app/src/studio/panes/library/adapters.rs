//! LoRAs and embeddings at hand.

use egui::{RichText, Ui};
use vernier_engine::adapters::{AdapterKind, Family, FoundAdapter};

use super::{Carried, card, head};
use crate::assets::{own, own_folder_in_words};
use crate::studio::state::{Studio, is_match};
use crate::studio::theme::Tokens;

/// Draws a card for each that matches `search`.
pub(super) fn adapters(ui: &mut Ui, studio: &mut Studio, search: &str) {
    let mut taken = None;
    let mut is_any = false;
    for found in studio.adapters() {
        if !is_match(search, &searched_text(found)) {
            continue;
        }
        is_any = true;
        let is_on_bench = is_on_bench(studio, found);
        card(ui, is_on_bench, |ui| {
            let can_use = found.kind.is_ok() && !is_on_bench;
            let carried = Carried::Adapter(found.path.clone());
            if head(ui, &found.name, carried, can_use) {
                taken = Some(found.path.clone());
            }
            lines(ui, found, studio.model_family());
        });
    }
    if let Some(path) = taken {
        studio.take_adapter(path);
    }
    if is_any {
        return;
    }
    if !search.trim().is_empty() && !studio.adapters().is_empty() {
        ui.weak("No adapter matches the search");
        return;
    }
    ui.weak("There are no LoRAs or embeddings yet: drop one onto the window, or put it into");
    let folder = own_folder_in_words(own::ADAPTERS);
    ui.label(RichText::new(folder).small());
}

fn is_on_bench(studio: &Studio, found: &FoundAdapter) -> bool {
    let bench = &studio.bench;
    match &found.kind {
        Ok(kind) if kind.is_embedding() => {
            let mut named = bench.recipe.embeddings.iter();
            named.any(|own| own.name == found.name) && bench.says(&found.name)
        }
        _ => bench.adapter(&found.name).is_some() && !bench.is_adapter_muted(&found.name),
    }
}

/// Everything about an adapter that a search may mean.
fn searched_text(found: &FoundAdapter) -> String {
    let words = found.kind.as_ref().map(AdapterKind::trained_words);
    format!(
        "{} {} {} {}",
        found.name,
        found.in_a_line(),
        words.unwrap_or_default().join(" "),
        found.path.display()
    )
}

fn lines(ui: &mut Ui, found: &FoundAdapter, family: Option<&Family>) {
    let tokens = Tokens::in_ui(ui);
    let line = |ui: &mut Ui, text: &str, color| {
        ui.label(RichText::new(text).small().color(color));
    };
    match &found.kind {
        Ok(kind) => {
            line(ui, &kind.to_string(), tokens.text);
            let words = kind.trained_words();
            if !words.is_empty() {
                let words = format!("trained with: {}", words.join(", "));
                line(ui, &words, tokens.text_weak);
            }
            if let Some(misfit) = family.and_then(|family| kind.misfit(family)) {
                line(ui, &format!("It {misfit}"), tokens.caution);
            }
        }
        Err(sentence) => line(ui, sentence, tokens.trouble),
    }
    line(ui, &found.path.display().to_string(), tokens.text_weak);
}
