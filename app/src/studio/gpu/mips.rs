//! Smaller and smaller copies of an image, for drawing it small.
//!
//! Averages are taken of the bytes as they are (gamma space): so do egui's blending, browsers and
//! most viewers, and a flat colour keeps its bytes at every size.

/// An image of interleaved 8-bit channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) bytes: Vec<u8>,
}

/// Side lengths of the next smaller level, as the GPU counts them: half, rounded down, never 0.
pub(super) fn half(side: u32) -> u32 {
    (side / 2).max(1)
}

impl Level {
    /// Half the size, each pixel the mean of the area that it covers: of 2×2 pixels, or of up to
    /// 3×3 where a side is odd.
    pub(super) fn halved(&self, channels: usize) -> Self {
        let (width, height) = (half(self.width), half(self.height));
        let columns: Vec<Taps> = (0..width).map(|i| taps(i, self.width, width)).collect();
        let stride = self.width as usize * channels;
        let mut bytes = Vec::with_capacity(width as usize * height as usize * channels);
        let mut row = vec![0_u32; stride];
        for y in 0..height {
            let down = taps(y, self.height, height);
            row.fill(0);
            for (at, weight) in down.each() {
                let line = &self.bytes[at * stride..][..stride];
                for (sum, &byte) in row.iter_mut().zip(line) {
                    *sum += weight * u32::from(byte);
                }
            }
            for across in &columns {
                let total = u64::from(down.total()) * u64::from(across.total());
                for channel in 0..channels {
                    let sum: u64 = across
                        .each()
                        .map(|(at, weight)| {
                            u64::from(weight) * u64::from(row[at * channels + channel])
                        })
                        .sum();
                    bytes.push(((sum + total / 2) / total) as u8);
                }
            }
        }
        Self {
            width,
            height,
            bytes,
        }
    }

    /// This level and all smaller ones down to 1×1.
    pub(super) fn chain(self, channels: usize) -> Vec<Self> {
        let mut levels = vec![self];
        while let Some(last) = levels.last().filter(|l| l.width > 1 || l.height > 1) {
            let next = last.halved(channels);
            levels.push(next);
        }
        levels
    }
}

/// Pixels in a line that one smaller pixel covers, and how much of each.
struct Taps {
    first: usize,
    weights: [u32; 3],
}

impl Taps {
    fn each(&self) -> impl Iterator<Item = (usize, u32)> {
        let first = self.first;
        let weights = self.weights.into_iter().enumerate();
        weights
            .filter(|(_, weight)| *weight > 0)
            .map(move |(i, weight)| (first + i, weight))
    }

    fn total(&self) -> u32 {
        self.weights.iter().sum()
    }
}

/// The part of a line of `from` pixels that pixel `i` of `to` covers, in units of 1/`to` pixel.
fn taps(i: u32, from: u32, to: u32) -> Taps {
    let (start, end) = (i * from, (i + 1) * from);
    let first = start / to;
    let weights = [0, 1, 2].map(|offset| {
        let (low, high) = ((first + offset) * to, (first + offset + 1) * to);
        high.min(end).saturating_sub(low.max(start))
    });
    Taps {
        first: first as usize,
        weights,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_pixels_become_their_rounded_mean() {
        let level = Level {
            width: 4,
            height: 2,
            bytes: vec![0, 10, 255, 255, 20, 31, 255, 255],
        };
        let small = level.halved(1);
        assert_eq!((small.width, small.height), (2, 1));
        assert_eq!(small.bytes, [15, 255]);
    }

    #[test]
    fn odd_sides_lose_nothing() {
        // 3 pixels to 1, and 5 to 2: 5 = 2 whole and half of the middle one for each.
        let three = Level {
            width: 3,
            height: 1,
            bytes: vec![0, 30, 60],
        };
        assert_eq!(three.halved(1).bytes, [30]);
        let five = Level {
            width: 5,
            height: 1,
            bytes: vec![10, 20, 100, 30, 40],
        };
        // (10 + 20 + 50) / 2.5 = 32 and (50 + 30 + 40) / 2.5 = 48.
        assert_eq!(five.halved(1).bytes, [32, 48]);
    }

    #[test]
    fn a_flat_colour_keeps_its_bytes_down_to_one_pixel() {
        let flat = Level {
            width: 37,
            height: 5,
            bytes: [9, 99, 199].repeat(37 * 5),
        };
        let levels = flat.chain(3);
        let sides: Vec<_> = levels.iter().map(|l| (l.width, l.height)).collect();
        assert_eq!(sides, [(37, 5), (18, 2), (9, 1), (4, 1), (2, 1), (1, 1)]);
        for level in levels {
            assert!(level.bytes.chunks(3).all(|p| p == [9, 99, 199]));
        }
    }
}
