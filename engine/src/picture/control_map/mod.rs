//! What a ControlNet sees of a picture.

mod canny;

use image::imageops::{self, FilterType};

use super::{Mask, Picture};
use crate::recipe::Preprocessor;

/// From here on a pixel of a mask is a hole, as diffusers binarises masks at 0.5.
const HOLE_FROM: u8 = 128;
/// Standard deviation of the blur in parts of the longer side.
const BLUR: f32 = 1.0 / 80.0;
/// How many times smaller [`Preprocessor::Tile`] makes a picture.
const TILE: u32 = 8;

/// A map for a ControlNet, at the size of the picture to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlMap {
    /// What there is to see; black in holes.
    pub picture: Picture,
    /// Where nothing is known, row by row: the ControlNet is told -1 there instead of 0..1. Only
    /// [`Preprocessor::Inpaint`] makes any.
    pub holes: Option<Vec<bool>>,
}

impl ControlMap {
    /// What `preprocessor` makes of `picture`, with holes where `mask`, which has its size, is
    /// white; without a mask there are none.
    pub fn of(picture: &Picture, preprocessor: Preprocessor, mask: Option<&Mask>) -> Self {
        let plain = |picture: Picture| Self {
            picture,
            holes: None,
        };
        match preprocessor {
            Preprocessor::None => plain(picture.clone()),
            Preprocessor::Canny => plain(canny::edges(picture)),
            Preprocessor::Invert => {
                let mut inverted = picture.clone();
                inverted.rgb.iter_mut().for_each(|c| *c = 255 - *c);
                plain(inverted)
            }
            Preprocessor::Blur => plain(blurred(picture)),
            Preprocessor::Tile => plain(tiled(picture)),
            Preprocessor::Inpaint => with_holes(picture, mask),
        }
    }
}

fn blurred(picture: &Picture) -> Picture {
    let longer = picture.width_px.max(picture.height_px) as f32;
    let image = picture.image();
    image.map_or_else(
        || picture.clone(),
        |image| Picture::from_image(imageops::blur(&image, (longer * BLUR).max(0.5))),
    )
}

fn tiled(picture: &Picture) -> Picture {
    let Some(image) = picture.image() else {
        return picture.clone();
    };
    let (width, height) = image.dimensions();
    let small = |side: u32| (side / TILE).max(1);
    let small = imageops::resize(&image, small(width), small(height), FilterType::Triangle);
    let large = imageops::resize(&small, width, height, FilterType::CatmullRom);
    Picture::from_image(large)
}

fn with_holes(picture: &Picture, mask: Option<&Mask>) -> ControlMap {
    let mut picture = picture.clone();
    let Some(mask) = mask else {
        return ControlMap {
            picture,
            holes: None,
        };
    };
    let holes: Vec<bool> = mask.coverage().iter().map(|&c| c >= HOLE_FROM).collect();
    for (pixel, _) in picture
        .rgb
        .chunks_exact_mut(3)
        .zip(&holes)
        .filter(|(_, h)| **h)
    {
        pixel.fill(0);
    }
    ControlMap {
        picture,
        holes: Some(holes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Picture {
        Picture {
            width_px: 32,
            height_px: 16,
            rgb: (0..32 * 16 * 3).map(|i| (i * 89 % 256) as u8).collect(),
        }
    }

    fn made(preprocessor: Preprocessor) -> Picture {
        ControlMap::of(&picture(), preprocessor, None).picture
    }

    #[test]
    fn every_preprocessor_keeps_the_size_and_does_its_own() {
        for preprocessor in Preprocessor::ALL {
            let map = made(preprocessor);
            assert_eq!((map.width_px, map.height_px), (32, 16), "{preprocessor}");
            assert_eq!(map.rgb.len(), 32 * 16 * 3);
            let is_plain = [Preprocessor::None, Preprocessor::Inpaint].contains(&preprocessor);
            assert_eq!(map == picture(), is_plain, "{preprocessor}");
        }
        let inverted = ControlMap::of(&made(Preprocessor::Invert), Preprocessor::Invert, None);
        assert_eq!(inverted.picture, picture());
        // What is smoothed differs less from one pixel to the next.
        let rough = |p: &Picture| -> u32 {
            let rows = p.rgb.windows(4);
            rows.map(|w| u32::from(w[0].abs_diff(w[3]))).sum()
        };
        assert!(rough(&made(Preprocessor::Blur)) < rough(&picture()));
        assert!(2 * rough(&made(Preprocessor::Tile)) < rough(&picture()));
    }

    #[test]
    fn holes_are_where_the_mask_is_white() {
        let coverage = (0..32 * 16)
            .map(|i| if i < 64 { 200 } else { 90 })
            .collect();
        let mask = Mask::from_coverage(32, 16, coverage).unwrap();
        let map = ControlMap::of(&picture(), Preprocessor::Inpaint, Some(&mask));
        let holes = map.holes.unwrap();
        assert!(holes[..64].iter().all(|h| *h) && !holes[64..].iter().any(|h| *h));
        assert!(map.picture.rgb[..192].iter().all(|c| *c == 0));
        assert_eq!(map.picture.rgb[192..], picture().rgb[192..]);
    }
}
