//! How alike two pictures are.

use tch::{Kind, Tensor};

use super::Meter;
use crate::picture::Picture;
use crate::{EngineError, Result};

/// Standard deviation of the Gaussian window, in pixels.
const SIGMA: f64 = 1.5;
/// Pixels on each side of the window's middle: an 11×11 window.
const RADIUS: usize = 5;
/// C₁ and C₂ for levels 0..255: (0.01 · 255)² and (0.03 · 255)².
const C1: f64 = 6.5025;
const C2: f64 = 58.5225;

/// The structural similarity of two pictures at every pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct SsimMap {
    width: usize,
    height: usize,
    /// Mean over the three channels, row by row, -1..1.
    values: Vec<f64>,
}

impl SsimMap {
    /// SSIM as in "Image Quality Assessment: From Error Visibility to Structural Similarity"
    /// (Wang et al., 2004): Gaussian window of 11×11 pixels and deviation 1.5, population
    /// covariance, on each of R, G and B; pictures are mirrored at their edges.
    ///
    /// # Errors
    /// The pictures differ in size or one holds another number of bytes than its size says.
    pub fn of(a: &Picture, b: &Picture) -> Result<Self> {
        let (width, height) = (a.width_px as usize, a.height_px as usize);
        let bytes = 3 * width * height;
        let same = (a.width_px, a.height_px) == (b.width_px, b.height_px);
        if !same || a.rgb.len() != bytes || b.rgb.len() != bytes {
            return Err(EngineError::request(
                "picture",
                "only whole pictures of one size can be compared",
            ));
        }
        let blur = Blur::new(width, height);
        let mut values = vec![0.0; width * height];
        for channel in 0..3 {
            let levels = |p: &Picture| -> Vec<f64> {
                let channel = p.rgb.iter().skip(channel).step_by(3);
                channel.map(|&level| f64::from(level)).collect()
            };
            let (x, y) = (levels(a), levels(b));
            let product = |a: &[f64], b: &[f64]| -> Vec<f64> {
                a.iter().zip(b).map(|(a, b)| a * b).collect()
            };
            let (mx, my) = (blur.of(&x), blur.of(&y));
            let (xx, yy) = (blur.of(&product(&x, &x)), blur.of(&product(&y, &y)));
            let xy = blur.of(&product(&x, &y));
            for (i, value) in values.iter_mut().enumerate() {
                let (mx, my) = (mx[i], my[i]);
                let (vx, vy) = (xx[i] - mx * mx, yy[i] - my * my);
                let cov = xy[i] - mx * my;
                let likeness = (2.0 * mx * my + C1) * (2.0 * cov + C2);
                *value += likeness / ((mx * mx + my * my + C1) * (vx + vy + C2)) / 3.0;
            }
        }
        Ok(Self {
            width,
            height,
            values,
        })
    }

    /// The mean over all pixels whose window lies within the picture, as the figure is usually
    /// given; over all pixels of pictures too small for that.
    pub fn mean(&self) -> f64 {
        let inner = |x: usize, size: usize| x >= RADIUS && x + RADIUS < size;
        self.mean_where(|x, y| inner(x, self.width) && inner(y, self.height))
            .or_else(|| self.mean_where(|_, _| true))
            .unwrap_or(1.0)
    }

    /// The mean over the pixels of `region`, fractions `[left, top, right, bottom]` of the picture,
    /// or over those outside it; `None` where there are none.
    pub fn mean_of_region(&self, region: [f64; 4], inside: bool) -> Option<f64> {
        let edge = |part: f64, size: usize| (part * size as f64).round();
        let [left, right] = [region[0], region[2]].map(|f| edge(f, self.width));
        let [top, bottom] = [region[1], region[3]].map(|f| edge(f, self.height));
        self.mean_where(|x, y| {
            let (x, y) = (x as f64, y as f64);
            let within = x >= left && x < right && y >= top && y < bottom;
            within == inside
        })
    }

