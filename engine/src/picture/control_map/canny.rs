//! Edges, after "A Computational Approach to Edge Detection" (Canny 1986), in the form that other
//! programs' maps have: no blur, a 3×3 Sobel gradient of the colour channel that changes most,
//! |x| + |y| for its strength, thresholds 100 and 200.

use crate::picture::Picture;

/// Strength from which a pixel goes on an edge that is there.
const LOW: i32 = 100;
/// Strength from which a pixel begins an edge.
const HIGH: i32 = 200;

/// A gradient and its strength.
#[derive(Debug, Clone, Copy, Default)]
struct Gradient {
    x: i32,
    y: i32,
    strength: i32,
}

/// `picture`'s edges, white on black.
pub(super) fn edges(picture: &Picture) -> Picture {
    let (width, height) = (picture.width_px as usize, picture.height_px as usize);
    let gradients = gradients(picture);
    let at = |x: i64, y: i64| {
        let inside = x >= 0 && y >= 0 && x < width as i64 && y < height as i64;
        if inside {
            gradients[y as usize * width + x as usize].strength
        } else {
            0
        }
    };
    // 1 for pixels that may be on an edge, 2 for those that are.
    let mut found = vec![0_u8; width * height];
    let mut open = Vec::new();
    for (i, gradient) in gradients.iter().enumerate() {
        let (x, y) = ((i % width) as i64, (i / width) as i64);
        let own = gradient.strength;
        if own <= LOW {
            continue;
        }
        let (dx, dy) = across(*gradient);
        // Of two that are as strong, the first is the edge.
        if own > at(x - dx, y - dy) && own >= at(x + dx, y + dy) {
            found[i] = 1;
            if own > HIGH {
                found[i] = 2;
                open.push(i);
            }
        }
    }
    while let Some(i) = open.pop() {
        let (x, y) = (i % width, i / width);
        for ny in y.saturating_sub(1)..(y + 2).min(height) {
            for nx in x.saturating_sub(1)..(x + 2).min(width) {
                let next = ny * width + nx;
                if found[next] == 1 {
                    found[next] = 2;
                    open.push(next);
                }
            }
        }
    }
    Picture {
        rgb: found
            .into_iter()
            .flat_map(|found| [if found == 2 { 255 } else { 0 }; 3])
            .collect(),
        ..*picture
    }
}

/// The neighbour that lies across an edge: along the gradient, in eight directions.
fn across(Gradient { x, y, .. }: Gradient) -> (i64, i64) {
    /// tan 22.5°.
    const TAN: f64 = 0.414_213_562_373_095_03;
    let (along_x, along_y) = (f64::from(x.abs()), f64::from(y.abs()));
    if along_y < along_x * TAN {
        (1, 0)
    } else if along_x < along_y * TAN {
        (0, 1)
    } else if (x < 0) == (y < 0) {
        (1, 1)
    } else {
        (-1, 1)
    }
}

fn gradients(picture: &Picture) -> Vec<Gradient> {
    let (width, height) = (picture.width_px as usize, picture.height_px as usize);
    let rgb = &picture.rgb;
    let mut all = vec![Gradient::default(); width * height];
    if rgb.len() != all.len() * 3 {
        return all;
    }
    for (i, own) in all.iter_mut().enumerate() {
        let (x, y) = (i % width, i / width);
        // The border is repeated outwards.
        let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        for channel in 0..3 {
            let value = |column: usize, row: usize| {
                i32::from(rgb[(rows[row] * width + columns[column]) * 3 + channel])
            };
            let side = |c: usize| value(c, 0) + 2 * value(c, 1) + value(c, 2);
            let level = |r: usize| value(0, r) + 2 * value(1, r) + value(2, r);
            let (gx, gy) = (side(2) - side(0), level(2) - level(0));
            let strength = gx.abs() + gy.abs();
            if strength > own.strength {
                *own = Gradient {
                    x: gx,
                    y: gy,
                    strength,
                };
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square of `level` on black, 40 x 40, from 10 to 30.
    fn square(level: u8) -> Picture {
        let inside = |i: usize| (10..30).contains(&(i % 40)) && (10..30).contains(&(i / 40));
        Picture {
            width_px: 40,
            height_px: 40,
            rgb: (0..1600)
                .flat_map(|i| [if inside(i) { level } else { 0 }, 0, 0])
                .collect(),
        }
    }

    fn white(picture: &Picture) -> Vec<(usize, usize)> {
        let pixels = picture.rgb.chunks_exact(3).enumerate();
        let white = pixels.filter(|(_, pixel)| pixel[0] == 255);
        white.map(|(i, _)| (i % 40, i / 40)).collect()
    }

    #[test]
    fn a_square_becomes_a_thin_closed_line() {
        let found = white(&edges(&square(200)));
        let on_border = |v: usize| (9..=10).contains(&v) || (29..=30).contains(&v);
        assert!(
            found.iter().all(|&(x, y)| on_border(x) || on_border(y)),
            "{found:?}"
        );
        // Every row of the sides is met once on each side, and every column likewise.
        for k in 12..28 {
            let in_row = found.iter().filter(|(_, y)| *y == k).count();
            let in_column = found.iter().filter(|(x, _)| *x == k).count();
            assert_eq!((in_row, in_column), (2, 2), "{k}");
        }
    }

    #[test]
    fn what_is_faint_counts_only_where_it_goes_on_from_what_is_not() {
        // A step of 30 has a strength of 120, at corners 180: above the lower threshold alone.
        assert!(white(&edges(&square(30))).is_empty());
        let mut both = square(30);
        for y in 10..14 {
            for x in 10..30 {
                both.rgb[(y * 40 + x) * 3] = 120;
            }
        }
        let found = white(&edges(&both));
        assert!(found.iter().any(|&(x, y)| x <= 10 && y == 25), "{found:?}");
    }
}
