//! Reading PNG files back: notes first, pixels only where asked.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use super::{
    ComfyGraph, ForeignRecipe, GRAPH_KEYWORD, PARAMETERS_KEYWORD, Parameters, Picture,
    RECIPE_KEYWORD,
};
use crate::recipe::{self, Recipe};
use crate::{EngineError, Result};

/// Memory that the text of one PNG may take, in bytes; a foreign file may claim anything.
const MAX_TEXT_BYTES: usize = 16 << 20;

/// Memory that decoding one PNG may take, in bytes.
const MAX_DECODE_BYTES: usize = 512 << 20;

/// What a PNG says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct PngNotes {
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// The JSON of our own chunk.
    pub recipe_json: Option<String>,
    /// What other programs wrote, or we wrote for them.
    pub parameters: Option<Parameters>,
    /// The graph that ComfyUI made it with.
    pub graph: Option<ComfyGraph>,
}

/// Reads size and text of the PNG `path`, without its pixels.
///
/// # Errors
/// The file cannot be read or is not a PNG.
pub fn read_notes(path: &Path) -> Result<PngNotes> {
    notes(open(path)?, path)
}

fn notes(mut reader: png::Reader<impl BufRead + Seek>, path: &Path) -> Result<PngNotes> {
    // Some programs put their text behind the pixels.
    reader.finish().map_err(|e| bad_png(path, &e))?;
    let info = reader.info();
    Ok(PngNotes {
        width_px: info.width,
        height_px: info.height,
        recipe_json: text_under(info, RECIPE_KEYWORD),
        parameters: text_under(info, PARAMETERS_KEYWORD).map(|text| Parameters::parse(&text)),
        graph: text_under(info, GRAPH_KEYWORD).and_then(|text| ComfyGraph::parse(&text)),
    })
}

/// Reads the recipe that the PNG `path` carries.
///
/// # Errors
/// The file is not a PNG, carries no recipe, or one of a newer version.
pub fn read_recipe(path: &Path) -> Result<Recipe> {
    read_notes(path)?.recipe(path)
}

/// The recipe that the PNG file in `bytes` carries. `origin` is named in errors.
///
/// # Errors
/// As [`read_recipe`].
pub fn recipe_in(bytes: &[u8], origin: &Path) -> Result<Recipe> {
    notes(decoder(Cursor::new(bytes), origin)?, origin)?.recipe(origin)
}

impl PngNotes {
    /// What another program says of the picture; the plainer text comes before the graph.
    pub fn foreign(&self) -> Option<ForeignRecipe> {
        let parameters = self.parameters.clone().map(ForeignRecipe::Parameters);
        parameters.or_else(|| self.graph.clone().map(ForeignRecipe::Graph))
    }

    /// The recipe that the file carries. `path` is named in errors.
    ///
    /// # Errors
    /// It carries none, or one of a newer version.
    pub fn recipe(&self, path: &Path) -> Result<Recipe> {
        let Some(json) = &self.recipe_json else {
            let more = if self.foreign().is_some() {
                "; it has only what another program wrote, which `vernier info` shows and the \
                 window takes over"
            } else {
                ""
            };
            return Err(EngineError::bad_file(
                path,
                format!("carries no Vernier recipe{more}"),
            ));
        };
        let mut recipes = recipe::from_json(json, path)?;
        match (recipes.pop(), recipes.is_empty()) {
            (Some(recipe), true) => Ok(recipe),
            _ => Err(EngineError::bad_file(
                path,
                "carries a list of recipes where one belongs",
            )),
        }
    }
}

/// Decodes the pixels of the PNG `path` to 8-bit RGB.
///
/// # Errors
/// The file cannot be read, is not a whole PNG, or is not an RGB picture of 8 bits.
pub fn read_pixels(path: &Path) -> Result<Picture> {
    pixels(open(path)?, path)
}

/// Decodes the pixels of the PNG file in `bytes` to 8-bit RGB. `origin` is named in errors.
///
/// # Errors
/// As [`read_pixels`].
pub fn pixels_in(bytes: &[u8], origin: &Path) -> Result<Picture> {
    pixels(decoder(Cursor::new(bytes), origin)?, origin)
}

fn pixels(mut reader: png::Reader<impl BufRead + Seek>, path: &Path) -> Result<Picture> {
    let info = reader.info();
    let (width_px, height_px) = (info.width, info.height);
    if reader.output_color_type() != (png::ColorType::Rgb, png::BitDepth::Eight) {
        return Err(EngineError::bad_file(
            path,
            "is not an RGB picture of 8 bits a channel, as Vernier writes them",
        ));
    }
    let size = reader
        .output_buffer_size()
        .filter(|size| *size <= MAX_DECODE_BYTES)
        .ok_or_else(|| EngineError::bad_file(path, "is too large to decode"))?;
    let mut rgb = vec![0; size];
    reader.next_frame(&mut rgb).map_err(|e| bad_png(path, &e))?;
    Ok(Picture {
        width_px,
        height_px,
        rgb,
    })
}

fn open(path: &Path) -> Result<png::Reader<BufReader<File>>> {
    let file = File::open(path).map_err(|e| EngineError::io(path, e))?;
    decoder(BufReader::new(file), path)
}

fn decoder<R: BufRead + Seek>(reader: R, path: &Path) -> Result<png::Reader<R>> {
    let limits = png::Limits {
        bytes: MAX_DECODE_BYTES.min(64 << 20),
    };
    png::Decoder::new_with_limits(reader, limits)
        .read_info()
        .map_err(|e| bad_png(path, &e))
}