    /// The mean over the pixels `(x, y)` that `mask` keeps; `None` where it keeps none.
    pub fn mean_where(&self, mask: impl Fn(usize, usize) -> bool) -> Option<f64> {
        let (mut sum, mut count) = (0.0, 0_usize);
        for (i, value) in self.values.iter().enumerate() {
            if mask(i % self.width, i / self.width) {
                sum += value;
                count += 1;
            }
        }
        (count > 0).then(|| sum / count as f64)
    }
}

/// A separable Gaussian filter for pictures of one size.
struct Blur {
    width: usize,
    height: usize,
    weights: [f64; 2 * RADIUS + 1],
}

impl Blur {
    fn new(width: usize, height: usize) -> Self {
        let mut weights = [0.0; 2 * RADIUS + 1];
        for (i, weight) in weights.iter_mut().enumerate() {
            let distance = i as f64 - RADIUS as f64;
            *weight = (-distance * distance / (2.0 * SIGMA * SIGMA)).exp();
        }
        let sum: f64 = weights.iter().sum();
        Self {
            width,
            height,
            weights: weights.map(|w| w / sum),
        }
    }

    fn of(&self, image: &[f64]) -> Vec<f64> {
        let Self { width, height, .. } = *self;
        let mut across = vec![0.0; image.len()];
        let mut row = vec![0.0; width + 2 * RADIUS];
        for (source, target) in image.chunks(width).zip(across.chunks_mut(width)) {
            for (i, value) in row.iter_mut().enumerate() {
                *value = source[mirrored(i, width)];
            }
            for (tap, weight) in self.weights.iter().enumerate() {
                for (value, from) in target.iter_mut().zip(&row[tap..]) {
                    *value += weight * from;
                }
            }
        }
        let mut down = vec![0.0; image.len()];
        for (y, target) in down.chunks_mut(width).enumerate() {
            for (tap, weight) in self.weights.iter().enumerate() {
                let from = mirrored(y + tap, height) * width;
                for (value, from) in target.iter_mut().zip(&across[from..from + width]) {
                    *value += weight * from;
                }
            }
        }
        down
    }
}

/// The place within 0..size that position `i - RADIUS` shows, the edge itself repeated.
fn mirrored(i: usize, size: usize) -> usize {
    let period = 2 * size as i64;
    let at = (i as i64 - RADIUS as i64).rem_euclid(period);
    at.min(period - 1 - at) as usize
}

/// How far two pictures are apart to a network's eye: the mean square distance of its features at
/// unit length, over the positions of each level and then over the levels, 0..4.
///
/// This has the form of LPIPS (arXiv 1801.03924) without its learned weights, on the network that
/// `meter` looks through. It is not LPIPS-Alex: figures can be compared with one another, but not
/// with those of papers. Pictures `[batch, 3, height, width]` in -1..1 give one number each; `None`
/// where the meter has no features.
///
/// # Errors
/// Shapes disagree or memory runs out.
pub fn perceptual_distance(meter: &dyn Meter, a: &Tensor, b: &Tensor) -> Result<Option<Vec<f64>>> {
    let _guard = tch::no_grad_guard();
    let (Some(a), Some(b)) = (meter.features(a)?, meter.features(b)?) else {
        return Ok(None);
    };
    let mut total: Option<Tensor> = None;
    let levels = a.len().max(1) as f64;
    for (a, b) in a.iter().zip(&b) {
        let square = unit(a)?.f_sub(&unit(b)?)?.f_square()?;
        let square = square.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?;
        let level = square.f_mean_dim([1_i64, 2].as_slice(), false, Kind::Double)?;
        total = Some(match total {
            None => level,
            Some(sum) => sum.f_add(&level)?,
        });
    }
    let Some(total) = total else { return Ok(None) };
    let mean = total.f_div_scalar(levels)?.f_contiguous()?;
    Ok(Some(Vec::try_from(mean)?))
}

