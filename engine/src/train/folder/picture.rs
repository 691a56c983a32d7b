//! One picture file at the size that a model learnt.

use std::path::Path;

use image::ImageReader;
use image::imageops::FilterType;

use crate::picture::{Picture, no_image, read_image};
use crate::{EngineError, Result};

/// Reads a PNG or JPEG, turned as its camera says and on white where it is transparent, scaled to
/// cover `width` × `height` pixels and cut to them about its centre.
///
/// # Errors
/// The file cannot be read or is no such picture.
pub fn read_picture(path: &Path, (width, height): (u32, u32)) -> Result<Picture> {
    Ok(read_image(path)?.covering_with(width, height, FilterType::CatmullRom))
}

/// Width and height in pixels that a PNG or JPEG says it has; its pixels are not looked at.
///
/// # Errors
/// The file cannot be read or is no such picture.
pub fn picture_size_px(path: &Path) -> Result<(u32, u32)> {
    let io = |e| EngineError::io(path, e);
    let reader = ImageReader::open(path).map_err(io)?;
    let reader = reader.with_guessed_format().map_err(io)?;
    reader.into_dimensions().map_err(|e| no_image(path, &e))
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbImage, Rgba, RgbaImage};

    use super::*;

    #[test]
    fn a_picture_of_the_right_size_keeps_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        let image = RgbImage::from_fn(6, 4, |x, y| image::Rgb([x as u8 * 40, y as u8 * 60, 7]));
        image.save(&path).unwrap();
        let read = read_picture(&path, (6, 4)).unwrap();
        assert_eq!((read.width_px, read.height_px), (6, 4));
        assert_eq!(read.rgb, image.into_raw());
    }

    #[test]
    fn other_shapes_are_covered_about_the_centre() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.png");
        // Red, green and blue thirds: the middle square is green.
        let image = RgbImage::from_fn(48, 16, |x, _| {
            let mut rgb = [0; 3];
            rgb[(x / 16) as usize] = 255;
            image::Rgb(rgb)
        });
        image.save(&path).unwrap();
        let read = read_picture(&path, (8, 8)).unwrap();
        let green = |p: &[u8]| p[1] > 200 && p[0] < 60 && p[2] < 60;
        assert!(read.rgb.chunks_exact(3).all(green));
    }

    #[test]
    fn transparency_is_white_and_any_ending_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.jpg");
        let image =
            RgbaImage::from_fn(2, 1, |x, _| Rgba([200, 0, 0, if x == 0 { 0 } else { 255 }]));
        image.save_with_format(&path, ImageFormat::Png).unwrap();
        let read = read_picture(&path, (2, 1)).unwrap();
        assert_eq!(read.rgb, [255, 255, 255, 200, 0, 0]);
    }

    #[test]
    fn what_is_no_picture_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        std::fs::write(&path, "no picture").unwrap();
        let said = read_picture(&path, (2, 2)).unwrap_err().to_string();
        assert!(said.contains("p.png: is not a PNG or JPEG"), "{said}");
        assert!(read_picture(&folder.path().join("q.png"), (2, 2)).is_err());
    }
}
