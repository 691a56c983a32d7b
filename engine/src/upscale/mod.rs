//! Making pictures larger: by a network, or by interpolation.

mod library;
mod tiles;

use std::path::Path;

use image::imageops::FilterType;
use tch::Device;

pub use library::UpscalerLibrary;

use crate::adapters::file_hash;
use crate::measure::picture_tensor;
use crate::models::upscaler::UpscalerNet;
use crate::picture::{Picture, PixelRect};
use crate::render::{Flow, to_picture};
use crate::{EngineError, Result};

/// Asked before each tile, with how many are done and how many there are.
pub type OnTile<'a> = dyn FnMut(usize, usize) -> Flow + 'a;

/// A loaded upscaler.
#[derive(Debug)]
pub struct Upscaler {
    net: UpscalerNet,
    hash: String,
    device: Device,
}

impl Upscaler {
    /// Loads the file `path`.
    ///
    /// # Errors
    /// See [`UpscalerNet::open`].
    pub fn open(path: &Path, device: Device) -> Result<Self> {
        Ok(Self {
            net: UpscalerNet::open(path, device)?,
            hash: file_hash(path)?,
            device,
        })
    }

    /// How many times wider and higher it makes a picture by itself.
    pub fn factor(&self) -> u32 {
        self.net.factor()
    }

    /// SHA-256 of its file in hex.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// `picture` as large as the network makes it, tile by tile.
    ///
    /// # Errors
    /// Memory runs out, or `on_tile` cancelled ([`EngineError::Cancelled`]).
    pub fn enlarge(&self, picture: &Picture, on_tile: &mut OnTile<'_>) -> Result<Picture> {
        let _guard = tch::no_grad_guard();
        let pixels = picture_tensor(&[picture])?.f_to_device(self.device)?;
        let pixels = pixels.f_mul_scalar(0.5)?.f_add_scalar(0.5)?;
        let factor = i64::from(self.factor());
        let enlarged = tiles::run(&pixels, factor, |tile, (done, all)| {
            match on_tile(done, all) {
                Flow::Continue => self.net.forward(tile),
                Flow::Cancel => Err(EngineError::Cancelled),
            }
        })?;
        to_picture(&enlarged.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?)
    }
}

/// `picture` at `width_px` × `height_px`: enlarged by `upscaler` until it is no smaller, then
/// scaled (Lanczos) to that size; by interpolation alone where there is none.
///
/// # Errors
/// As [`Upscaler::enlarge`].
pub fn enlarged(
    picture: &Picture,
    (width_px, height_px): (u32, u32),
    upscaler: Option<&Upscaler>,
    on_tile: &mut OnTile<'_>,
) -> Result<Picture> {
    let mut now = picture.clone();
    if let Some(upscaler) = upscaler.filter(|upscaler| upscaler.factor() > 1) {
        while now.width_px < width_px || now.height_px < height_px {
            now = upscaler.enlarge(&now, on_tile)?;
        }
    } else if let Some(upscaler) = upscaler {
        now = upscaler.enlarge(&now, on_tile)?;
    }
    let whole = PixelRect {
        x_px: 0,
        y_px: 0,
        width_px: now.width_px,
        height_px: now.height_px,
    };
    Ok(now.part(whole, (width_px, height_px), FilterType::Lanczos3))
}
