//! Many pictures on one.

use std::io::{Cursor, Write as _};
use std::path::Path;

use image::{ImageFormat, RgbImage};

use super::Picture;
use crate::atomic::{self, Existing};
use crate::{EngineError, Result};

/// Writes pictures of one size to `path` as one PNG, `columns` to a row; it carries no recipe.
///
/// # Errors
/// There is no picture, one is damaged or of another size, or the folder cannot be written.
pub fn save_sheet(path: &Path, pictures: &[Picture], columns: u32) -> Result<()> {
    let Some(first) = pictures.first() else {
        return Err(EngineError::bad_file(path, "would hold no pictures"));
    };
    let (width, height) = (first.width_px, first.height_px);
    let rows = (pictures.len() as u32).div_ceil(columns);
    let mut sheet = RgbImage::new(columns * width, rows * height);
    for (at, picture) in (0_u32..).zip(pictures) {
        let tile = RgbImage::from_raw(picture.width_px, picture.height_px, picture.rgb.clone())
            .filter(|tile| tile.dimensions() == (width, height))
            .ok_or_else(|| EngineError::bad_file(path, "got pictures of several sizes"))?;
        let (x, y) = (at % columns * width, at / columns * height);
        image::imageops::replace(&mut sheet, &tile, x.into(), y.into());
    }
    let mut png = Cursor::new(Vec::new());
    sheet
        .write_to(&mut png, ImageFormat::Png)
        .map_err(|e| EngineError::bad_file(path, format!("cannot be written as PNG: {e}")))?;
    atomic::write(path, Existing::Replace, |file| {
        file.write_all(png.get_ref())
            .map_err(|e| EngineError::io(path, e))
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Picture, save_sheet};

    fn plain(level: u8) -> Picture {
        Picture {
            width_px: 4,
            height_px: 2,
            rgb: vec![level; 4 * 2 * 3],
        }
    }

    #[test]
    fn pictures_lie_in_rows_from_the_top_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        save_sheet(&path, &[plain(10), plain(20), plain(30)], 2).unwrap();
        let sheet = image::open(&path).unwrap().into_rgb8();
        assert_eq!(sheet.dimensions(), (8, 4));
        let level = |x, y| sheet.get_pixel(x, y).0[0];
        assert_eq!(
            [level(0, 0), level(4, 0), level(3, 3), level(4, 3)],
            [10, 20, 30, 0]
        );
    }

    #[test]
    fn no_pictures_and_pictures_of_two_sizes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sheet.png");
        assert!(save_sheet(&path, &[], 2).is_err());
        let other = Picture {
            width_px: 2,
            height_px: 4,
            ..plain(0)
        };
        let error = save_sheet(&path, &[plain(0), other], 2).unwrap_err();
        assert!(error.to_string().contains("several sizes"), "{error}");
        assert!(!path.exists());
    }
}
