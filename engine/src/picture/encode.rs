//! Writing PNG files, whole or not at all.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{PARAMETERS_KEYWORD, Parameters, Picture, RECIPE_KEYWORD};
use crate::atomic::{self, Existing};
use crate::recipe::Recipe;
use crate::{EngineError, Result};

/// Writes `picture` to `path` with its recipe inside, replacing a file that is there.
///
/// # Errors
/// The folder cannot be written; no half-written file stays behind.
pub fn save(path: &Path, picture: &Picture, recipe: &Recipe) -> Result<()> {
    write(path, Existing::Replace, picture, recipe)?;
    Ok(())
}

/// Writes `picture` as `NNNN-seed.png` into `folder` under the first free number.
///
/// Gives the path. An existing file is never touched, even when two programs write
/// into the folder at once.
///
/// # Errors
/// The folder cannot be written; no half-written file stays behind.
pub fn save_numbered(folder: &Path, picture: &Picture, recipe: &Recipe) -> Result<PathBuf> {
    let mut number = next_number(folder)?;
    loop {
        let path = folder.join(format!("{number:04}-{}.png", recipe.seed));
        if write(&path, Existing::Keep, picture, recipe)? {
            return Ok(path);
        }
        number += 1;
    }
}

/// `picture` as the bytes of a PNG file with its recipe inside, as [`save`] writes them.
///
/// # Errors
/// The picture's pixels are not as many as its size says.
pub fn to_png(picture: &Picture, recipe: &Recipe) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(&mut bytes, picture, recipe, Path::new("picture"))?;
    Ok(bytes)
}

/// `picture` as the bytes of a PNG file with nothing beside its pixels; a grey one, such as a mask,
/// has one channel.
///
/// # Errors
/// The picture's pixels are not as many as its size says.
pub fn to_plain_png(picture: &Picture) -> Result<Vec<u8>> {
    let bad = |e: png::EncodingError| {
        EngineError::request("picture", format!("cannot be written as PNG: {e}"))
    };
    let pixels = picture.rgb.chunks_exact(3);
    let is_grey = pixels.clone().all(|p| p[0] == p[1] && p[1] == p[2]);
    let grey: Vec<u8>;
    let (color, data) = if is_grey {
        grey = pixels.map(|p| p[0]).collect();
        (png::ColorType::Grayscale, &grey)
    } else {
        (png::ColorType::Rgb, &picture.rgb)
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, picture.width_px, picture.height_px);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header().map_err(bad)?;
    writer.write_image_data(data).map_err(bad)?;
    writer.finish().map_err(bad)?;
    Ok(bytes)
}

/// One more than the highest `NNNN-` among the names in `folder`.
fn next_number(folder: &Path) -> Result<u32> {
    let entries = std::fs::read_dir(folder).map_err(|e| EngineError::io(folder, e))?;
    let highest = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let (number, _) = name.to_str()?.split_once('-')?;
            // Long digit strings are dates, not our numbers.
            (4..=6)
                .contains(&number.len())
                .then(|| number.parse::<u32>().ok())?
        })
        .max();
    Ok(highest.map_or(1, |number| number + 1))
}

fn write(path: &Path, existing: Existing, picture: &Picture, recipe: &Recipe) -> Result<bool> {
    atomic::write(path, existing, |file| encode(file, picture, recipe, path))
}

fn encode(file: impl Write, picture: &Picture, recipe: &Recipe, path: &Path) -> Result<()> {
    let parameters = Parameters::of(recipe).to_text();
    let json = serde_json::to_string(recipe)
        .map_err(|e| EngineError::bad_file(path, format!("cannot hold the recipe: {e}")))?;
    encode_png(file, picture, &parameters, json).map_err(|e| match e {
        png::EncodingError::IoError(e) => EngineError::io(path, e),
        e => EngineError::bad_file(path, format!("cannot be written as PNG: {e}")),
    })
}

fn encode_png(
    file: impl Write,
    picture: &Picture,
    parameters: &str,
    json: String,
) -> Result<(), png::EncodingError> {
    let mut encoder = png::Encoder::new(file, picture.width_px, picture.height_px);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    // tEXt holds Latin-1 only; readers of `parameters` know both chunks. NUL ends neither.
    let parameters = parameters.replace('\0', " ");
    if parameters.chars().all(|c| u32::from(c) < 256) {
        encoder.add_text_chunk(PARAMETERS_KEYWORD.to_owned(), parameters)?;
    } else {
        encoder.add_itxt_chunk(PARAMETERS_KEYWORD.to_owned(), parameters)?;
    }
    encoder.add_itxt_chunk(RECIPE_KEYWORD.to_owned(), json)?;
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.rgb)?;
    writer.finish()
}
