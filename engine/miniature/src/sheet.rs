//! Pictures of prompts, and sheets of them.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, RgbImage};
use serde_json::Map;
use vernier_engine::picture::Picture;
use vernier_engine::recipe::{ModelRef, RECIPE_VERSION, Recipe};
use vernier_engine::render::{Flow, Renderer};
use vernier_engine::{EngineError, Result};

use crate::config::PICTURE_PX;
use crate::export::write_file;

/// How pictures of prompts are sampled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// Sampling steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f64,
}

impl Sampling {
    /// The picture of `prompt` with the noise of `seed`, by DDIM; `stop` is asked at each step.
    ///
    /// # Errors
    /// The picture cannot be rendered, or `stop` said so.
    pub fn render(
        self,
        renderer: &mut Renderer,
        prompt: &str,
        seed: u64,
        stop: impl Fn() -> bool,
    ) -> Result<Picture> {
        let recipe = Recipe {
            version: RECIPE_VERSION,
            model: ModelRef::embedded(),
            prompt: prompt.to_owned(),
            negative_prompt: String::new(),
            seed,
            width_px: PICTURE_PX as u32,
            height_px: PICTURE_PX as u32,
            steps: self.steps,
            guidance_scale: self.guidance,
            sampler: "ddim".to_owned(),
            dtype: "f32".to_owned(),
            controls: Vec::new(),
            unknown: Map::new(),
        };
        let rendered = renderer.render(&recipe, &mut |_| {
            if stop() { Flow::Cancel } else { Flow::Continue }
        })?;
        Ok(rendered.picture)
    }
}

/// Writes pictures of one size to `path` as a PNG, `columns` to a row.
///
/// # Errors
/// A picture is damaged or of another size, or the folder cannot be written.
pub fn write(path: &Path, pictures: &[Picture], columns: u32) -> Result<()> {
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
    let folder = path.parent().unwrap_or(Path::new(""));
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        return Err(EngineError::bad_file(path, "is not the name of a file"));
    };
    write_file(folder, name, png.get_ref())
}

#[cfg(test)]
mod tests {
    use vernier_engine::picture::Picture;

    use super::write;

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
        write(&path, &[plain(10), plain(20), plain(30)], 2).unwrap();
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
        assert!(write(&path, &[], 2).is_err());
        let other = Picture {
            width_px: 2,
            height_px: 4,
            ..plain(0)
        };
        let error = write(&path, &[plain(0), other], 2).unwrap_err();
        assert!(error.to_string().contains("several sizes"), "{error}");
        assert!(!path.exists());
    }
}
