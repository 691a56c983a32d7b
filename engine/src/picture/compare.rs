//! Where two pictures differ.

use std::fmt;

use super::Picture;

/// How far two pictures are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// Width or height differ.
    Size {
        /// Of the first picture, in pixels.
        first: (u32, u32),
        /// Of the second picture, in pixels.
        second: (u32, u32),
    },
    /// Pixels differ.
    Pixels {
        /// The largest difference of any channel, in 255ths.
        max: u8,
        /// Column where it is.
        x: u32,
        /// Row where it is.
        y: u32,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { first, second } => write!(
                f,
                "size differs: {}x{} against {}x{}",
                first.0, first.1, second.0, second.1
            ),
            Self::Pixels { max, x, y } => write!(f, "pixels differ: max {max}/255 at {x},{y}"),
        }
    }
}

/// The largest difference, or `None` where the pictures are equal to the last bit.
pub fn difference(first: &Picture, second: &Picture) -> Option<Difference> {
    let size = |p: &Picture| (p.width_px, p.height_px);
    if size(first) != size(second) || first.rgb.len() != second.rgb.len() {
        return Some(Difference::Size {
            first: size(first),
            second: size(second),
        });
    }
    let mut worst = (0, 0);
    for (i, (a, b)) in first.rgb.iter().zip(&second.rgb).enumerate() {
        let apart = a.abs_diff(*b);
        if apart > worst.0 {
            worst = (apart, i);
        }
    }
    let pixel = (worst.1 / 3) as u32;
    (worst.0 > 0).then(|| Difference::Pixels {
        max: worst.0,
        x: pixel % first.width_px,
        y: pixel / first.width_px,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width_px: u32, height_px: u32) -> Picture {
        Picture {
            width_px,
            height_px,
            rgb: vec![100; (width_px * height_px * 3) as usize],
        }
    }

    #[test]
    fn the_worst_pixel_is_found() {
        let first = grey(5, 4);
        let mut second = first.clone();
        assert_eq!(difference(&first, &second), None);
        second.rgb[3] = 102;
        second.rgb[(2 * 5 + 3) * 3 + 1] = 90;
        let said = difference(&first, &second).unwrap().to_string();
        assert_eq!(said, "pixels differ: max 10/255 at 3,2");
    }

    #[test]
    fn sizes_are_compared_first() {
        let said = difference(&grey(8, 4), &grey(4, 8)).unwrap().to_string();
        assert_eq!(said, "size differs: 8x4 against 4x8");
    }
}
