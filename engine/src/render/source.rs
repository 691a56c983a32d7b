//! What a picture starts from: the pixels that the encoder sees, the cells that may change, and the
//! way back into the source.

use image::imageops::FilterType;
use tch::{Device, Kind, Tensor};

use crate::picture::{Mask, Picture, PictureShelf, PixelRect};
use crate::recipe::{MaskUse, Recipe};
use crate::{EngineError, Result};

/// From here on a pixel's cell is free to change, as diffusers binarises masks at 0.5.
const FREE_FROM: u8 = 128;

/// The part of the picture that is rendered: all of it, or what is around the mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    width_px: u32,
    height_px: u32,
    part: Option<PixelRect>,
}

/// A recipe's source, read and fitted.
#[derive(Debug)]
pub(super) struct SourcePixels {
    /// The source at the recipe's size.
    whole: Picture,
    /// What may change, its edge softened, at the recipe's size.
    soft: Option<Mask>,
    /// The same with its edge sharp.
    sharp: Option<Mask>,
    pub(super) frame: Frame,
}

impl Frame {
    /// The whole picture of `recipe`.
    pub(super) fn whole(recipe: &Recipe) -> Self {
        Self {
            width_px: recipe.width_px,
            height_px: recipe.height_px,
            part: None,
        }
    }

    /// A mask of the recipe's size, as it lies in this frame.
    pub(super) fn mask(&self, mask: &Mask) -> Mask {
        match self.part {
            None => mask.clone(),
            Some(part) => {
                let size = (self.width_px, self.height_px);
                let seen = mask.to_picture().part(part, size, FilterType::Triangle);
                Mask::from_picture(&seen)
            }
        }
    }

    /// A picture of the recipe's size, as it lies in this frame.
    pub(super) fn picture(&self, picture: &Picture) -> Picture {
        match self.part {
            None => picture.clone(),
            Some(part) => {
                let size = (self.width_px, self.height_px);
                picture.part(part, size, FilterType::Lanczos3)
            }
        }
    }
}

impl SourcePixels {
    /// What `recipe` starts from; `None` where that is noise alone.
    pub(super) fn read(recipe: &Recipe, pictures: &PictureShelf) -> Result<Option<Self>> {
        let Some(source) = &recipe.source else {
            return Ok(None);
        };
        let (width_px, height_px) = (recipe.width_px, recipe.height_px);
        let whole = pictures.get(&source.picture)?;
        let whole = whole.covering(width_px, height_px);
        let mask = source.mask.as_ref();
        let sharp = mask
            .map(|mask| sharp_mask(mask, recipe, pictures))
            .transpose()?;
        let soft = mask.zip(sharp.as_ref());
        let soft = soft.map(|(mask, sharp)| sharp.feathered(mask.feather_px));
        let bounds = soft.as_ref().and_then(Mask::bounds);
        let part = source.only_masked.zip(bounds);
        let part = part.map(|(padding, bounds)| around(bounds, padding, (width_px, height_px)));
        Ok(Some(Self {
            whole,
            soft,
            sharp,
            frame: Frame {
                width_px,
                height_px,
                part,
            },
        }))
    }

    /// What the encoder sees, at the recipe's size.
    pub(super) fn seen(&self) -> Picture {
        self.frame.picture(&self.whole)
    }

    /// Whether there is a mask.
    pub(super) fn is_masked(&self) -> bool {
        self.soft.is_some()
    }

    /// Whether there is a mask, and nothing may change.
    pub(super) fn is_fixed(&self) -> bool {
        self.soft.as_ref().is_some_and(Mask::is_empty)
    }

    /// The mask, its edge sharp, as it lies in the frame; black everywhere without one.
    pub(super) fn sharp_in_frame(&self) -> Mask {
        let (width_px, height_px) = (self.frame.width_px, self.frame.height_px);
        match &self.sharp {
            Some(sharp) => self.frame.mask(sharp),
            None => Mask::filled(width_px, height_px, 0),
        }
    }

    /// 1 where a latent cell may change and 0 elsewhere, `[1, 1, h, w]` in fp32; `None` without a
    /// mask. A cell is free where any of its pixels is: what it changes beside them is put back in
    /// [`Self::finish`].
    pub(super) fn free_cells(
        &self,
        pixels_per_cell: i64,
        device: Device,
    ) -> Result<Option<Tensor>> {
        let Some(sharp) = &self.sharp else {
            return Ok(None);
        };
        let cells = cells_of(&self.frame.mask(sharp), pixels_per_cell, FREE_FROM)?;
        Ok(Some(cells.f_to_device(device)?))
    }

