//! Robots: head and chest around the centre of the head.

use super::canvas::{Canvas, curve, ellipse, polygon, rect, round};
use super::color::{self, WHITE, hex, lerp, smooth};
use super::face;
use crate::scene::Subject;

/// Draws a robot.
pub(super) fn draw(c: &mut Canvas, s: &Subject) {
    let paint = color::paint(s.paint_color);
    let steel = hex(0x008a_90a0);
    let smile = face::expression(s.smile);
    let d = c.detail;
    // Body.
    c.solid(rect(-9.0, 28.0, 9.0, 48.0).as_ref(), steel.dark(0.2));
    for y in [35.0f32, 40.0] {
        c.line(
            curve((-9.0, y), (0.0, y), (9.0, y)).as_ref(),
            steel.dark(0.6),
            1.4,
            0.9,
        );
    }
    let body = round(-43.0, 44.0, 43.0, 110.0, 18.0);
    c.solid(body.as_ref(), paint);
    c.gloss((-20.0, 52.0), (20.0, 7.0), 0.6);
    c.solid(
        round(-20.0, 53.0, 20.0, 100.0, 5.0).as_ref(),
        paint.light(0.45),
    );
    for (x, tint) in [(-9.0f32, 0x00ff_4a4a), (9.0, 0x0040_d060)] {
        c.solid(ellipse(x, 62.0, 4.2, 4.2).as_ref(), hex(tint));
    }
    // Antenna and ears.
    c.line(
        curve((0.0, -32.0), (0.0, -38.0), (0.0, -44.0)).as_ref(),
        steel.dark(0.3),
        3.0,
        1.0,
    );
    c.solid(ellipse(0.0, -46.0, 5.0, 5.0).as_ref(), hex(0x00ff_5050));
    for side in [-1.0f32, 1.0] {
        let (a, b) = (side * 32.0, side * 41.0);
        c.solid(round(a.min(b), -10.0, a.max(b), 12.0, 3.5).as_ref(), steel);
    }
    // Head.
    let head = round(-35.0, -33.0, 35.0, 33.0, 13.0);
    c.solid(head.as_ref(), paint);
    c.clipped(head.as_ref(), |c| {
        c.gloss((-14.0, -28.0), (24.0, 8.0), 0.85);
        c.shade((24.0, 30.0), (30.0, 22.0), 0.35);
    });
    let contrast = if paint.luma() > 0.6 {
        paint.dark(0.65)
    } else {
        paint.light(0.75)
    };
    // Detail: rivets on the head and hazard stripes on the chest.
    let r = 2.6 * smooth(d, 0.05, 0.8);
    for (x, y) in [
        (-29.0f32, -27.0f32),
        (29.0, -27.0),
        (-29.0, 27.0),
        (29.0, 27.0),
        (0.0, -28.5),
    ] {
        c.fill(ellipse(x, y, r, r).as_ref(), contrast, 1.0);
    }
    c.clipped(body.as_ref(), |c| {
        for k in 0..4 {
            for side in [-1.0f32, 1.0] {
                let y = 56.0 + k as f32 * 10.0;
                let w = 6.5 * smooth(d, 0.05, 1.0);
                c.fill(
                    polygon(&[
                        (side * 23.0, y),
                        (side * 46.0, y - 6.0),
                        (side * 46.0, y - 6.0 + w),
                        (side * 23.0, y + w),
                    ])
                    .as_ref(),
                    contrast,
                    1.0,
                );
            }
        }
    });
    // Visor with brows and eyes of light.
    c.solid(
        round(-29.0, -24.0, 29.0, 5.0, 7.0).as_ref(),
        hex(0x0018_1a2a),
    );
    let glow = hex(0x0060_e8ff);
    let h = lerp(0.9, 8.2, s.eye_openness);
    for side in [-1.0f32, 1.0] {
        let (x, y) = (side * 13.5, -7.5);
        c.spot((x, y), (14.0, h + 5.0), glow, 0.45 * c.realism);
        let lamp = round(x - 8.2, y - h, x + 8.2, y + h, 6.0);
        c.fill(lamp.as_ref(), glow, 1.0);
        if h > 3.0 {
            let p = (h * 0.5).min(3.8);
            c.fill(ellipse(x, y, p, p).as_ref(), hex(0x000a_2a44), 1.0);
            c.fill(ellipse(x - 1.3, y - 1.4, 1.3, 1.3).as_ref(), WHITE, 1.0);
        }
    }
    face::brows(c, (13.5, -16.5), 7.0, smile * 0.75, hex(0x00ff_c83c), 2.4);
    // A mouth of light on a dark plate.
    c.solid(
        round(-22.0, 8.0, 22.0, 29.5, 7.0).as_ref(),
        hex(0x0018_1a2a),
    );
    let green = hex(0x006c_f08a);
    let corner = 18.5 - 5.6 * smile;
    let middle = 18.5 + 7.6 * smile;
    let open = smooth(smile, 0.45, 1.0);
    let half = 13.5 + 3.0 * smile.abs();
    let lip = curve((-half, corner), (0.0, middle), (half, corner));
    c.line(lip.as_ref(), green, 3.2, 1.0);
    if open > 0.02 {
        let grin = super::canvas::path(|p| {
            p.move_to(-half, corner);
            p.quad_to(0.0, middle, half, corner);
            p.quad_to(0.0, middle + 13.0 * open, -half, corner);
            p.close();
        });
        c.fill(grin.as_ref(), green, 1.0);
        c.line(grin.as_ref(), green, 2.2, 1.0);
    }
}