fn bad_png(path: &Path, error: &png::DecodingError) -> EngineError {
    let problem = match error {
        png::DecodingError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            "is not a whole PNG file; it ends too early".to_owned()
        }
        png::DecodingError::LimitsExceeded => {
            "asks for more memory than a picture needs; it was not read".to_owned()
        }
        error => format!("is not a PNG file that can be read ({error})"),
    };
    EngineError::bad_file(path, problem)
}

/// The first text under `keyword`, in whichever of the three chunk kinds it lies.
fn text_under(info: &png::Info, keyword: &str) -> Option<String> {
    let international = info.utf8_text.iter().find(|c| c.keyword == keyword);
    if let Some(chunk) = international {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(MAX_TEXT_BYTES).ok()?;
        return chunk.get_text().ok();
    }
    let plain = &info.uncompressed_latin1_text;
    if let Some(chunk) = plain.iter().find(|c| c.keyword == keyword) {
        return Some(chunk.text.clone());
    }
    let packed = &info.compressed_latin1_text;
    let mut chunk = packed.iter().find(|c| c.keyword == keyword)?.clone();
    chunk.decompress_text_with_limit(MAX_TEXT_BYTES).ok()?;
    chunk.get_text().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{save, save_numbered};
    use super::*;
    use crate::recipe::tests::{arbitrary, sample};

    fn gradient() -> Picture {
        Picture {
            width_px: 16,
            height_px: 8,
            rgb: (0..16 * 8 * 3).map(|i| (i * 7 % 256) as u8).collect(),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_png_gives_back_its_recipe_and_pixels(recipe in arbitrary()) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("p.png");
            save(&path, &gradient(), &recipe).unwrap();
            prop_assert_eq!(&read_recipe(&path).unwrap(), &recipe);
            prop_assert_eq!(read_pixels(&path).unwrap(), gradient());
            let bytes = super::super::to_png(&gradient(), &recipe).unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), bytes.clone());
            prop_assert_eq!(recipe_in(&bytes, &path).unwrap(), recipe);
            prop_assert_eq!(pixels_in(&bytes, &path).unwrap(), gradient());
        }
    }

    #[test]
    fn other_programs_find_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.png");
        for prompt in ["plain", "größer: 猫"] {
            let mut recipe = sample();
            recipe.prompt = prompt.to_owned();
            save(&path, &gradient(), &recipe).unwrap();
            let notes = read_notes(&path).unwrap();
            assert_eq!((notes.width_px, notes.height_px), (16, 8));
            assert_eq!(notes.parameters.unwrap(), Parameters::of(&recipe));
        }
    }

    #[test]
    fn numbers_go_up_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("0041-9.png"), "mine").unwrap();
        std::fs::write(folder.path().join("20250101-9.png"), "a date").unwrap();
        let first = save_numbered(folder.path(), &gradient(), &sample()).unwrap();
        assert_eq!(first.file_name().unwrap(), "0042-7.png");
        let second = save_numbered(folder.path(), &gradient(), &sample()).unwrap();
        assert_eq!(second.file_name().unwrap(), "0043-7.png");
        let mine = std::fs::read(folder.path().join("0041-9.png")).unwrap();
        assert_eq!(mine, b"mine");
    }

    #[test]
    fn what_carries_no_recipe_gets_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("foreign.png");
        let write = |text: Option<&str>| {
            let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 1, 1);
            encoder.set_color(png::ColorType::Rgb);
            if let Some(text) = text {
                encoder
                    .add_ztxt_chunk("parameters".to_owned(), text.to_owned())
                    .unwrap();
            }
            let mut writer = encoder.write_header().unwrap();
            writer.write_image_data(&[1, 2, 3]).unwrap();
        };
        let said = |path: &Path| read_recipe(path).unwrap_err().to_string();
        write(None);
        assert!(said(&path).ends_with("foreign.png: carries no Vernier recipe"));
        write(Some("a cat\nSteps: 1, Sampler: DDIM, Seed: 2"));
        assert!(said(&path).contains("another program"), "{}", said(&path));
        let notes = read_notes(&path).unwrap();
        assert_eq!(notes.parameters.unwrap().prompt, "a cat");

        std::fs::write(&path, "not a picture").unwrap();
        assert!(said(&path).contains("not a PNG"), "{}", said(&path));
        save(&path, &gradient(), &sample()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 30]).unwrap();
        assert!(read_pixels(&path).is_err());
    }

    #[test]
    fn a_text_bomb_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.png");
        let mut encoder = png::Encoder::new(File::create(&path).unwrap(), 1, 1);
        encoder.set_color(png::ColorType::Rgb);
        encoder
            .add_ztxt_chunk("vernier".to_owned(), " ".repeat(MAX_TEXT_BYTES + 1))
            .unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[1, 2, 3]).unwrap();
        drop(writer);
        assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20);
        assert!(read_recipe(&path).is_err());
    }

    #[test]
    fn a_picture_of_comfyui_tells_its_graph() {
        let graph = r#"{"1": {"class_type": "KSampler", "inputs": {"seed": 3,
            "latent_image": ["2", 0], "positive": ["4", 0]}}}"#;
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
        let text = graph.to_owned();
        encoder.add_text_chunk("prompt".to_owned(), text).unwrap();
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&[0]).unwrap();
        writer.finish().unwrap();
        let path = Path::new("comfy.png");
        let notes = notes(decoder(Cursor::new(&bytes), path).unwrap(), path).unwrap();
        let (recipe, _) = notes.foreign().unwrap().over(&sample());
        assert_eq!(recipe.seed, 3);
        let refused = notes.recipe(path).unwrap_err().to_string();
        assert!(refused.contains("another program"), "{refused}");
    }
}
