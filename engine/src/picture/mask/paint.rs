//! Painting on a mask: brush strokes, rectangles and outlines drawn by hand.
//!
//! Places are in pixels from the top left corner: the middle of the first pixel is at (0.5, 0.5).
//! Paint never builds up: a stroke over a stroke covers as much as the stronger of the two.

use super::{Mask, PixelRect};

/// Whether paint adds to a mask or takes from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// What is painted may change.
    Add,
    /// What is painted may not.
    Erase,
}

impl Ink {
    /// What takes back what this one does.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Add => Self::Erase,
            Self::Erase => Self::Add,
        }
    }

    fn over(self, old: u8, paint: u8) -> u8 {
        match self {
            Self::Add => old.max(paint),
            Self::Erase => old.min(255 - paint),
        }
    }
}

/// A round brush.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Brush {
    /// From the middle to the edge, in pixels.
    pub radius_px: f64,
    /// The part of the radius within which paint covers wholly, 0 to 1; from there it fades to
    /// the edge. Even the hardest brush fades over one pixel.
    pub hardness: f64,
    /// Adds or erases.
    pub ink: Ink,
}

impl Mask {
    /// Paints one straight piece of a stroke, `from` and `to` being the same for a dab, and tells
    /// which pixels it may have touched.
    pub fn stroke(&mut self, brush: Brush, from: [f64; 2], to: [f64; 2]) -> Option<PixelRect> {
        let outer = brush.radius_px + 0.5;
        let inner = (brush.radius_px * brush.hardness).min(brush.radius_px - 0.5);
        if !(outer.is_finite() && brush.radius_px > 0.0) {
            return None;
        }
        let low = [0, 1].map(|i| from[i].min(to[i]) - outer);
        let high = [0, 1].map(|i| from[i].max(to[i]) + outer);
        let touched = self.pixels_between(low, high)?;
        let along = [to[0] - from[0], to[1] - from[1]];
        let length_squared = along[0].powi(2) + along[1].powi(2);
        for y in touched.y_px..touched.y_px + touched.height_px {
            for x in touched.x_px..touched.x_px + touched.width_px {
                let off = [x as f64 + 0.5 - from[0], y as f64 + 0.5 - from[1]];
                let part = if length_squared > 0.0 {
                    ((off[0] * along[0] + off[1] * along[1]) / length_squared).clamp(0.0, 1.0)
                } else {
                    0.0
                };
                let beside = [0, 1].map(|i| off[i] - part * along[i]);
                let apart = (beside[0] * beside[0] + beside[1] * beside[1]).sqrt();
                let paint = ((outer - apart) / (outer - inner)).clamp(0.0, 1.0);
                self.put(x, y, paint, brush.ink);
            }
        }
        Some(touched)
    }

    /// Paints the rectangle between two of its corners and tells which pixels it touched. Pixels
    /// on its edge are covered by as much as lies inside.
    pub fn rectangle(&mut self, from: [f64; 2], to: [f64; 2], ink: Ink) -> Option<PixelRect> {
        let low = [0, 1].map(|i| from[i].min(to[i]));
        let high = [0, 1].map(|i| from[i].max(to[i]));
        let touched = self.pixels_between(low, high)?;
        let inside = |i: usize, pixel: u32| {
            let start = pixel as f64;
            ((start + 1.0).min(high[i]) - start.max(low[i])).clamp(0.0, 1.0)
        };
        for y in touched.y_px..touched.y_px + touched.height_px {
            for x in touched.x_px..touched.x_px + touched.width_px {
                self.put(x, y, inside(0, x) * inside(1, y), ink);
            }
        }
        Some(touched)
    }

    /// Paints the inside of a closed outline, the last corner being joined to the first, and tells
    /// which pixels it may have touched. Pixels on the outline are covered by as much as lies
    /// inside; what the outline goes round twice is inside as well.
    pub fn polygon(&mut self, corners: &[[f64; 2]], ink: Ink) -> Option<PixelRect> {
        if corners.iter().flatten().any(|c| !c.is_finite()) {
            return None;
        }
        let size = [f64::from(self.width_px), f64::from(self.height_px)];
        let corners = clipped(corners, size);
        let far = |pick: fn(f64, f64) -> f64, i: usize| corners.iter().map(|c| c[i]).reduce(pick);
        let low = [far(f64::min, 0)?, far(f64::min, 1)?];
        let high = [far(f64::max, 0)?, far(f64::max, 1)?];
        let touched = self.pixels_between(low, high)?;
        let mut area = Area::over(touched);
        for (i, from) in corners.iter().enumerate() {
            area.edge(*from, corners[(i + 1) % corners.len()]);
        }
        for y in 0..touched.height_px {
            let mut inside = 0.0;
            for x in 0..touched.width_px {
                inside += area.at(x, y);
                let (x, y) = (touched.x_px + x, touched.y_px + y);
                self.put(x, y, f64::abs(inside).min(1.0), ink);
            }
        }
        Some(touched)
    }

