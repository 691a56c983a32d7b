//! What is shown: pictures, latents, masks.

use std::sync::Arc;

use egui::Color32;
use vernier_engine::picture::{Mask, Picture};
use vernier_engine::render::{LatentRgb, Latents};

/// Names pixels on the GPU. Whoever shows them gives the number: equal numbers must mean equal
/// pixels, so a hash of the content or a counter will do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TextureKey(pub u64);

/// Pixels to be shown. They are uploaded when a frame first draws them, and again should they have
/// been evicted.
#[derive(Clone, Debug)]
pub struct Source {
    /// Their name.
    pub key: TextureKey,
    /// The pixels.
    pub pixels: Pixels,
}

/// Where a source's colours come from.
#[derive(Clone, Debug)]
pub enum Pixels {
    /// 8-bit RGB.
    Picture(Arc<Picture>),
    /// Latents, which the GPU turns into colours.
    Latents(Arc<LatentsPreview>),
}

/// Latents on their way, and how their colours are guessed without the VAE.
#[derive(Clone, Debug, PartialEq)]
pub struct LatentsPreview {
    /// `[channels, h, w]` of 1 to 32 channels.
    pub latents: Latents,
    /// The colours.
    pub rgb: LatentRgb,
    /// Side of the square of picture pixels that one latent stands for, usually 8.
    pub pixels_per_cell: u32,
}

impl Source {
    /// A picture.
    pub fn picture(key: TextureKey, picture: Arc<Picture>) -> Self {
        Self {
            key,
            pixels: Pixels::Picture(picture),
        }
    }

    /// Latents; they are shown at the size of the picture that they will become.
    pub fn latents(key: TextureKey, preview: Arc<LatentsPreview>) -> Self {
        Self {
            key,
            pixels: Pixels::Latents(preview),
        }
    }

    /// Width and height in picture pixels.
    pub fn size_px(&self) -> [u32; 2] {
        match &self.pixels {
            Pixels::Picture(picture) => [picture.width_px, picture.height_px],
            Pixels::Latents(preview) => {
                let [_, height, width] = preview.latents.shape;
                [width, height].map(|cells| cells as u32 * preview.pixels_per_cell)
            }
        }
    }
}

/// A mask drawn over a picture: a fill, and a line one screen pixel wide where coverage is half,
/// between two dark ones, so that it is seen on a picture of its own colour too.
#[derive(Clone, Debug)]
pub struct Overlay {
    /// The mask; it is stretched over the picture whatever its size.
    pub mask: Arc<Mask>,
    /// Its name; masks and pictures may have equal numbers.
    pub key: TextureKey,
    /// Grows with every change of the mask that keeps its name: a mask that is being painted is
    /// uploaded again, and what it was does not stay on the device.
    pub revision: u64,
    /// Colour of fill and line; its alpha scales both.
    pub color: Color32,
    /// The fill's opacity, 0..1; the line is always opaque.
    pub opacity: f32,
}

/// What a picture is compared with. A picture of another size is stretched over the first.
#[derive(Clone, Debug)]
pub enum Compare {
    /// Nothing.
    None,
    /// The picture left of a line, another right of it.
    Wipe {
        /// The picture on the right.
        other: Source,
        /// Where the line is, as a part 0..1 of the picture's width.
        at: f32,
    },
    /// How far the two are apart: the largest difference over the channels, times `gain`, in the
    /// colours of [`heat_color`](super::heat_color).
    Heat {
        /// The other picture.
        other: Source,
        /// 1 shows the full range of differences, 8 makes an eighth of it the hottest.
        gain: f32,
    },
}
