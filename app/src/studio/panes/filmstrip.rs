//! The pictures that were kept.

use std::collections::HashMap;

use egui::{Image, ScrollArea, Sense, Stroke, StrokeKind, TextureHandle, Ui, vec2};

use crate::studio::command::UiCommand;
use crate::studio::state::{ResultItem, Shown, Studio, reduced};
use crate::studio::theme::{Tokens, space};
use crate::studio::widgets::{fit, picture_texture};

/// Longest side in pixels of a thumbnail's texture.
const TEXTURE_PX: u32 = 160;

/// What can be done with a kept picture where it hangs.
const MENU: [UiCommand; 5] = [
    UiCommand::UseAsSource,
    UiCommand::AdoptResult,
    UiCommand::PinForComparison,
    UiCommand::StarResult,
    UiCommand::RemoveResult,
];

/// Textures of thumbnails by result.
#[derive(Default)]
pub(crate) struct Thumbnails {
    by_id: HashMap<String, TextureHandle>,
}

impl Thumbnails {
    fn texture(&mut self, ui: &Ui, result: &ResultItem) -> Option<&TextureHandle> {
        // The texture stays where the pixels have left the memory.
        if !self.by_id.contains_key(&result.id) {
            let small = reduced(result.picture.as_ref()?, TEXTURE_PX);
            let texture = picture_texture(ui, format!("thumbnail {}", result.id), &small);
            self.by_id.insert(result.id.clone(), texture);
        }
        self.by_id.get(&result.id)
    }
}

/// Draws the kept pictures, the newest on the right; a click shows one, a double click takes its
/// recipe onto the bench.
pub(crate) fn filmstrip_pane(
    ui: &mut Ui,
    studio: &mut Studio,
    thumbnails: &mut Thumbnails,
) -> Option<UiCommand> {
    let tokens = Tokens::in_ui(ui);
    let mut asked = None;
    let side = (ui.available_height() - space::L).clamp(48.0, 160.0);
    ScrollArea::horizontal()
        .auto_shrink(false)
        .stick_to_right(true)
        .show(ui, |ui| {
            ui.horizontal_centered(|ui| {
                if studio.results().next().is_none() {
                    ui.weak("Pictures that you render or keep gather here");
                }
                let mut shown = None;
                let mut wanted = Vec::new();
                for (at, result) in studio.results().enumerate() {
                    let is_shown = matches!(&studio.shown, Shown::Result(id) if *id == result.id);
                    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
                    response.widget_info(|| {
                        let name = format!("picture {}: {}", at + 1, result.recipe.prompt);
                        egui::WidgetInfo::selected(egui::Role::Button, true, is_shown, name)
                    });
                    if ui.is_rect_visible(rect) {
                        if let Some(texture) = thumbnails.texture(ui, result) {
                            let fitted = fit(texture.size_vec2(), rect);
                            Image::new(texture).paint_at(ui, fitted);
                        } else {
                            wanted.push(result.id.clone());
                        }
                        let stroke = if is_shown || response.has_focus() {
                            Stroke::new(2.0, tokens.accent)
                        } else {
                            Stroke::new(1.0, tokens.line)
                        };
                        ui.painter()
                            .rect_stroke(rect, 2.0, stroke, StrokeKind::Inside);
                        if studio.is_starred(&result.id) {
                            let at = rect.right_top() + vec2(-10.0, 10.0);
                            let font = egui::FontId::proportional(14.0);
                            ui.painter().text(
                                at,
                                egui::Align2::CENTER_CENTER,
                                "★",
                                font,
                                tokens.accent,
                            );
                        }
                    }
                    let response = response.on_hover_ui(|ui| {
                        ui.label(format!(
                            "{}\nseed {}, {} steps, {:.1} s",
                            result.recipe.prompt,
                            result.recipe.seed,
                            result.recipe.steps,
                            result.secs
                        ));
                    });
                    if response.secondary_clicked() {
                        // Its menu speaks of it.
                        shown = Some(result.id.clone());
                    }
                    response.context_menu(|ui| {
                        for command in MENU {
                            let button = ui.button(command.title());
                            if button.on_hover_text(command.help()).clicked() {
                                asked = Some(command);
                            }
                        }
                    });
                    if response.clicked() {
                        shown = Some(result.id.clone());
                    }
                    if response.double_clicked() {
                        asked = Some(UiCommand::AdoptResult);
                    }
                }
                for id in wanted {
                    studio.want_pixels(&id);
                }
                if let Some(id) = shown {
                    studio.shown = Shown::Result(id);
                }
            });
        });
    asked
}
