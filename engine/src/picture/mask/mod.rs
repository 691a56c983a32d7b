//! Where a picture may change.

mod grow;
mod paint;
mod smooth;
#[cfg(test)]
mod tests;

pub use paint::{Brush, Ink};

use super::Picture;

/// How far each pixel of a picture may change: 0 not at all, 255 wholly.
#[derive(Clone, PartialEq, Eq)]
pub struct Mask {
    width_px: u32,
    height_px: u32,
    coverage: Vec<u8>,
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRect {
    /// Columns left of it.
    pub x_px: u32,
    /// Rows above it.
    pub y_px: u32,
    /// Columns in it, at least one.
    pub width_px: u32,
    /// Rows in it, at least one.
    pub height_px: u32,
}

impl PixelRect {
    /// The smallest rectangle that holds both.
    pub fn union(self, other: Self) -> Self {
        let (left, top) = (self.x_px.min(other.x_px), self.y_px.min(other.y_px));
        let right = (self.x_px + self.width_px).max(other.x_px + other.width_px);
        let bottom = (self.y_px + self.height_px).max(other.y_px + other.height_px);
        Self {
            x_px: left,
            y_px: top,
            width_px: right - left,
            height_px: bottom - top,
        }
    }
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({}x{})", self.width_px, self.height_px)
    }
}

impl Mask {
    /// A mask of this size where nothing may change.
    pub fn new(width_px: u32, height_px: u32) -> Self {
        Self::filled(width_px, height_px, 0)
    }

    /// A mask of this size with one coverage everywhere.
    pub fn filled(width_px: u32, height_px: u32, value: u8) -> Self {
        Self {
            width_px,
            height_px,
            coverage: vec![value; width_px as usize * height_px as usize],
        }
    }

    /// A mask of `width_px · height_px` values, row by row from the top left; `None` where their
    /// number does not fit.
    pub fn from_coverage(width_px: u32, height_px: u32, coverage: Vec<u8>) -> Option<Self> {
        (coverage.len() == width_px as usize * height_px as usize).then_some(Self {
            width_px,
            height_px,
            coverage,
        })
    }

    /// The picture's brightness as coverage: white may change, black may not. Luma has the weights
    /// of ITU-R BT.601.
    pub fn from_picture(picture: &Picture) -> Self {
        let luma = |p: &[u8]| {
            let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
            ((299 * r + 587 * g + 114 * b + 500) / 1000) as u8
        };
        Self {
            width_px: picture.width_px,
            height_px: picture.height_px,
            coverage: picture.rgb.chunks_exact(3).map(luma).collect(),
        }
    }

    /// The coverage as a grey picture, which [`Self::from_picture`] reads back to the last bit.
    pub fn to_picture(&self) -> Picture {
        Picture {
            width_px: self.width_px,
            height_px: self.height_px,
            rgb: self.coverage.iter().flat_map(|&c| [c; 3]).collect(),
        }
    }

    /// Width in pixels.
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Height in pixels.
    pub fn height_px(&self) -> u32 {
        self.height_px
    }

    /// One value a pixel, row by row from the top left.
    pub fn coverage(&self) -> &[u8] {
        &self.coverage
    }

    /// The coverage at a column and a row; 0 outside of the mask.
    pub fn get(&self, x_px: u32, y_px: u32) -> u8 {
        if x_px >= self.width_px {
            return 0;
        }
        let index = y_px as usize * self.width_px as usize + x_px as usize;
        self.coverage.get(index).copied().unwrap_or(0)
    }

    /// Whether nothing may change.
    pub fn is_empty(&self) -> bool {
        self.coverage.iter().all(|c| *c == 0)
    }

    /// The smallest rectangle that holds every pixel which may change.
    pub fn bounds(&self) -> Option<PixelRect> {
        let mut held: Option<PixelRect> = None;
        for (y, row) in self.rows().enumerate() {
            let Some(first) = row.iter().position(|c| *c > 0) else {
                continue;
            };
            let last = row.iter().rposition(|c| *c > 0).unwrap_or(first);
            let line = PixelRect {
                x_px: first as u32,
                y_px: y as u32,
                width_px: (last - first + 1) as u32,
                height_px: 1,
            };
            held = Some(held.map_or(line, |h| h.union(line)));
        }
        held
    }

    /// The part of the picture that may change, 0 to 1.
    pub fn share(&self) -> f64 {
        let sum: u64 = self.coverage.iter().map(|c| u64::from(*c)).sum();
        sum as f64 / (self.coverage.len().max(1) as f64 * 255.0)
    }

    /// What may change by this mask or by `other`, which is of the same size; by the first alone
    /// where the sizes differ.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        if (self.width_px, self.height_px) != (other.width_px, other.height_px) {
            return self.clone();
        }
        let pairs = self.coverage.iter().zip(&other.coverage);
        self.with(pairs.map(|(a, b)| *a.max(b)).collect())
    }

    /// What may change may not, and the other way round.
    pub fn inverted(&self) -> Self {
        self.with(self.coverage.iter().map(|c| 255 - c).collect())
    }

    fn with(&self, coverage: Vec<u8>) -> Self {
        Self {
            width_px: self.width_px,
            height_px: self.height_px,
            coverage,
        }
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.coverage.chunks_exact(self.width_px.max(1) as usize)
    }
}
