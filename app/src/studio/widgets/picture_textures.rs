//! Small pictures, drawn as textures.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{Image, Rect, TextureHandle, Ui};
use vernier_engine::picture::Picture;

use super::picture_texture::{fit, picture_texture};

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
            let texture = picture_texture(ui, name, picture);
            self.by_name
                .insert(name.to_owned(), (picture.clone(), texture));
        }
        if let Some((_, texture)) = self.by_name.get(name) {
            Image::new(texture).paint_at(ui, fit(texture.size_vec2(), rect));
        }
    }

    /// Lets go of all of them.
    pub(crate) fn clear(&mut self) {
        self.by_name.clear();
    }
}
