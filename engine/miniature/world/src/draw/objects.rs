//! Houses, cups and apples: standing on the origin, growing upwards.

use super::canvas::{Canvas, curve, ellipse, path, polygon, rect, round};
use super::color::{self, WHITE, hex};
use super::texture::{self, GLASS};
use crate::scene::Subject;

/// Draws a house.
pub(super) fn house(c: &mut Canvas, s: &Subject) {
    let paint = color::paint(s.paint_color);
    let roof = hex(0x005c_4650);
    c.solid(rect(18.0, -88.0, 30.0, -60.0).as_ref(), hex(0x00a0_4a3c));
    c.solid(rect(16.0, -91.0, 32.0, -86.0).as_ref(), hex(0x0080_3a30));
    texture::surface(c, rect(-40.0, -50.0, 40.0, 0.0).as_ref(), paint, s.material);
    let gable = polygon(&[(-50.0, -47.0), (0.0, -92.0), (50.0, -47.0)]);
    c.solid(gable.as_ref(), roof);
    let d = c.detail;
    c.clipped(gable.as_ref(), |c| {
        for k in 0..4 {
            let y = -51.0 - k as f32 * 9.5;
            c.line(
                curve((-50.0, y), (0.0, y), (50.0, y)).as_ref(),
                roof.light(0.5),
                2.6 * d,
                0.9,
            );
        }
    });
    c.line(
        path(|p| {
            p.move_to(-51.0, -47.0);
            p.line_to(0.0, -92.5);
            p.line_to(51.0, -47.0);
        })
        .as_ref(),
        roof.dark(0.4),
        4.2,
        1.0,
    );
    let door = hex(0x0070_4422);
    let leaf = path(|p| {
        p.move_to(-9.0, 0.0);
        p.line_to(-9.0, -24.0);
        p.quad_to(-9.0, -33.0, 0.0, -33.0);
        p.quad_to(9.0, -33.0, 9.0, -24.0);
        p.line_to(9.0, 0.0);
        p.close();
    });
    c.solid(leaf.as_ref(), door);
    c.line(leaf.as_ref(), WHITE, 1.6, 0.9);
    c.fill(
        ellipse(5.0, -14.0, 1.9, 1.9).as_ref(),
        hex(0x00ff_d040),
        1.0,
    );
    for x in [-25.0f32, 25.0] {
        let pane = rect(x - 9.0, -36.0, x + 9.0, -17.0);
        c.solid(pane.as_ref(), hex(0x0096_d4f4));
        c.gloss((x - 4.0, -32.0), (8.0, 6.0), 0.9);
        c.line(pane.as_ref(), WHITE, 2.8, 1.0);
        c.line(
            curve((x, -36.0), (x, -26.0), (x, -17.0)).as_ref(),
            WHITE,
            2.0,
            1.0,
        );
        c.line(
            curve((x - 9.0, -26.5), (x, -26.5), (x + 9.0, -26.5)).as_ref(),
            WHITE,
            2.0,
            1.0,
        );
    }
    c.solid(ellipse(0.0, -62.0, 7.0, 7.0).as_ref(), hex(0x0096_d4f4));
    c.line(ellipse(0.0, -62.0, 7.0, 7.0).as_ref(), WHITE, 2.4, 1.0);
}

/// Draws a cup with a handle.
pub(super) fn cup(c: &mut Canvas, s: &Subject) {
    let paint = color::paint(s.paint_color);
    let handle = path(|p| {
        p.move_to(28.0, -50.0);
        p.cubic_to(56.0, -58.0, 58.0, -18.0, 24.0, -17.0);
    });
    c.line(
        handle.as_ref(),
        paint.dark(0.8),
        11.5,
        1.0 - 0.6 * c.realism,
    );
    c.line(handle.as_ref(), paint.dark(0.25), 9.5, 1.0);
    c.line(
        handle.as_ref(),
        paint.light(0.3),
        3.0,
        0.3 + 0.6 * c.realism,
    );
    let body = path(|p| {
        p.move_to(-34.0, -66.0);
        p.cubic_to(-33.0, -30.0, -30.0, -8.0, -24.0, -3.0);
        p.quad_to(0.0, 5.0, 24.0, -3.0);
        p.cubic_to(30.0, -8.0, 33.0, -30.0, 34.0, -66.0);
        p.close();
    });
    texture::surface(c, body.as_ref(), paint, s.material);
    c.clipped(body.as_ref(), |c| {
        c.gloss((-20.0, -40.0), (8.0, 26.0), 0.7);
        c.shade((26.0, -24.0), (18.0, 36.0), 0.35);
    });
    let rim = ellipse(0.0, -66.0, 34.0, 9.0);
    let inside = if s.material == GLASS {
        paint.light(0.45)
    } else {
        paint.dark(0.3)
    };
    c.solid(rim.as_ref(), inside);
    c.fill(
        ellipse(0.0, -64.5, 28.5, 6.2).as_ref(),
        hex(0x0058_3018),
        1.0,
    );
    c.line(rim.as_ref(), paint.light(0.5), 2.4, 1.0);
    for x in [-11.0f32, 9.0] {
        let steam = path(|p| {
            p.move_to(x, -74.0);
            p.cubic_to(x - 8.0, -81.0, x + 8.0, -87.0, x, -95.0);
        });
        c.line(steam.as_ref(), WHITE, 4.0, 0.75);
    }
}

/// Draws an apple.
pub(super) fn apple(c: &mut Canvas, s: &Subject) {
    let paint = color::paint(s.paint_color);
    let body = path(|p| {
        p.move_to(0.0, -62.0);
        p.cubic_to(14.0, -74.0, 44.0, -70.0, 42.0, -38.0);
        p.cubic_to(41.0, -12.0, 22.0, 6.0, 0.0, -2.0);
        p.cubic_to(-22.0, 6.0, -41.0, -12.0, -42.0, -38.0);
        p.cubic_to(-44.0, -70.0, -14.0, -74.0, 0.0, -62.0);
        p.close();
    });
    texture::surface(c, body.as_ref(), paint, s.material);
    c.clipped(body.as_ref(), |c| {
        c.shade((26.0, -16.0), (34.0, 36.0), 0.4);
        c.gloss((-18.0, -50.0), (14.0, 12.0), 0.9);
    });
    let dip = curve((-12.0, -66.0), (0.0, -54.0), (12.0, -66.0));
    c.line(dip.as_ref(), paint.dark(0.6), 3.0, 0.8);
    let stem = curve((0.0, -60.0), (0.0, -72.0), (6.0, -82.0));
    c.line(stem.as_ref(), hex(0x0050_3018), 5.0, 1.0);
    let leaf = path(|p| {
        p.move_to(4.0, -72.0);
        p.cubic_to(10.0, -90.0, 26.0, -90.0, 34.0, -80.0);
        p.cubic_to(26.0, -70.0, 14.0, -68.0, 4.0, -72.0);
        p.close();
    });
    c.solid(leaf.as_ref(), hex(0x003c_a83c));
    c.line(
        curve((6.0, -73.0), (18.0, -80.0), (30.0, -79.5)).as_ref(),
        hex(0x001c_6424),
        1.4,
        0.8,
    );
    if s.material == 0 {
        c.fill(round(-25.0, -54.0, -18.0, -38.0, 3.5).as_ref(), WHITE, 0.35);
    }
}
