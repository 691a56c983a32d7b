//! A picture as CLIP's image towers take it, as Python transformers' `CLIPImageProcessor` makes it.

use tch::Tensor;

use crate::measure::ClipPreprocessing;
use crate::picture::Picture;
use crate::{EngineError, Result};

/// Bits behind the point of a filter's weights, as Pillow has them for 8-bit pictures.
const PRECISION: u32 = 32 - 8 - 2;

/// Pixels on each side of the centre that the bicubic filter reads, at its own size.
const SUPPORT: f64 = 2.0;

/// `[1, 3, side, side]` in fp32 on the CPU: the shorter side is resized to `side` by Pillow's
/// bicubic filter, the middle is cut out, and the levels are shifted and scaled.
///
/// # Errors
/// The picture has no pixels, or memory runs out.
pub fn clip_pixels(
    picture: &Picture,
    side: u32,
    preprocessing: &ClipPreprocessing,
) -> Result<Tensor> {
    let (width, height) = (picture.width_px as usize, picture.height_px as usize);
    if width == 0 || height == 0 || picture.rgb.len() != width * height * 3 {
        return Err(EngineError::request("picture", "has no pixels"));
    }
    let side = side as usize;
    let (wide, high) = if width <= height {
        (side, side * height / width)
    } else {
        (side * width / height, side)
    };
    let rows = resized_rows(&picture.rgb, (width, height), wide);
    let turned = transposed(&rows, (wide, height));
    let columns = resized_rows(&turned, (height, wide), high);
    let seen = transposed(&columns, (high, wide));
    let (left, top) = ((wide - side) / 2, (high - side) / 2);
    let mut levels = Vec::with_capacity(3 * side * side);
    for channel in 0..3 {
        let mean = preprocessing
            .image_mean
            .get(channel)
            .copied()
            .unwrap_or(0.5);
        let std = preprocessing.image_std.get(channel).copied().unwrap_or(0.5);
        for y in top..top + side {
            for x in left..left + side {
                let level = f64::from(seen[3 * (y * wide + x) + channel]) / 255.0;
                levels.push(((level - mean) / std) as f32);
            }
        }
    }
    let side = side as i64;
    Ok(Tensor::f_from_slice(&levels)?.f_view([1, 3, side, side])?)
}

/// The bicubic filter with a = -0.5 at distance `x`.
fn bicubic(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

/// Every row of RGB8 pixels `width` × `height` at the width `to`, rounded to 8 bits.
fn resized_rows(rgb: &[u8], (width, height): (usize, usize), to: usize) -> Vec<u8> {
    if width == to {
        return rgb.to_vec();
    }
    let scale = width as f64 / to as f64;
    // A picture that shrinks is smoothed: the filter grows with it.
    let stretch = scale.max(1.0);
    let support = SUPPORT * stretch;
    let filters: Vec<(usize, Vec<i64>)> = (0..to)
        .map(|at| {
            let centre = (at as f64 + 0.5) * scale;
            let first = ((centre - support + 0.5).max(0.0)) as usize;
            let last = ((centre + support + 0.5) as usize).min(width);
            let weights: Vec<f64> = (first..last)
                .map(|x| bicubic((x as f64 - centre + 0.5) / stretch))
                .collect();
            let sum: f64 = weights.iter().sum();
            let fixed = weights
                .iter()
                .map(|w| (w / sum * f64::from(1_u32 << PRECISION)).round() as i64);
            (first, fixed.collect())
        })
        .collect();
    let mut out = Vec::with_capacity(height * to * 3);
    for row in rgb.chunks_exact(3 * width) {
        for (first, weights) in &filters {
            for channel in 0..3 {
                let pixels = row[3 * first + channel..].iter().step_by(3);
                let sum: i64 = pixels.zip(weights).map(|(p, w)| i64::from(*p) * w).sum();
                let rounded = (sum + (1 << (PRECISION - 1))) >> PRECISION;
                out.push(rounded.clamp(0, 255) as u8);
            }
        }
    }
    out
}

/// RGB8 pixels of `width` × `height` with rows and columns exchanged.
fn transposed(rgb: &[u8], (width, height): (usize, usize)) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len());
    for x in 0..width {
        for y in 0..height {
            let at = 3 * (y * width + x);
            out.extend_from_slice(&rgb[at..at + 3]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_seen_at_the_side_and_flat_pictures_stay_flat() {
        let flat = Picture {
            width_px: 40,
            height_px: 23,
            rgb: vec![90; 40 * 23 * 3],
        };
        let plain = ClipPreprocessing {
            image_mean: vec![0.0; 3],
            image_std: vec![1.0; 3],
        };
        let pixels = clip_pixels(&flat, 14, &plain).unwrap();
        assert_eq!(pixels.size(), [1, 3, 14, 14]);
        let (low, high) = (
            pixels.min().double_value(&[]),
            pixels.max().double_value(&[]),
        );
        assert!((low - 90.0 / 255.0).abs() < 1e-6 && (high - low).abs() < 1e-9);
        // A picture of that size comes through as it is, the longer side cut about its middle.
        let rgb: Vec<u8> = (0..4 * 2 * 3).map(|i| i as u8).collect();
        let own = Picture {
            width_px: 4,
            height_px: 2,
            rgb,
        };
        let pixels = clip_pixels(&own, 2, &plain).unwrap() * 255.0;
        let reds = Vec::<f32>::try_from(pixels.select(1, 0).flatten(0, -1)).unwrap();
        let reds: Vec<u8> = reds.into_iter().map(|r| r.round() as u8).collect();
        assert_eq!(reds, [3, 6, 15, 18]);
        let none = Picture {
            width_px: 0,
            height_px: 0,
            rgb: Vec::new(),
        };
        assert!(clip_pixels(&none, 14, &plain).is_err());
    }
}
