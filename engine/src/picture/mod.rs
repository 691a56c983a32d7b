//! Pictures: PNG files that carry their recipe, the pictures that recipes start from, and masks.

mod a1111;
mod comfy;
mod compare;
mod control_map;
mod decode;
mod encode;
mod foreign;
mod image_file;
mod mask;
mod sheet;
mod shelf;

pub use a1111::Parameters;
pub use comfy::ComfyGraph;
pub use compare::{Difference, difference};
pub use control_map::ControlMap;
pub use decode::{PngNotes, pixels_in, read_notes, read_pixels, read_recipe, recipe_in};
pub use encode::{save, save_numbered, to_plain_png, to_png};
pub use foreign::ForeignRecipe;
pub(crate) use image_file::no_image;
pub use image_file::{image_in, read_image};
pub use mask::{Brush, Ink, Mask, PixelRect};
pub use sheet::save_sheet;
pub use shelf::PictureShelf;

use crate::recipe::sha256_hex;

/// Keyword of the iTXt chunk that holds the recipe as JSON.
pub const RECIPE_KEYWORD: &str = "vernier";

/// Keyword of the text chunk that AUTOMATIC1111's web UI and its kin write and read.
pub const PARAMETERS_KEYWORD: &str = "parameters";

/// Keyword of the text chunk in which ComfyUI keeps its prompt graph.
pub const GRAPH_KEYWORD: &str = "prompt";

/// 8-bit RGB pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels.
    pub width_px: u32,
    /// Height in pixels.
    pub height_px: u32,
    /// `height · width · 3` bytes, row by row from the top left.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{})", self.width_px, self.height_px)
    }
}

impl Picture {
    /// SHA-256, in hex, over width and height (little-endian `u32`) and the RGB bytes: what it
    /// shows, whatever file it came from.
    pub fn hash(&self) -> String {
        let mut bytes = Vec::with_capacity(self.rgb.len() + 8);
        bytes.extend(self.width_px.to_le_bytes());
        bytes.extend(self.height_px.to_le_bytes());
        bytes.extend(&self.rgb);
        sha256_hex(&bytes)
    }
}
