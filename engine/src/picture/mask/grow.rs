//! Masks made larger and smaller.

use super::Mask;

impl Mask {
    /// The mask, `radius_px` pixels larger on every side: each pixel takes the largest coverage
    /// within a disc around it.
    pub fn grown(&self, radius_px: u32) -> Self {
        let (width, height) = (self.width_px as usize, self.height_px as usize);
        // A disc wider than the mask is no different from one that spans it.
        let radius = (radius_px as usize).min(width + height);
        if radius == 0 || width == 0 {
            return self.clone();
        }
        let mut wide = self.coverage.clone();
        let mut half_width = 0;
        let mut grown = self.coverage.clone();
        // Rows far from the disc's middle are the narrow ones, so the widest rows come last.
        for dy in (0..=radius).rev() {
            let reach = disc_half_width(radius, dy);
            while half_width < reach {
                wide = one_wider(&wide, width);
                half_width += 1;
            }
            if dy >= height {
                continue;
            }
            let shift = dy * width;
            larger(&mut grown[shift..], &wide);
            larger(&mut grown, &wide[shift..]);
        }
        self.with(grown)
    }

    /// The mask, `radius_px` pixels smaller on every side. Nothing is taken from it at the
    /// picture's own edge.
    pub fn shrunk(&self, radius_px: u32) -> Self {
        self.inverted().grown(radius_px).inverted()
    }
}

/// Columns to either side of the middle of a disc's row.
fn disc_half_width(radius: usize, dy: usize) -> usize {
    (((radius * radius - dy * dy) as f64).sqrt()) as usize
}

/// Every pixel takes the larger of itself and its two neighbours in the row: applied `n` times, the
/// largest of `2n + 1`.
fn one_wider(from: &[u8], width: usize) -> Vec<u8> {
    let mut to = from.to_vec();
    for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
        larger(&mut to[1..], from);
        larger(to, &from[1..]);
    }
    to
}

fn larger(to: &mut [u8], other: &[u8]) {
    for (t, o) in to.iter_mut().zip(other) {
        *t = (*t).max(*o);
    }
}