    /// The finished picture: `made` where the mask is white, the source bit for bit where it is
    /// black, and between them in between.
    pub(super) fn finish(&self, made: Picture) -> Picture {
        let made = match self.frame.part {
            None => made,
            Some(part) => self.whole.with_part(&made, part),
        };
        match &self.soft {
            Some(mask) => composite(&self.whole, &made, mask),
            None => made,
        }
    }
}

/// `made` where `mask` is white, `source` bit for bit where it is black, and between them in
/// between. All three are of one size.
pub(super) fn composite(source: &Picture, made: &Picture, mask: &Mask) -> Picture {
    let mut out = source.clone();
    let pixels = out.rgb.chunks_exact_mut(3).zip(made.rgb.chunks_exact(3));
    for (&coverage, (old, new)) in mask.coverage().iter().zip(pixels) {
        for (old, new) in old.iter_mut().zip(new) {
            let (kept, taken) = (255 - u32::from(coverage), u32::from(coverage));
            let sum = u32::from(*old) * kept + u32::from(*new) * taken;
            *old = ((sum + 127) / 255) as u8;
        }
    }
    out
}

/// 1 where any pixel of a latent cell has a coverage of `least` or more, and 0 elsewhere,
/// `[1, 1, h, w]` in fp32 on the CPU.
pub(super) fn cells_of(mask: &Mask, pixels_per_cell: i64, least: u8) -> Result<Tensor> {
    let free: Vec<f32> = mask
        .coverage()
        .iter()
        .map(|&c| f32::from(u8::from(c >= least)))
        .collect();
    let (height, width) = (i64::from(mask.height_px()), i64::from(mask.width_px()));
    let pixels = Tensor::f_from_slice(&free)?.f_view([1, 1, height, width])?;
    let side = [pixels_per_cell, pixels_per_cell];
    Ok(pixels.f_max_pool2d(side, side, [0, 0], [1, 1], false)?)
}

/// The mask at the recipe's size, before its edge is softened.
fn sharp_mask(mask: &MaskUse, recipe: &Recipe, pictures: &PictureShelf) -> Result<Mask> {
    let picture = pictures.get(&mask.picture)?;
    // A filter that overshoots would leave traces far from the mask.
    let fitted = picture.covering_with(recipe.width_px, recipe.height_px, FilterType::Triangle);
    let fitted = Mask::from_picture(&fitted);
    Ok(if mask.inverted {
        fitted.inverted()
    } else {
        fitted
    })
}

/// The mask at the recipe's size, softened.
pub(super) fn soft_mask(mask: &MaskUse, recipe: &Recipe, pictures: &PictureShelf) -> Result<Mask> {
    Ok(sharp_mask(mask, recipe, pictures)?.feathered(mask.feather_px))
}

/// The smallest rectangle of the picture's own shape that holds `bounds` with `padding` pixels
/// around it, as far as the picture goes.
fn around(bounds: PixelRect, padding: u32, (width, height): (u32, u32)) -> PixelRect {
    let side = |at: u32, length: u32, all: u32| {
        let start = at.saturating_sub(padding);
        let end = at.saturating_add(length).saturating_add(padding).min(all);
        (start, end - start)
    };
    let (x, w) = side(bounds.x_px, bounds.width_px, width);
    let (y, h) = side(bounds.y_px, bounds.height_px, height);
    let scaled =
        |a: u32, b: u32, c: u32| (u64::from(a) * u64::from(b)).div_ceil(u64::from(c).max(1)) as u32;
    let wide = w.max(scaled(h, width, height)).min(width);
    let high = h.max(scaled(w, height, width)).min(height);
    // About the same centre, pushed back into the picture.
    let placed = |at: u32, old: u32, new: u32, all: u32| {
        let start = (at + old / 2).saturating_sub(new / 2);
        start.min(all - new)
    };
    PixelRect {
        x_px: placed(x, w, wide, width),
        y_px: placed(y, h, high, height),
        width_px: wide,
        height_px: high,
    }
}

