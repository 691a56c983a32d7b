//! Pictures of any program: PNG and JPEG, however they store their pixels.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageReader, RgbImage, Rgba};

use super::{Picture, PixelRect};
use crate::{EngineError, Result};

/// Reads a PNG or JPEG of any colour type, turned as its camera says and on white where it is
/// transparent.
///
/// # Errors
/// The file cannot be read or is no such picture.
pub fn read_image(path: &Path) -> Result<Picture> {
    let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
    decoded(BufReader::new(file), path)
}

/// The picture of the PNG or JPEG file in `bytes`, as [`read_image`] reads it. `origin` is named in
/// errors.
///
/// # Errors
/// It is no such picture.
pub fn image_in(bytes: &[u8], origin: &Path) -> Result<Picture> {
    decoded(Cursor::new(bytes), origin)
}

fn decoded(reader: impl BufRead + Seek, path: &Path) -> Result<Picture> {
    let bad = |e: image::ImageError| no_image(path, &e);
    let reader = ImageReader::new(reader);
    let reader = reader.with_guessed_format();
    let reader = reader.map_err(|e| EngineError::io(path, e))?;
    let mut decoder = reader.into_decoder().map_err(bad)?;
    // A picture whose camera says nothing stands upright.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(bad)?;
    image.apply_orientation(orientation);
    Ok(Picture::from_image(on_white(image)))
}

/// The file `path` is none that [`read_image`] can read.
pub(crate) fn no_image(path: &Path, error: &image::ImageError) -> EngineError {
    let problem = format!(
        "is not a PNG or JPEG that can be read ({error}); save it again as PNG in another program"
    );
    EngineError::bad_file(path, problem)
}

impl Picture {
    /// Scaled to cover `width_px` × `height_px` with Lanczos's filter and cut to them about its
    /// centre; itself where it has that size.
    #[must_use]
    pub fn covering(&self, width_px: u32, height_px: u32) -> Self {
        self.covering_with(width_px, height_px, FilterType::Lanczos3)
    }

    pub(crate) fn covering_with(&self, width_px: u32, height_px: u32, filter: FilterType) -> Self {
        match self.image() {
            Some(image) if image.dimensions() != (width_px, height_px) => Self::from_image(
                DynamicImage::from(image)
                    .resize_to_fill(width_px, height_px, filter)
                    .into_rgb8(),
            ),
            _ => self.clone(),
        }
    }

    /// `part` of it, scaled to `width` × `height` pixels; itself where its bytes are not as many as
    /// its size says.
    pub(crate) fn part(
        &self,
        part: PixelRect,
        (width, height): (u32, u32),
        filter: FilterType,
    ) -> Self {
        let Some(image) = self.image() else {
            return self.clone();
        };
        let PixelRect {
            x_px,
            y_px,
            width_px,
            height_px,
        } = part;
        let part = imageops::crop_imm(&image, x_px, y_px, width_px, height_px).to_image();
        if part.dimensions() == (width, height) {
            return Self::from_image(part);
        }
        Self::from_image(imageops::resize(&part, width, height, filter))
    }

    /// Itself with `picture`, scaled to fit, in the place of `part`.
    pub(crate) fn with_part(&self, picture: &Self, part: PixelRect) -> Self {
        let whole = PixelRect {
            x_px: 0,
            y_px: 0,
            width_px: picture.width_px,
            height_px: picture.height_px,
        };
        let size = (part.width_px, part.height_px);
        let scaled = picture.part(whole, size, FilterType::Lanczos3).image();
        let (Some(mut image), Some(scaled)) = (self.image(), scaled) else {
            return self.clone();
        };
        imageops::replace(&mut image, &scaled, part.x_px.into(), part.y_px.into());
        Self::from_image(image)
    }

    /// `None` where it has another number of bytes than its size says.
    pub(super) fn image(&self) -> Option<RgbImage> {
        RgbImage::from_raw(self.width_px, self.height_px, self.rgb.clone())
    }

    pub(super) fn from_image(image: RgbImage) -> Self {
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
