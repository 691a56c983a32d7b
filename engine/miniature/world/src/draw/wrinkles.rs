//! What age writes into a face.

use super::canvas::{Canvas, curve};
use super::color::{Rgb, lerp, smooth};
use super::people::Build;

/// Draws the lines of a worn face; every one of them deepens with age and never moves.
pub(super) fn draw(c: &mut Canvas, b: &Build, skin: Rgb) {
    let a = b.worn;
    if a < 0.02 {
        return;
    }
    let (w, h) = (b.half, b.high);
    let ink = skin.dark(0.6);
    let width = lerp(0.8, 1.8, a);
    let alpha = 0.95 * a.powf(0.8);
    for k in 0..3 {
        let y = -h * 0.56 + k as f32 * 4.5;
        let x = w * (0.5 - 0.08 * k as f32);
        c.line(
            curve((-x, y), (0.0, y - 2.5), (x, y)).as_ref(),
            ink,
            width,
            alpha * smooth(a, 0.25 * k as f32, 0.3 + 0.3 * k as f32),
        );
    }
    for side in [-1.0f32, 1.0] {
        let x = side * w * 0.46;
        let y = b.eye_y + b.eye * 0.9;
        // Bags under the eyes.
        c.line(
            curve((x - 7.0, y + 1.5), (x, y + 6.5), (x + 7.0, y + 1.5)).as_ref(),
            ink,
            width,
            alpha,
        );
        // From the nose to the corners of the mouth.
        let n = side * w * 0.24;
        c.line(
            curve(
                (n, h * 0.32),
                (side * w * 0.52, h * 0.42),
                (side * w * 0.6, h * 0.66),
            )
            .as_ref(),
            ink,
            width,
            alpha,
        );
        // Crow's feet.
        let e = side * (w * 0.46 + b.eye + 1.5);
        for k in [-1.0f32, 0.0, 1.0] {
            c.line(
                curve(
                    (e, b.eye_y + k * 1.5),
                    (e + side * 2.0, b.eye_y + k * 3.0),
                    (e + side * 4.5, b.eye_y + k * 5.0),
                )
                .as_ref(),
                ink,
                width * 0.8,
                alpha * 0.8,
            );
        }
        // Sagging cheeks.
        c.line(
            curve(
                (side * w * 0.86, h * 0.3),
                (side * w * 0.78, h * 0.55),
                (side * w * 0.6, h * 0.8),
            )
            .as_ref(),
            ink,
            width,
            alpha * 0.6,
        );
    }
}
