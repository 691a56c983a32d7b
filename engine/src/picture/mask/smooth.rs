//! Masks made softer and brought to another size.

use super::Mask;

/// Gaussian weights beyond this many sigmas are under a hundredth of an 8-bit step.
const KERNEL_SIGMAS: f64 = 4.0;

impl Mask {
    /// The mask with soft edges: convolved with a Gaussian whose sigma is half of `radius_px`.
    /// What lies beyond the picture's edge counts as its outermost pixel. 0, or a number that is
    /// not finite, is the mask itself.
    pub fn feathered(&self, radius_px: f64) -> Self {
        if !(radius_px.is_finite() && radius_px > 0.0) || self.coverage.is_empty() {
            return self.clone();
        }
        let kernel = gaussian(radius_px / 2.0);
        let (width, height) = (self.width_px as usize, self.height_px as usize);
        let mut across = vec![0.0_f32; width * height];
        for (to, from) in across.chunks_exact_mut(width).zip(self.rows()) {
            blur_row(to, from, &kernel);
        }
        let mut coverage = Vec::with_capacity(across.len());
        let mut sum = vec![0.0_f32; width];
        for y in 0..height {
            sum.fill(0.0);
            for (i, weight) in kernel.iter().enumerate() {
                let row = (y + i).saturating_sub(kernel.len() / 2).min(height - 1);
                add(&mut sum, &across[row * width..][..width], *weight);
            }
            coverage.extend(sum.iter().map(|v| to_byte(*v)));
        }
        self.with(coverage)
    }

    /// The mask at another size: linear between pixels, averaged over all that fall together where
    /// it gets smaller.
    pub fn resized(&self, width_px: u32, height_px: u32) -> Self {
        if (width_px, height_px) == (self.width_px, self.height_px) {
            return self.clone();
        }
        if self.coverage.is_empty() {
            return Self::new(width_px, height_px);
        }
        let columns = taps(self.width_px as usize, width_px as usize);
        let rows = taps(self.height_px as usize, height_px as usize);
        let width = width_px as usize;
        let mut across = Vec::with_capacity(width * self.height_px as usize);
        for row in self.rows() {
            across.extend(columns.iter().map(|tap| {
                let values = row[tap.first..].iter().zip(&tap.weights);
                values.map(|(v, w)| f32::from(*v) * w).sum::<f32>()
            }));
        }
        let mut coverage = Vec::with_capacity(width * height_px as usize);
        let mut sum = vec![0.0_f32; width];
        for tap in &rows {
            sum.fill(0.0);
            for (i, weight) in tap.weights.iter().enumerate() {
                add(
                    &mut sum,
                    &across[(tap.first + i) * width..][..width],
                    *weight,
                );
            }
            coverage.extend(sum.iter().map(|v| to_byte(*v)));
        }
        Self {
            width_px,
            height_px,
            coverage,
        }
    }
}

fn to_byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn add(sum: &mut [f32], values: &[f32], weight: f32) {
    for (s, v) in sum.iter_mut().zip(values) {
        *s += weight * v;
    }
}

/// Weights of an odd number of pixels that sum to one.
fn gaussian(sigma: f64) -> Vec<f32> {
    let reach = (sigma * KERNEL_SIGMAS).ceil().max(1.0);
    let exact: Vec<f64> = (0..=2 * reach as usize)
        .map(|i| (-((i as f64 - reach) / sigma).powi(2) / 2.0).exp())
        .collect();
    let sum: f64 = exact.iter().sum();
    exact.iter().map(|w| (w / sum) as f32).collect()
}

fn blur_row(to: &mut [f32], from: &[u8], kernel: &[f32]) {
    let (reach, last) = (kernel.len() / 2, from.len() - 1);
    let padded: Vec<f32> = (0..from.len() + 2 * reach)
        .map(|i| f32::from(from[i.saturating_sub(reach).min(last)]))
        .collect();
    for (i, weight) in kernel.iter().enumerate() {
        add(to, &padded[i..], *weight);
    }
}

/// Which pixels of a line one pixel of the resized line is made of.
struct Tap {
    first: usize,
    weights: Vec<f32>,
}

/// A triangle filter, as wide as one pixel of the coarser of the two lines.
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - support).floor().max(0.0) as usize;
            let end = ((centre + support).ceil() as usize).min(from);
            let exact: Vec<f64> = (first..end)
                .map(|j| (1.0 - (j as f64 + 0.5 - centre).abs() / support).max(0.0))
                .collect();
            let sum: f64 = exact.iter().sum();
            Tap {
                first,
                weights: exact.iter().map(|w| (w / sum) as f32).collect(),
            }
        })
        .collect()
}
