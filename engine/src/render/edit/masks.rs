//! From where things are said to be to masks with the picture's own edges.

use tch::{Kind, Tensor};

use crate::measure::picture_tensor;
use crate::picture::{Mask, Picture};
use crate::{EngineError, Result};

/// Regularisation of the guided filter, for brightness from 0 to 1.
const GUIDED_EPS: f64 = 1e-3;

/// A mask grows by this part of the picture's shorter side, so that an edge is wholly inside.
const GROWN: f64 = 1.0 / 64.0;

/// Masks of things from `maps` `[1, 1, h, w]`, 0..1, one a thing: a place belongs to the thing
/// whose map is highest there, where that is higher than a threshold of its own (Otsu's).
///
/// # Errors
/// A tensor operation failed.
pub(super) fn masks_of(maps: &[Tensor], picture: &Picture) -> Result<Vec<Mask>> {
    let guide = brightness(picture)?;
    let cell = i64::from(picture.width_px) / maps.first().map_or(1, |map| map.size()[3]).max(1);
    let mut fine = Vec::with_capacity(maps.len());
    for map in maps {
        let size = [i64::from(picture.height_px), i64::from(picture.width_px)];
        let smooth = map.f_upsample_bilinear2d(size, false, None, None)?;
        let refined = guided(&guide, &smooth, cell.max(2))?;
        fine.push(Vec::<f32>::try_from(
            refined.f_flatten(0, -1)?.f_contiguous()?,
        )?);
    }
    let thresholds: Vec<f32> = fine.iter().map(|map| otsu(map)).collect();
    let radius_px = (f64::from(picture.width_px.min(picture.height_px)) * GROWN).round() as u32;
    let (width, height) = (picture.width_px, picture.height_px);
    (0..fine.len())
        .map(|own| {
            let coverage = (0..fine[own].len())
                .map(|place| {
                    let value = fine[own][place];
                    let beaten = fine.iter().enumerate().any(|(other, map)| {
                        other != own && map[place] - thresholds[other] > value - thresholds[own]
                    });
                    if value > thresholds[own] && !beaten {
                        255
                    } else {
                        0
                    }
                })
                .collect();
            let mask = Mask::from_coverage(width, height, coverage).ok_or_else(|| {
                EngineError::request(
                    "mask",
                    "it holds another number of pixels than its size says",
                )
            })?;
            Ok(mask.grown(radius_px))
        })
        .collect()
}

/// Luma `[1, 1, height, width]`, 0..1, with the weights of ITU-R BT.601.
fn brightness(picture: &Picture) -> Result<Tensor> {
    let rgb = picture_tensor(&[picture])?
        .f_add_scalar(1.0)?
        .f_mul_scalar(0.5)?;
    let weights = Tensor::f_from_slice(&[0.299_f32, 0.587, 0.114])?.f_view([1, 3, 1, 1])?;
    Ok(rgb
        .f_mul(&weights)?
        .f_sum_dim_intlist([1].as_slice(), true, Kind::Float)?)
}

/// The guided filter (He, Sun and Tang, 2010) of `image` along `guide`, both `[1, 1, h, w]`, with
/// windows of `radius` pixels to each side.
fn guided(guide: &Tensor, image: &Tensor, radius: i64) -> Result<Tensor> {
    let side = [2 * radius + 1, 2 * radius + 1];
    let mean = |x: &Tensor| -> Result<Tensor> {
        Ok(x.f_avg_pool2d(side, [1, 1], [radius, radius], false, false, None)?)
    };
    let (mean_guide, mean_image) = (mean(guide)?, mean(image)?);
    let covariance = mean(&guide.f_mul(image)?)?.f_sub(&mean_guide.f_mul(&mean_image)?)?;
    let variance = mean(&guide.f_square()?)?.f_sub(&mean_guide.f_square()?)?;
    let a = covariance.f_div(&variance.f_add_scalar(GUIDED_EPS)?)?;
    let b = mean_image.f_sub(&a.f_mul(&mean_guide)?)?;
    Ok(mean(&a)?.f_mul(guide)?.f_add(&mean(&b)?)?)
}

/// The threshold that parts `values` into two classes of the least variance within them (Otsu,
/// 1979).
fn otsu(values: &[f32]) -> f32 {
    const BINS: usize = 256;
    let (low, high) = values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| {
        (low.min(v), high.max(v))
    });
    if values.is_empty() || high <= low {
        return high;
    }
    let width = (high - low) / BINS as f32;
    let mut counts = [0.0_f64; BINS];
    for &value in values {
        counts[(((value - low) / width) as usize).min(BINS - 1)] += 1.0;
    }
    let total = values.len() as f64;
    let all: f64 = counts.iter().enumerate().map(|(i, n)| i as f64 * n).sum();
    let (mut below, mut sum) = (0.0, 0.0);
    let (mut best, mut at) = (f64::MIN, 0);
    for (i, n) in counts.iter().enumerate().take(BINS - 1) {
        below += n;
        sum += i as f64 * n;
        let above = total - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let distance = sum / below - (all - sum) / above;
        let between = below * above * distance * distance;
        if between > best {
            (best, at) = (between, i);
        }
    }
    low + width * (at as f32 + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threshold_parts_two_heaps() {
        let mut values = vec![0.1_f32; 70];
        values.extend([0.12; 20]);
        values.extend([0.8; 10]);
        let threshold = otsu(&values);
        assert!((0.12..0.8).contains(&threshold), "{threshold}");
        assert!(otsu(&[0.5; 9]) >= 0.5 && otsu(&[]) < 0.0);
    }

    /// White from column `edge` on.
    fn picture(edge: u32) -> Picture {
        let rgb = (0..64 * 64)
            .flat_map(|i| [255 * u8::from(i % 64 >= edge); 3])
            .collect();
        Picture {
            width_px: 64,
            height_px: 64,
            rgb,
        }
    }

    fn map(columns: [f32; 4]) -> Tensor {
        Tensor::from_slice(&columns.repeat(4)).view([1, 1, 4, 4])
    }

    #[test]
    fn masks_end_at_the_pictures_own_edge() {
        // The map is vague about where, the picture is not.
        let masks = masks_of(&[map([0.0, 0.1, 0.6, 1.0])], &picture(28)).unwrap();
        let row = |x| masks[0].get(x, 32);
        assert_eq!((row(36), row(60), row(20)), (255, 255, 0));
        // One pixel more than the edge, for a picture of 64.
        assert_eq!((row(27), row(26)), (255, 0));
    }

    #[test]
    fn a_place_belongs_to_one_thing() {
        let maps = [map([1.0, 0.9, 0.2, 0.0]), map([0.0, 0.3, 0.8, 1.0])];
        let masks = masks_of(&maps, &picture(32)).unwrap();
        assert_eq!((masks[0].get(4, 8), masks[1].get(4, 8)), (255, 0));
        assert_eq!((masks[0].get(60, 8), masks[1].get(60, 8)), (0, 255));
    }
}
