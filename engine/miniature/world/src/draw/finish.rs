//! The light over the whole picture: brightness and warmth.

use super::canvas::Canvas;
use super::color::lerp;
use crate::scene::{Picture, SIZE};

/// One channel's curve: gain, then lift towards white.
fn curve(gain: f32, lift: f32) -> [u8; 256] {
    std::array::from_fn(|i| {
        let v = (i as f32 / 255.0 * gain).min(1.0);
        ((1.0 - (1.0 - v) * (1.0 - lift)) * 255.0).round() as u8
    })
}

/// Turns the drawing into bytes under the light asked for; neutral light changes nothing.
pub(super) fn finish(canvas: &Canvas, brightness: f32, warmth: f32) -> Picture {
    let dark = (0.5 - brightness).max(0.0) * 2.0;
    let bright = (brightness - 0.5).max(0.0) * 2.0;
    let warm = (warmth - 0.5).max(0.0) * 2.0;
    let cold = (0.5 - warmth).max(0.0) * 2.0;
    let gain = lerp(1.0, 0.4, dark) * lerp(1.0, 1.12, bright);
    let lift = 0.42 * bright;
    let red = curve(gain * lerp(1.0, 0.62, cold), lift + 0.2 * warm);
    let green = curve(
        gain * lerp(1.0, 0.86, cold) * lerp(1.0, 0.83, warm),
        lift * lerp(1.0, 0.85, cold),
    );
    let blue = curve(
        gain * lerp(1.0, 0.56, warm),
        lift * (1.0 - 0.4 * warm) + 0.2 * cold,
    );
    let mut rgb = Vec::with_capacity(SIZE * SIZE * 3);
    for p in canvas.pixels() {
        rgb.extend([
            red[p.red() as usize],
            green[p.green() as usize],
            blue[p.blue() as usize],
        ]);
    }
    Picture {
        width: SIZE,
        height: SIZE,
        rgb,
    }
}