    fn put(&mut self, x: u32, y: u32, paint: f64, ink: Ink) {
        let index = y as usize * self.width_px as usize + x as usize;
        let old = &mut self.coverage[index];
        *old = ink.over(*old, (paint * 255.0).round() as u8);
    }

    /// The pixels of the mask between two corners, the ones cut by them included.
    fn pixels_between(&self, low: [f64; 2], high: [f64; 2]) -> Option<PixelRect> {
        let size = [self.width_px, self.height_px].map(f64::from);
        let first = [0, 1].map(|i| low[i].floor().clamp(0.0, size[i]) as u32);
        let end = [0, 1].map(|i| high[i].ceil().clamp(0.0, size[i]) as u32);
        (first[0] < end[0] && first[1] < end[1]).then(|| PixelRect {
            x_px: first[0],
            y_px: first[1],
            width_px: end[0] - first[0],
            height_px: end[1] - first[1],
        })
    }
}

/// The outline within `0..size`, by Sutherland and Hodgman: cut off at one side after the other.
/// Pieces that run back and forth along a side enclose nothing.
fn clipped(corners: &[[f64; 2]], size: [f64; 2]) -> Vec<[f64; 2]> {
    let mut kept = corners.to_vec();
    for (axis, limit, above) in [
        (0, 0.0, true),
        (0, size[0], false),
        (1, 0.0, true),
        (1, size[1], false),
    ] {
        let is_in = |c: [f64; 2]| {
            if above {
                c[axis] >= limit
            } else {
                c[axis] <= limit
            }
        };
        let mut next = Vec::with_capacity(kept.len() + 4);
        for (i, &to) in kept.iter().enumerate() {
            let from = kept[(i + kept.len() - 1) % kept.len()];
            if is_in(from) != is_in(to) {
                let part = (limit - from[axis]) / (to[axis] - from[axis]);
                let mut cut = [0, 1].map(|k| from[k] + part * (to[k] - from[k]));
                cut[axis] = limit;
                next.push(cut);
            }
            if is_in(to) {
                next.push(to);
            }
        }
        kept = next;
    }
    kept
}

/// Adds up, pixel by pixel, how much of each lies right of the edges that go down, less of those
/// that go up: the running sum along a row is then the part of each pixel inside the outline.
struct Area {
    over: PixelRect,
    steps: Vec<f64>,
}

impl Area {
    fn over(over: PixelRect) -> Self {
        // One column more: an edge along the right side ends in it.
        let len = (over.width_px as usize + 2) * over.height_px as usize;
        Self {
            over,
            steps: vec![0.0; len],
        }
    }

    fn at(&self, x: u32, y: u32) -> f64 {
        self.steps[y as usize * (self.over.width_px as usize + 2) + x as usize]
    }

    fn edge(&mut self, from: [f64; 2], to: [f64; 2]) {
        let corner = [f64::from(self.over.x_px), f64::from(self.over.y_px)];
        let sign = if from[1] < to[1] { 1.0 } else { -1.0 };
        let (upper, lower) = if sign > 0.0 { (from, to) } else { (to, from) };
        let [upper, lower] = [upper, lower].map(|p| [p[0] - corner[0], p[1] - corner[1]]);
        let height = lower[1] - upper[1];
        if height <= 0.0 {
            return;
        }
        let width = f64::from(self.over.width_px);
        let x_at = |y: f64| {
            let x = upper[0] + (y - upper[1]) / height * (lower[0] - upper[0]);
            x.clamp(0.0, width)
        };
        let rows = upper[1] as usize..(lower[1].ceil() as usize).min(self.over.height_px as usize);
        for row in rows {
            let (top, bottom) = (upper[1].max(row as f64), lower[1].min(row as f64 + 1.0));
            let (x0, x1) = (x_at(top), x_at(bottom));
            self.piece(row, x0.min(x1), x0.max(x1), (bottom - top) * sign);
        }
    }

    /// A piece of an edge within one row, `tall` of a pixel high, between two columns.
    fn piece(&mut self, row: usize, left: f64, right: f64, tall: f64) {
        let line = row * (self.over.width_px as usize + 2);
        let (first, end) = (left as usize, right.ceil() as usize);
        if end <= first + 1 {
            // Within one pixel: what is right of the piece's middle.
            let uncovered = f64::midpoint(left, right) - first as f64;
            self.steps[line + first] += tall * (1.0 - uncovered);
            self.steps[line + first + 1] += tall * uncovered;
            return;
        }
        // The running total up to pixel `i` is how much of the pixel lies right of the piece.
        let slope = tall / (right - left);
        let mut before = 0.0;
        for i in first..end {
            let (start, stop) = (left.max(i as f64), right.min(i as f64 + 1.0));
            let crossed = stop - start;
            // A trapezium over the crossed columns, and all that was crossed before.
            let inside =
                slope * ((start - left) + crossed * (i as f64 + 1.0 - f64::midpoint(start, stop)));
            self.steps[line + i] += inside - before;
            before = inside;
        }
        self.steps[line + end] += tall - before;
    }
}
