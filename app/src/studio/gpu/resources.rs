//! Everything of ours that lives on one device.

use std::collections::HashMap;
use std::sync::Arc;

use eframe::egui_wgpu::{RenderState, wgpu};
use egui::mutex::Mutex;
use vernier_engine::picture::Picture;

use super::histogram::Counter;
use super::latents::LatentPasses;
use super::mips::{Level, half};
use super::pipelines::Pipelines;
use super::source::{Overlay, Pixels, Source, TextureKey};
use super::store::{self, DEFAULT_BUDGET, Kind, Shown, Store};
use super::trouble::{self, Trouble};

/// Pipelines and textures, kept among egui's callback resources.
pub(super) struct Resources {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) pipelines: Pipelines,
    pub(super) latents: LatentPasses,
    pub(super) histogram: Option<Counter>,
    pub(super) store: Store,
    /// Which state of each mask the store has.
    mask_revisions: HashMap<TextureKey, u64>,
    pub(super) trouble: Arc<Mutex<Trouble>>,
}

impl Resources {
    pub(super) fn new(state: &RenderState) -> Self {
        let device = state.device.clone();
        let trouble = trouble::listen(&device);
        Self {
            pipelines: Pipelines::new(&device, state.target_format),
            latents: LatentPasses::new(&device),
            histogram: Counter::new(&device),
            store: Store::new(DEFAULT_BUDGET),
            mask_revisions: HashMap::new(),
            queue: state.queue.clone(),
            device,
            trouble,
        }
    }

    /// The texture of `source`, uploaded where it is not there; `None` where it has no pixels.
    ///
    /// `room_px` is the largest size that it will be drawn at, where that is known to be small:
    /// then only what can be seen is uploaded.
    pub(super) fn shown(&mut self, source: &Source, room_px: Option<[f32; 2]>) -> Option<Shown> {
        if let Some(shown) = self.store.find(Kind::Halved(0), source.key) {
            return Some(shown);
        }
        let limit = self.device.limits().max_texture_dimension_2d;
        match &source.pixels {
            Pixels::Picture(picture) => {
                let halvings = halvings(source.size_px(), limit, room_px)?;
                let kind = Kind::Halved(halvings);
                if let Some(shown) = self.store.find(kind, source.key) {
                    return Some(shown);
                }
                let mut levels = opaque(picture)?.chain(4);
                let levels = levels.split_off((halvings as usize).min(levels.len() - 1));
                let format = wgpu::TextureFormat::Rgba8Unorm;
                let (texture, bytes) = store::upload(&self.device, &self.queue, &levels, format)?;
                let shown = self.ready(&texture, bytes);
                self.store.keep(kind, source.key, shown.clone());
                Some(shown)
            }
            Pixels::Latents(preview) => {
                let texture = self.latents.draw(&self.device, &self.queue, preview)?;
                let bytes = 4 * u64::from(texture.width()) * u64::from(texture.height());
                let shown = self.ready(&texture, bytes);
                self.store.keep(Kind::Halved(0), source.key, shown.clone());
                Some(shown)
            }
        }
    }

    /// The texture of an overlay's mask.
    pub(super) fn mask(&mut self, overlay: &Overlay) -> Option<Shown> {
        if self.mask_revisions.get(&overlay.key) == Some(&overlay.revision)
            && let Some(shown) = self.store.find(Kind::Mask, overlay.key)
        {
            return Some(shown);
        }
        let mask = &overlay.mask;
        let limit = self.device.limits().max_texture_dimension_2d;
        let halvings = halvings([mask.width_px(), mask.height_px()], limit, None)?;
        let mut levels = Level {
            width: mask.width_px(),
            height: mask.height_px(),
            bytes: mask.coverage().to_vec(),
        }
        .chain(1);
        let levels = levels.split_off((halvings as usize).min(levels.len() - 1));
        let format = wgpu::TextureFormat::R8Unorm;
        let (texture, bytes) = store::upload(&self.device, &self.queue, &levels, format)?;
        let shown = self.ready(&texture, bytes);
        self.store.keep(Kind::Mask, overlay.key, shown.clone());
        self.mask_revisions.insert(overlay.key, overlay.revision);
        Some(shown)
    }

    /// Two textures, as one that is compared with another.
    pub(super) fn pair(&self, first: &Shown, second: &Shown) -> wgpu::BindGroup {
        let pipelines = &self.pipelines;
        pipelines.bind_textures(&self.device, &first.view, &second.view)
    }

    fn ready(&self, texture: &wgpu::Texture, bytes: u64) -> Shown {
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Shown {
            bound: self.pipelines.bind_textures(&self.device, &view, &view),
            view,
            size: [texture.width(), texture.height()],
            bytes,
        }
    }
}

/// How often an image is halved before it is uploaded: until the device takes it, and on while it
/// stays at least as large as it is drawn. `None` for an image without pixels.
fn halvings(size: [u32; 2], limit: u32, room_px: Option<[f32; 2]>) -> Option<u32> {
    if size.contains(&0) {
        return None;
    }
    let mut size = size;
    let mut count = 0;
    let small_enough = |next: [u32; 2]| {
        room_px.is_some_and(|room| next[0] as f32 >= room[0] && next[1] as f32 >= room[1])
    };
    while size.iter().any(|&side| side > limit) || (size != [1, 1] && small_enough(size.map(half)))
    {
        size = size.map(half);
        count += 1;
    }
    Some(count)
}

/// A picture with an alpha of 255; `None` where its bytes do not fit its size.
fn opaque(picture: &Picture) -> Option<Level> {
    let (width, height) = (picture.width_px, picture.height_px);
    if picture.rgb.len() != width as usize * height as usize * 3 {
        return None;
    }
    let mut bytes = Vec::with_capacity(picture.rgb.len() / 3 * 4);
    for pixel in picture.rgb.chunks_exact(3) {
        bytes.extend_from_slice(pixel);
        bytes.push(u8::MAX);
    }
    Some(Level {
        width,
        height,
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_seen_is_uploaded() {
        assert_eq!(halvings([512, 512], 8192, None), Some(0));
        assert_eq!(halvings([512, 512], 8192, Some([100.0, 100.0])), Some(2));
        assert_eq!(halvings([512, 128], 8192, Some([100.0, 100.0])), Some(0));
        assert_eq!(halvings([20_000, 10], 8192, None), Some(2));
        assert_eq!(halvings([0, 10], 8192, None), None);
        assert_eq!(halvings([1, 1], 8192, Some([0.5, 0.5])), Some(0));
    }
}
