//! Cars, from the front: standing on the origin, growing upwards.

use super::canvas::{Canvas, curve, ellipse, path, round};
use super::color::{self, WHITE, hex, lerp, ramp, smooth};
use crate::scene::Subject;

/// Half of a car's width, in pixels at scale 1.
pub(super) fn half_width(s: &Subject) -> f32 {
    lerp(28.0, 52.0, s.car_width)
}

/// Draws a car.
pub(super) fn draw(c: &mut Canvas, s: &Subject) {
    let w = half_width(s);
    let a = s.car_age;
    let paint = color::paint(s.paint_color).mix(hex(0x0094_8878), 0.3 * smooth(a, 0.3, 1.0));
    // Old cars stand tall and narrow-roofed on thin wheels; new ones crouch.
    let roof = lerp(-58.0, -74.0, a);
    let belt = lerp(-35.0, -42.0, a);
    let cabin = w * lerp(0.66, 0.6, a);
    for side in [-1.0f32, 1.0] {
        let (x0, x1) = (
            side * w * lerp(0.96, 0.9, a),
            side * w * lerp(0.56, 0.66, a),
        );
        c.solid(
            round(x0.min(x1), -17.0, x0.max(x1), 1.0, 3.5).as_ref(),
            hex(0x0022_222a),
        );
        // Mirrors.
        let m = side * (w + 1.5);
        c.solid(ellipse(m, belt - 2.0, 5.5, 3.8).as_ref(), paint.dark(0.15));
    }
    // Cabin.
    let house = path(|p| {
        p.move_to(-w * 0.88, belt + 4.0);
        p.cubic_to(
            -cabin * 1.15,
            belt - 8.0,
            -cabin,
            roof,
            -cabin * lerp(0.62, 0.85, a),
            roof,
        );
        p.line_to(cabin * lerp(0.62, 0.85, a), roof);
        p.cubic_to(cabin, roof, cabin * 1.15, belt - 8.0, w * 0.88, belt + 4.0);
        p.close();
    });
    c.solid(house.as_ref(), paint);
    let pane = path(|p| {
        p.move_to(-w * 0.72, belt + 1.0);
        p.cubic_to(
            -cabin,
            belt - 6.0,
            -cabin * 0.9,
            roof + 5.0,
            -cabin * 0.6,
            roof + 5.0,
        );
        p.line_to(cabin * 0.6, roof + 5.0);
        p.cubic_to(
            cabin * 0.9,
            roof + 5.0,
            cabin,
            belt - 6.0,
            w * 0.72,
            belt + 1.0,
        );
        p.close();
    });
    c.solid(
        pane.as_ref(),
        hex(0x009c_d8f0).mix(hex(0x00a0_a088), 0.6 * a),
    );
    c.clipped(pane.as_ref(), |c| {
        let shine = 1.0 - a;
        for (x, width) in [(-0.25f32, 7.0f32), (0.08, 3.0)] {
            c.line(
                curve(
                    (w * (x + 0.15), roof),
                    (w * x, -50.0),
                    (w * (x - 0.15), belt + 4.0),
                )
                .as_ref(),
                WHITE,
                width,
                0.75 * shine,
            );
        }
        // A crack in the pane.
        c.line(
            path(|p| {
                p.move_to(w * 0.1, roof + 5.0);
                p.line_to(w * 0.22, roof + 13.0);
                p.line_to(w * 0.14, roof + 19.0);
                p.line_to(w * 0.3, belt);
            })
            .as_ref(),
            WHITE,
            2.0,
            smooth(a, 0.55, 0.9),
        );
    });
    // Body.
    let corner = lerp(13.0, 6.0, a);
    let body = round(-w, belt, w, -8.0, corner);
    c.solid(body.as_ref(), paint);
    let d = c.detail;
    c.clipped(body.as_ref(), |c| {
        let stripe = if paint.luma() > 0.62 {
            paint.dark(0.65)
        } else {
            paint.light(0.8)
        };
        for side in [-1.0f32, 1.0] {
            let x = side * w * 0.16;
            c.line(
                curve((x, belt), (x, belt + 6.0), (x, belt + 14.0)).as_ref(),
                stripe,
                w * 0.2 * smooth(d, 0.05, 1.0),
                1.0,
            );
        }
        c.spot(
            (-w * 0.45, belt + 5.0),
            (w * 0.45, 5.0),
            WHITE,
            0.85 * (1.0 - a) * (0.4 + 0.6 * c.realism),
        );
        rust(c, w, belt, a);
    });
    lamps(c, w, belt, a);
    // Bumper and plate.
    let chrome = hex(0x00c8_ccd4).mix(hex(0x0084_5a3c), 0.75 * smooth(a, 0.35, 1.0));
    let sag = 3.5 * smooth(a, 0.6, 1.0);
    let bumper = path(|p| {
        p.move_to(-w - 1.0, -13.5);
        p.quad_to(0.0, -13.5, w + 1.0, -13.5 + sag);
        p.line_to(w + 1.0, -6.0 + sag);
        p.quad_to(0.0, -6.0, -w - 1.0, -6.0);
        p.close();
    });
    c.solid(bumper.as_ref(), chrome);
    c.solid(
        round(-9.5, -14.5, 9.5, -5.5, 2.0).as_ref(),
        hex(0x00f8_f4e0),
    );
    c.line(
        curve((-5.5, -10.0), (0.0, -10.0), (5.5, -10.0)).as_ref(),
        hex(0x0030_3440),
        3.0,
        0.85,
    );
}

