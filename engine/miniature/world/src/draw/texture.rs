//! Surfaces of wood, metal, stone and glass.

use tiny_skia::Path;

use super::canvas::{Canvas, curve, ellipse, polygon, rect, round};
use super::color::{Rgb, WHITE, hex, lerp, smooth};

/// Class indices of [`crate::Discrete::Material`].
pub(super) const WOOD: usize = 1;
pub(super) const METAL: usize = 2;
pub(super) const STONE: usize = 3;
pub(super) const GLASS: usize = 4;

/// Fills a shape with a material in a colour. Detail draws dots on a plain surface and deepens the
/// texture of the others.
pub(super) fn surface(c: &mut Canvas, shape: Option<&Path>, color: Rgb, material: usize) {
    let Some(outline) = shape else { return };
    let b = outline.bounds();
    let (l, t, r, m) = (b.left(), b.top(), b.right(), b.bottom());
    match material {
        WOOD => {
            let tone = color.mix(hex(0x00a8_6a34), 0.3);
            c.solid(shape, tone);
            c.clipped(shape, |c| wood(c, (l, t, r, m), tone));
        }
        METAL => {
            c.solid(shape, color);
            c.clipped(shape, |c| metal(c, (l, t, r, m), color));
        }
        STONE => {
            let tone = color.mix(hex(0x008a_8a8e), 0.22);
            c.solid(shape, tone);
            c.clipped(shape, |c| stone(c, (l, t, r, m), tone));
        }
        GLASS => {
            c.solid_alpha(shape, color.light(0.15), 0.5, 0.58);
            c.clipped(shape, |c| glass(c, (l, t, r, m), color));
            c.line(shape, color.dark(0.35), 2.4, 0.9);
            c.line(shape, WHITE, 1.0, 0.7);
        }
        _ => {
            c.solid(shape, color);
            c.clipped(shape, |c| dots(c, (l, t, r, m), color));
        }
    }
}

fn contrast(color: Rgb) -> Rgb {
    if color.luma() > 0.62 {
        color.dark(0.5)
    } else {
        color.light(0.72)
    }
}

fn dots(c: &mut Canvas, (l, t, r, b): (f32, f32, f32, f32), color: Rgb) {
    let radius = lerp(2.6, 5.2, c.detail);
    let alpha = smooth(c.detail, 0.0, 0.6);
    let ink = contrast(color);
    let mut row = 0;
    let mut y = t + 9.0;
    while y < b + 4.0 {
        let mut x = l + 8.0 + if row % 2 == 1 { 8.0 } else { 0.0 };
        while x < r + 4.0 {
            c.fill(ellipse(x, y, radius, radius).as_ref(), ink, alpha);
            x += 16.0;
        }
        y += 13.0;
        row += 1;
    }
}

fn wood(c: &mut Canvas, (l, t, r, b): (f32, f32, f32, f32), tone: Rgb) {
    let ink = tone.dark(0.6);
    let grain = lerp(0.35, 0.9, c.detail);
    let mut y = t + 11.0;
    let mut k = 0;
    while y < b {
        c.line(
            curve((l, y), (f32::midpoint(l, r), y + 0.5), (r, y)).as_ref(),
            ink,
            2.0,
            0.9,
        );
        let x = lerp(l, r, if k % 2 == 0 { 0.3 } else { 0.68 });
        c.line(ellipse(x, y - 5.5, 6.5, 2.4).as_ref(), ink, 1.3, grain);
        c.line(
            curve((x + 9.0, y - 7.0), (x + 18.0, y - 4.0), (x + 30.0, y - 6.5)).as_ref(),
            ink,
            1.2,
            grain,
        );
        c.line(
            curve((x - 9.0, y - 4.0), (x - 18.0, y - 7.0), (x - 30.0, y - 4.5)).as_ref(),
            ink,
            1.2,
            grain,
        );
        y += 12.0;
        k += 1;
    }
}

fn metal(c: &mut Canvas, (l, t, r, b): (f32, f32, f32, f32), color: Rgb) {
    let w = r - l;
    let deep = color.dark(0.6);
    let bright = color.light(0.85);
    let bands = [
        (0.0, deep, 0.75, 0.16, color, 0.0),
        (0.14, color, 0.0, 0.3, bright, 0.95),
        (0.3, bright, 0.95, 0.42, color, 0.0),
        (0.5, color, 0.0, 0.72, deep, 0.75),
        (0.72, deep, 0.75, 0.8, bright, 0.8),
        (0.8, bright, 0.8, 0.9, color, 0.0),
        (0.88, color, 0.0, 1.0, deep, 0.8),
    ];
    for (x0, a, alpha_a, x1, e, alpha_e) in bands {
        let (x0, x1) = (l + w * x0, l + w * x1);
        c.fill_linear(
            rect(x0, t - 1.0, x1, b + 1.0).as_ref(),
            ((x0, 0.0), a, alpha_a),
            ((x1, 0.0), e, alpha_e),
        );
    }
    let rivet = 2.3 * smooth(c.detail, 0.05, 0.8);
    for y in [t + 8.0, b - 8.0] {
        for k in 0..5 {
            let x = l + w * (0.1 + 0.2 * k as f32);
            c.fill(ellipse(x, y, rivet, rivet).as_ref(), deep, 0.9);
        }
    }
}

fn stone(c: &mut Canvas, (l, t, r, b): (f32, f32, f32, f32), tone: Rgb) {
    let joint = tone.dark(0.62);
    let (w, h) = (19.0, 12.0);
    let mut row = 0;
    let mut y = t - 1.0;
    while y < b {
        let mut x = l - if row % 2 == 1 { w * 0.5 } else { 2.0 };
        let mut col = 0;
        while x < r {
            let block = round(x + 1.0, y + 1.0, x + w - 1.0, y + h - 1.0, 4.0);
            let shade = match (row * 2 + col) % 3 {
                0 => tone.light(0.2),
                1 => tone.dark(0.2),
                _ => tone,
            };
            c.fill(block.as_ref(), shade, 0.9);
            c.line(block.as_ref(), joint, 1.9, lerp(0.65, 1.0, c.detail));
            x += w;
            col += 1;
        }
        y += h;
        row += 1;
    }
}

fn glass(c: &mut Canvas, (l, t, r, b): (f32, f32, f32, f32), color: Rgb) {
    let (w, h) = (r - l, b - t);
    for (x, wide, alpha) in [
        (0.12f32, 0.16f32, 0.75f32),
        (0.36, 0.07, 0.55),
        (0.74, 0.1, 0.4),
    ] {
        let (x0, x1) = (l + w * x, l + w * (x + wide));
        let lean = w * 0.1;
        c.fill(
            polygon(&[
                (x0 + lean, t),
                (x1 + lean, t),
                (x1 - lean, b),
                (x0 - lean, b),
            ])
            .as_ref(),
            WHITE,
            alpha,
        );
    }
    let d = smooth(c.detail, 0.05, 1.0);
    for k in 1..4 {
        let y = t + h * k as f32 / 4.0;
        c.line(
            curve((l, y), (l + w / 2.0, y + 3.0), (r, y)).as_ref(),
            color.dark(0.3),
            2.4 * d,
            0.8,
        );
    }
}
