//! Pictures as small images that egui draws.

use egui::{ColorImage, Rect, TextureHandle, TextureOptions, Ui, Vec2};
use vernier_engine::picture::Picture;

/// A texture of `picture`, called `name` where egui lists its textures.
pub(crate) fn picture_texture(
    ui: &Ui,
    name: impl Into<String>,
    picture: &Picture,
) -> TextureHandle {
    let size = [picture.width_px as usize, picture.height_px as usize];
    let image = ColorImage::from_rgb(size, &picture.rgb);
    ui.ctx().load_texture(name, image, TextureOptions::LINEAR)
}

/// The largest rectangle of the shape of `size` in the middle of `into`.
pub(crate) fn fit(size: Vec2, into: Rect) -> Rect {
    let scale = (into.width() / size.x).min(into.height() / size.y);
    Rect::from_center_size(into.center(), size * scale)
}