/// Slim lamps and a low slot on a new car, round lamps and an upright grille on an old one.
fn lamps(c: &mut Canvas, w: f32, belt: f32, a: f32) {
    let y = lerp(belt + 10.0, belt + 12.0, a);
    let old = ramp(a, 0.15, 0.75);
    let half = w * lerp(0.36, 0.27, old);
    let top = lerp(y - 1.0, y - 8.5, old);
    let bottom = lerp(y + 5.5, y + 8.5, old);
    let bars = round(-half, top, half, bottom, lerp(3.0, 5.0, old));
    c.solid(bars.as_ref(), hex(0x0028_2a34));
    for k in 0..3 {
        let x = half * (k as f32 - 1.0) * 0.55;
        c.line(
            curve((x, top + 2.0), (x, y), (x, bottom - 2.0)).as_ref(),
            hex(0x00d4_d8dc),
            2.0,
            old,
        );
    }
    for side in [-1.0f32, 1.0] {
        let x = side * w * 0.69;
        let (rx, ry) = (lerp(w * 0.27, 8.6, old), lerp(3.6, 8.6, old));
        let tilt = lerp(3.0, 0.0, old);
        let lamp = path(|p| {
            p.move_to(x - side * rx, y + tilt);
            p.cubic_to(
                x - side * rx,
                y - ry * 1.3,
                x + side * rx,
                y - ry * 1.3 - tilt,
                x + side * rx,
                y - tilt,
            );
            p.cubic_to(
                x + side * rx,
                y + ry * 1.3,
                x - side * rx,
                y + ry * 1.3,
                x - side * rx,
                y + tilt,
            );
            p.close();
        });
        let broken = if side > 0.0 {
            smooth(a, 0.75, 0.95)
        } else {
            0.0
        };
        c.spot(
            (x, y),
            (rx + 6.0, ry + 6.0),
            hex(0x00ff_ffe0),
            0.5 * (1.0 - a),
        );
        c.solid(
            lamp.as_ref(),
            hex(0x00ff_f6c0).mix(hex(0x0070_6450), 0.25 * a + 0.6 * broken),
        );
        c.line(
            lamp.as_ref(),
            hex(0x00d4_d8dc).mix(hex(0x0084_5a3c), a),
            1.8,
            1.0,
        );
    }
}

/// Rust eats in from the edges, dents and scratches come with it.
fn rust(c: &mut Canvas, w: f32, belt: f32, a: f32) {
    let brown = hex(0x0090_4818);
    let patches = [
        (-0.92f32, -12.0f32, 17.0f32, 11.0f32),
        (0.95, -13.0, 15.0, 13.0),
        (-0.4, belt + 1.0, 12.0, 5.0),
        (0.78, belt, 13.0, 6.0),
        (0.38, -11.0, 11.0, 5.5),
        (-0.98, belt + 4.0, 8.0, 8.0),
    ];
    for (k, (x, y, rx, ry)) in patches.into_iter().enumerate() {
        let g = smooth(a, 0.28 + 0.06 * k as f32, 0.85 + 0.03 * k as f32);
        c.fill(
            ellipse(w * x, y, rx * g, ry * g).as_ref(),
            brown.dark(0.25),
            0.9,
        );
        c.fill(
            ellipse(w * x, y, rx * g * 0.7, ry * g * 0.7).as_ref(),
            brown.light(0.15),
            0.9,
        );
    }
    let dent = smooth(a, 0.5, 1.0);
    c.line(
        curve(
            (-w * 0.5, belt + 23.0),
            (-w * 0.38, belt + 15.0),
            (-w * 0.2, belt + 24.0),
        )
        .as_ref(),
        hex(0x0020_1814),
        2.0,
        0.7 * dent,
    );
}
