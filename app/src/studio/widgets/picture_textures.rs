//! Small pictures, drawn as textures.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{ColorImage, Image, Rect, TextureHandle, TextureOptions, Ui};
use vernier_engine::picture::Picture;

/// Textures by the name of the place that shows them.
#[derive(Default)]
pub(crate) struct PictureTextures {
    by_name: HashMap<String, (Arc<Picture>, TextureHandle)>,
}

impl PictureTextures {
    /// Draws `picture`, whole, into the middle of `rect`.
    pub(crate) fn paint(&mut self, ui: &Ui, name: &str, picture: &Arc<Picture>, rect: Rect) {
        let is_old = |(known, _): &(Arc<Picture>, TextureHandle)| !Arc::ptr_eq(known, picture);
        if self.by_name.get(name).is_none_or(is_old) {
            let size = [picture.width_px as usize, picture.height_px as usize];
            let image = ColorImage::from_rgb(size, &picture.rgb);
            let texture = ui.ctx().load_texture(name, image, TextureOptions::LINEAR);
            self.by_name
                .insert(name.to_owned(), (picture.clone(), texture));
        }
        if let Some((_, texture)) = self.by_name.get(name) {
            let size = texture.size_vec2();
            let scale = (rect.width() / size.x).min(rect.height() / size.y);
            let fitted = Rect::from_center_size(rect.center(), size * scale);
            Image::new(texture).paint_at(ui, fitted);
        }
    }

    /// Lets go of all of them.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
    }
}