/// Features `[batch, channels, h, w]` with every position's vector at length 1.
fn unit(features: &Tensor) -> Result<Tensor> {
    let features = features.f_to_kind(Kind::Float)?;
    let length = features
        .f_square()?
        .f_sum_dim_intlist([1_i64].as_slice(), true, None::<Kind>)?
        .f_sqrt()?;
    Ok(features.f_div(&length.f_add_scalar(1e-10)?)?)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use proptest::prelude::*;
    use tch::Device;

    use super::*;
    use crate::measure::{Place, PlacedSubject, picture_tensor};

    fn noise(width_px: u32, height_px: u32, seed: u64) -> Picture {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let rgb = (0..3 * width_px * height_px)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 40) as u8
            })
            .collect();
        Picture {
            width_px,
            height_px,
            rgb,
        }
    }

    #[test]
    fn a_region_and_its_surroundings_share_out_the_map() {
        let a = noise(40, 30, 1);
        let mut b = a.clone();
        // Only the left half differs.
        for (i, level) in b.rgb.iter_mut().enumerate() {
            if i / 3 % 40 < 20 {
                *level = level.wrapping_add(97);
            }
        }
        let map = SsimMap::of(&a, &b).unwrap();
        let left = [0.0, 0.0, 0.5, 1.0];
        let inside = map.mean_of_region(left, true).unwrap();
        let outside = map.mean_of_region(left, false).unwrap();
        assert!(inside < 0.5 && outside > 0.8, "{inside} {outside}");
        let far = map.mean_of_region([0.65, 0.0, 1.0, 1.0], true).unwrap();
        assert!((far - 1.0).abs() < 1e-9);
        assert_eq!(map.mean_of_region([0.0, 0.0, 1.0, 1.0], false), None);
        assert!(SsimMap::of(&a, &noise(30, 40, 1)).is_err());
    }

    /// Features that are the pixels themselves.
    #[derive(Debug)]
    struct Pixels;

    impl Meter for Pixels {
        fn name(&self) -> String {
            "pixels".to_owned()
        }
        fn subject_attributes(&self) -> Vec<String> {
            Vec::new()
        }
        fn picture_attributes(&self) -> Vec<String> {
            Vec::new()
        }
        fn score(&self, _: &Tensor, _: &str, _: Option<Place>) -> Result<Tensor> {
            Ok(Tensor::zeros([1], (Kind::Float, Device::Cpu)))
        }
        fn subjects(&self, _: &str) -> Vec<PlacedSubject> {
            Vec::new()
        }
        fn features(&self, pictures: &Tensor) -> Result<Option<Vec<Tensor>>> {
            Ok(Some(vec![
                pictures.f_add_scalar(1.0)?,
                pictures.f_mul_scalar(3.0)?,
            ]))
        }
    }

    #[test]
    fn distances_compare_directions_of_features() {
        let color = |rgb: [u8; 3]| Picture {
            width_px: 2,
            height_px: 2,
            rgb: rgb.repeat(4),
        };
        let (red, green) = (color([255, 0, 0]), color([0, 255, 0]));
        let pair = |a: &Picture, b: &Picture| {
            let (a, b) = (picture_tensor(&[a]).unwrap(), picture_tensor(&[b]).unwrap());
            perceptual_distance(&Pixels, &a, &b).unwrap().unwrap()[0]
        };
        // First level: (1,0,0) against (0,1,0) is 2; second: (1,-1,-1)/√3 against (-1,1,-1)/√3.
        assert!((pair(&red, &green) - f64::midpoint(2.0, 8.0 / 3.0)).abs() < 1e-6);
        assert_eq!(pair(&red, &red), 0.0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn likeness_is_symmetric_and_whole_only_with_itself(
            width in 3_u32..40, height in 3_u32..40, seed: u64,
        ) {
            let (a, b) = (noise(width, height, seed), noise(width, height, seed ^ 0xabcd));
            let itself = SsimMap::of(&a, &a).unwrap();
            prop_assert!((itself.mean() - 1.0).abs() < 1e-9);
            let (ab, ba) = (SsimMap::of(&a, &b).unwrap(), SsimMap::of(&b, &a).unwrap());
            prop_assert!((ab.mean() - ba.mean()).abs() < 1e-12);
            prop_assert!(ab.values.iter().all(|v| (-1.0..1.0 + 1e-9).contains(v)));
        }
    }
}
