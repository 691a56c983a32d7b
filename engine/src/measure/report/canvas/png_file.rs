//! A picture without a recipe as a file.

use std::io::Write as _;
use std::path::Path;

use crate::atomic::{self, Existing};
use crate::picture::Picture;
use crate::{EngineError, Result};

/// Writes a picture without a recipe as PNG, whole or not at all.
///
/// # Errors
/// The folder cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<()> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width_px, picture.height_px);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let bad =
        |e: png::EncodingError| EngineError::bad_file(path, format!("cannot be written: {e}"));
    let mut writer = encoder.write_header().map_err(bad)?;
    writer.write_image_data(&picture.rgb).map_err(bad)?;
    writer.finish().map_err(bad)?;
    atomic::write(path, Existing::Replace, |file| {
        file.write_all(&bytes).map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}
