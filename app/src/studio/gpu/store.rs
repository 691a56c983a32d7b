//! Textures that are kept while there is room for them.

use std::collections::HashMap;

use eframe::egui_wgpu::wgpu;

use super::TextureKey;
use super::mips::Level;

/// What the store may hold before it lets go of what was drawn longest ago.
pub(super) const DEFAULT_BUDGET: u64 = 256 << 20;

/// What a texture was made of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Kind {
    /// A picture or latents, halved so many times.
    Halved(u32),
    /// A mask.
    Mask,
}

/// A texture, ready to be drawn. Clones name the same one, which lives as long as one of them.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) view: wgpu::TextureView,
    /// The texture as both that the canvas looks at.
    pub(super) bound: wgpu::BindGroup,
    /// Width and height of its largest level.
    pub(super) size: [u32; 2],
    pub(super) bytes: u64,
}

impl Shown {
    /// Whether it has more than one texel a screen pixel where it is drawn over `extent` of them.
    pub(super) fn is_minified(&self, extent: [f32; 2]) -> bool {
        let more = |axis: usize| self.size[axis] as f32 > extent[axis] * 1.0001;
        more(0) || more(1)
    }
}

struct Entry {
    shown: Shown,
    /// The store's clock when it was last asked for.
    used: u64,
}

/// How much the store holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreUse {
    /// Textures held.
    pub textures: usize,
    /// Their bytes, mip levels included.
    pub bytes: u64,
    /// Uploads since the start.
    pub uploads: u64,
}

pub(super) struct Store {
    entries: HashMap<(Kind, TextureKey), Entry>,
    budget: u64,
    clock: u64,
    held: StoreUse,
}

impl Store {
    pub(super) fn new(budget: u64) -> Self {
        Self {
            entries: HashMap::new(),
            budget,
            clock: 0,
            held: StoreUse::default(),
        }
    }

    pub(super) fn held(&self) -> StoreUse {
        self.held
    }

    pub(super) fn set_budget(&mut self, bytes: u64) {
        self.budget = bytes;
        self.evict();
    }

    pub(super) fn find(&mut self, kind: Kind, key: TextureKey) -> Option<Shown> {
        let entry = self.entries.get_mut(&(kind, key))?;
        self.clock += 1;
        entry.used = self.clock;
        Some(entry.shown.clone())
    }

    /// Keeps a texture and makes room for it. What a frame has already asked for stays alive until
    /// the frame is drawn, kept here or not.
    pub(super) fn keep(&mut self, kind: Kind, key: TextureKey, shown: Shown) {
        self.clock += 1;
        self.held.uploads += 1;
        self.held.bytes += shown.bytes;
        let used = self.clock;
        if let Some(old) = self.entries.insert((kind, key), Entry { shown, used }) {
            self.held.bytes -= old.shown.bytes;
        }
        self.evict();
    }

    /// Lets go of the longest unused until the rest fits; the newest stays whatever its size.
    fn evict(&mut self) {
        while self.held.bytes > self.budget && self.entries.len() > 1 {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(slot) = oldest.map(|(slot, _)| *slot) else {
                break;
            };
            if let Some(gone) = self.entries.remove(&slot) {
                self.held.bytes -= gone.shown.bytes;
            }
        }
        self.held.textures = self.entries.len();
    }
}

/// Makes a texture of a level and the smaller ones after it; gives its bytes, too.
pub(super) fn upload(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    levels: &[Level],
    format: wgpu::TextureFormat,
) -> Option<(wgpu::Texture, u64)> {
    let base = levels.first()?;
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: extent(base.width, base.height, 1),
        mip_level_count: levels.len() as u32,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let mut bytes = 0;
    for (mip_level, level) in levels.iter().enumerate() {
        queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                texture: &texture,
                mip_level: mip_level as u32,
                origin: wgpu::Origin3d::ZERO,
                aspect: wgpu::TextureAspect::All,
            },
            &level.bytes,
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some((level.bytes.len() / level.height as usize) as u32),
                rows_per_image: None,
            },
            extent(level.width, level.height, 1),
        );
        bytes += level.bytes.len() as u64;
    }
    Some((texture, bytes))
}

pub(super) fn extent(width: u32, height: u32, layers: u32) -> wgpu::Extent3d {
    wgpu::Extent3d {
        width,
        height,
        depth_or_array_layers: layers,
    }
}
