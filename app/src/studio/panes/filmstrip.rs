//! The pictures that were kept.

use std::collections::HashMap;

use egui::{Image, ScrollArea, Sense, Stroke, StrokeKind, TextureHandle, Ui, vec2};
use vernier_engine::picture::Picture;

use crate::studio::command::UiCommand;
use crate::studio::state::{ResultItem, Shown, Studio};
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
        let picture = result.picture.as_ref()?;
        Some(self.by_id.entry(result.id.clone()).or_insert_with(|| {
            picture_texture(ui, format!("thumbnail {}", result.id), &reduced(picture))
        }))
    }
}

/// The picture by whole-number box averaging, at most [`TEXTURE_PX`] and as near to it as that goes.
fn reduced(picture: &Picture) -> Picture {
    let (width, height) = (picture.width_px, picture.height_px);
    let by = width.max(height).div_ceil(TEXTURE_PX).max(1);
    let (w, h) = ((width / by).max(1), (height / by).max(1));
    let mut rgb = Vec::with_capacity((w * h * 3) as usize);
    for y in 0..h {
        for x in 0..w {
            for channel in 0..3 {
                let (mut sum, mut count) = (0_u32, 0_u32);
                for dy in 0..by.min(height) {
                    for dx in 0..by.min(width) {
                        let at = ((y * by + dy) * width + x * by + dx) * 3 + channel;
                        sum += u32::from(picture.rgb.get(at as usize).copied().unwrap_or(0));
                        count += 1;
                    }
                }
                rgb.push((sum / count.max(1)) as u8);
            }
        }
    }
    Picture {
        width_px: w,
        height_px: h,
        rgb,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_average_and_keep_their_shape() {
        let picture = Picture {
            width_px: 320,
            height_px: 160,
            rgb: (0..320 * 160 * 3)
                .map(|i| if (i / 3) % 2 == 0 { 0 } else { 200 })
                .collect(),
        };
        let thumbnail = reduced(&picture);
        assert_eq!((thumbnail.width_px, thumbnail.height_px), (160, 80));
        assert!(thumbnail.rgb.iter().all(|&value| value == 100));
    }
}