/// The error for latents that the U-Net and the encoder disagree about.
pub(super) fn check_channels(encoder: i64, unet: i64) -> Result<()> {
    if encoder == unet {
        return Ok(());
    }
    Err(EngineError::request(
        "source",
        format!(
            "this model's U-Net takes {unet} channels and its encoder gives {encoder}, so it \
             cannot start from a picture"
        ),
    ))
}

/// A mask's coverage as a tensor `[1, 1, h, w]`, 0..1 in fp32.
pub(super) fn coverage_tensor(mask: &Mask) -> Result<Tensor> {
    let size = [
        1,
        1,
        i64::from(mask.height_px()),
        i64::from(mask.width_px()),
    ];
    Ok(Tensor::f_from_slice(mask.coverage())?
        .f_to_kind(Kind::Float)?
        .f_div_scalar(255.0)?
        .f_view(size)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recipe::Source;
    use crate::recipe::tests::sample;

    fn grey(mask: &[u8], width_px: u32) -> Picture {
        Picture {
            width_px,
            height_px: mask.len() as u32 / width_px,
            rgb: mask.iter().flat_map(|&m| [m; 3]).collect(),
        }
    }

    /// 64 x 64 with the recipe's source, and a mask that is white in a square.
    fn pixels(square: std::ops::Range<u32>, feather_px: f64, only: Option<u32>) -> SourcePixels {
        let shelf = PictureShelf::default();
        let noise: Vec<u8> = (0..64 * 64).map(|i| (i * 37 % 251) as u8).collect();
        let mask: Vec<u8> = (0..64 * 64)
            .map(|i| 255 * u8::from(square.contains(&(i % 64)) && square.contains(&(i / 64))))
            .collect();
        let mut recipe = sample();
        (recipe.width_px, recipe.height_px) = (64, 64);
        let mut source = Source::new(shelf.insert(grey(&noise, 64)), 0.5);
        let mut mask = MaskUse::new(shelf.insert(grey(&mask, 64)));
        mask.feather_px = feather_px;
        source.mask = Some(mask);
        source.only_masked = only;
        recipe.source = Some(source);
        SourcePixels::read(&recipe, &shelf).unwrap().unwrap()
    }

    #[test]
    fn a_cell_is_free_where_any_of_its_pixels_is() {
        let free = pixels(15..17, 0.0, None)
            .free_cells(8, Device::Cpu)
            .unwrap();
        let free = free.unwrap();
        assert_eq!(free.size(), [1, 1, 8, 8]);
        // Pixels 15 and 16 lie in cells 1 and 2.
        let cells = Vec::<f32>::try_from(free.flatten(0, -1)).unwrap();
        let freed: Vec<usize> = (0..64).filter(|&cell| cells[cell] > 0.5).collect();
        assert_eq!(freed, [9, 10, 17, 18]);
        // A softened edge frees no more cells.
        let soft = pixels(15..17, 6.0, None)
            .free_cells(8, Device::Cpu)
            .unwrap();
        assert_eq!(soft.unwrap(), free);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn black_stays_bit_for_bit_and_white_is_what_was_made(
            from in 0_u32..50,
            length in 1_u32..14,
            feather in 0.0_f64..8.0,
            only in proptest::option::of(0_u32..20),
        ) {
            let source = pixels(from..from + length, feather, only);
            let made = grey(&[9; 64 * 64], 64);
            let done = source.finish(made);
            let soft = source.soft.as_ref().unwrap();
            for (i, &coverage) in soft.coverage().iter().enumerate() {
                let (old, new) = (source.whole.rgb[3 * i], done.rgb[3 * i]);
                match coverage {
                    0 => prop_assert_eq!(new, old),
                    255 => prop_assert_eq!(new, 9),
                    _ => prop_assert!(new >= old.min(9) && new <= old.max(9)),
                }
            }
        }

        #[test]
        fn the_part_holds_the_mask_and_has_the_pictures_shape(
            x in 0_u32..120, y in 0_u32..60, w in 1_u32..128, h in 1_u32..64, padding in 0_u32..40,
        ) {
            let bounds = PixelRect {
                x_px: x, y_px: y, width_px: w.min(128 - x), height_px: h.min(64 - y),
            };
            let part = around(bounds, padding, (128, 64));
            prop_assert!(part.x_px + part.width_px <= 128 && part.y_px + part.height_px <= 64);
            prop_assert_eq!(part.union(bounds), part);
            prop_assert!(part.width_px.abs_diff(2 * part.height_px) <= 2);
        }
    }
}
