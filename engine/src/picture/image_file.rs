//! Pictures of any program: PNG and JPEG, however they store their pixels.

use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, RgbImage, Rgba};

use super::Picture;
use crate::{EngineError, Result};

/// Reads a PNG or JPEG of any colour type, turned as its camera says and on white where it is
/// transparent.
///
/// # Errors
/// The file cannot be read or is no such picture.
pub fn read_image(path: &Path) -> Result<Picture> {
    let io = |e| EngineError::io(path, e);
    let bad = |e: image::ImageError| {
        EngineError::bad_file(path, format!("is not a PNG or JPEG that can be read ({e})"))
    };
    let reader = ImageReader::open(path).map_err(io)?;
    let reader = reader.with_guessed_format().map_err(io)?;
    let mut decoder = reader.into_decoder().map_err(bad)?;
    // A picture whose camera says nothing stands upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(bad)?;
    image.apply_orientation(orientation);
    Ok(Picture::from_image(on_white(image)))
}

impl Picture {
    /// Scaled to cover `width_px` × `height_px` with Lanczos's filter and cut to them about its
    /// centre; itself where it has that size.
    #[must_use]
    pub fn covering(&self, width_px: u32, height_px: u32) -> Self {
        self.covering_with(width_px, height_px, FilterType::Lanczos3)
    }

    pub(crate) fn covering_with(&self, width_px: u32, height_px: u32, filter: FilterType) -> Self {
        let image = RgbImage::from_raw(self.width_px, self.height_px, self.rgb.clone());
        match image {
            Some(image) if image.dimensions() != (width_px, height_px) => Self::from_image(
                DynamicImage::from(image)
                    .resize_to_fill(width_px, height_px, filter)
                    .into_rgb8(),
            ),
            _ => self.clone(),
        }
    }

    fn from_image(image: RgbImage) -> Self {
        Self {
            width_px: image.width(),
            height_px: image.height(),
            rgb: image.into_raw(),
        }
    }
}

fn on_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let rgba = image.into_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let Rgba([r, g, b, alpha]) = *rgba.get_pixel(x, y);
        let alpha = u32::from(alpha);
        let blend = |c: u8| ((u32::from(c) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        image::Rgb([r, g, b].map(blend))
    })
}
