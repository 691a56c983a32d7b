//! Cats and dogs: head and chest around the centre of the head.

use super::canvas::{Canvas, curve, ellipse, path, polygon};
use super::color::{self, INK, Rgb, WHITE, hex, lerp, smooth};
use super::face::{self, Eye, Mouth};
use crate::scene::Subject;

/// Colour of lines on fur: dark, but light on black fur.
fn line_on(fur: Rgb) -> Rgb {
    if fur.luma() < 0.3 {
        hex(0x000a_0a10)
    } else {
        fur.dark(0.82)
    }
}

fn chest(c: &mut Canvas, fur: Rgb, belly: Rgb) {
    let body = path(|p| {
        p.move_to(-37.0, 100.0);
        p.cubic_to(-36.0, 52.0, -24.0, 28.0, 0.0, 26.0);
        p.cubic_to(24.0, 28.0, 36.0, 52.0, 37.0, 100.0);
        p.close();
    });
    c.solid(body.as_ref(), fur.dark(0.08));
    c.fill(ellipse(0.0, 66.0, 17.0, 27.0).as_ref(), belly, 1.0);
}

fn collar(c: &mut Canvas) {
    let band = curve((-24.0, 35.0), (0.0, 49.0), (24.0, 35.0));
    c.line(band.as_ref(), hex(0x0060_1020), 7.6, 1.0);
    c.line(band.as_ref(), hex(0x00d8_304c), 6.0, 1.0);
    c.solid(ellipse(0.0, 45.5, 4.4, 4.4).as_ref(), hex(0x00ff_d23c));
}

fn eyes(c: &mut Canvas, s: &Subject, (dx, y): (f32, f32), iris: Rgb, fur: Rgb) {
    for side in [-1.0f32, 1.0] {
        face::eye(
            c,
            &Eye {
                at: (side * dx, y),
                half: 8.8,
                open: s.eye_openness,
                iris,
                lid: if fur.luma() < 0.3 {
                    hex(0x00b8_b8c4)
                } else {
                    INK
                },
                lash: 0.0,
            },
        );
    }
    let brow = if fur.luma() < 0.3 {
        hex(0x00a0_a0b0)
    } else {
        fur.dark(0.7)
    };
    let lift = lerp(1.5, -2.5, s.eye_openness);
    face::brows(
        c,
        (dx, y - 12.0 + lift),
        7.0,
        face::expression(s.smile),
        brow,
        2.6,
    );
}

fn muzzle_mouth(c: &mut Canvas, s: &Subject, y: f32, half: f32) {
    c.line(
        curve((0.0, y - 6.0), (0.0, y - 3.0), (0.0, y)).as_ref(),
        INK,
        1.8,
        0.9,
    );
    face::mouth(
        c,
        &Mouth {
            at: (0.0, y),
            half,
            smile: s.smile,
            lips: INK,
            width: 2.5,
            teeth: false,
            bend: 0.85,
        },
    );
}

fn belly_of(fur: Rgb) -> Rgb {
    if fur.luma() < 0.3 {
        hex(0x0078_7884)
    } else {
        fur.light(0.62)
    }
}

/// Draws a cat.
pub(super) fn cat(c: &mut Canvas, s: &Subject) {
    let fur = color::fur(s.fur_color);
    let pale = belly_of(fur);
    chest(c, fur, pale);
    collar(c);
    for side in [-1.0f32, 1.0] {
        let ear = polygon(&[
            (side * 34.0, -44.0),
            (side * 33.5, -8.0),
            (side * 8.0, -26.0),
        ]);
        c.solid(ear.as_ref(), fur);
        let inner = polygon(&[
            (side * 30.5, -36.0),
            (side * 30.0, -16.0),
            (side * 16.0, -25.0),
        ]);
        c.fill(inner.as_ref(), hex(0x00f0_98a8), 1.0);
    }
    let head = path(|p| {
        p.move_to(0.0, -30.0);
        p.cubic_to(26.0, -30.0, 36.0, -14.0, 36.0, 4.0);
        p.cubic_to(36.0, 24.0, 18.0, 33.0, 0.0, 33.0);
        p.cubic_to(-18.0, 33.0, -36.0, 24.0, -36.0, 4.0);
        p.cubic_to(-36.0, -14.0, -26.0, -30.0, 0.0, -30.0);
        p.close();
    });
    c.solid(head.as_ref(), fur);
    let stripe = if fur.luma() < 0.3 {
        fur.light(0.3)
    } else {
        fur.dark(0.45)
    };
    let d = c.detail;
    c.clipped(head.as_ref(), |c| {
        c.gloss((-10.0, -14.0), (18.0, 12.0), 0.35);
        c.shade((24.0, 26.0), (30.0, 24.0), 0.3);
        let w = 4.6 * smooth(d, 0.05, 0.9);
        for x in [-8.0f32, 0.0, 8.0] {
            c.line(
                curve((x, -34.0), (x, -24.0), (x * 0.9, -18.0)).as_ref(),
                stripe,
                w,
                0.95,
            );
        }
        for side in [-1.0f32, 1.0] {
            for y in [6.0f32, 14.0] {
                c.line(
                    curve((side * 38.0, y), (side * 30.0, y), (side * 26.0, y + 1.0)).as_ref(),
                    stripe,
                    w * 0.9,
                    0.95,
                );
            }
        }
    });
    c.fill(ellipse(-8.5, 17.0, 12.0, 9.5).as_ref(), pale, 1.0);
    c.fill(ellipse(8.5, 17.0, 12.0, 9.5).as_ref(), pale, 1.0);
    c.fill(ellipse(0.0, 24.0, 10.0, 8.0).as_ref(), pale, 1.0);
    eyes(c, s, (15.5, -5.0), hex(0x0058_b83a), fur);
    muzzle_mouth(c, s, 18.5, 13.0);
    let nose = polygon(&[(-5.0, 8.0), (5.0, 8.0), (0.0, 13.5)]);
    c.solid(nose.as_ref(), hex(0x00f0_7088));
    let whisker = if fur.luma() < 0.3 {
        WHITE
    } else {
        line_on(fur)
    };
    for side in [-1.0f32, 1.0] {
        for (y0, y1) in [(15.0, 11.0), (18.0, 19.0)] {
            c.line(
                curve(
                    (side * 20.0, y0),
                    (side * 32.0, y0 - 1.0),
                    (side * 44.0, y1),
                )
                .as_ref(),
                whisker,
                1.2,
                0.85,
            );
        }
    }
    if s.glasses == 1 {
        face::glasses(c, (15.5, -4.5), 12.6, 35.0);
    }
    if s.hat > 0 {
        face::hat(c, color::hat(s.hat), 25.0, -33.0, -19.0);
    }
}

/// Draws a dog.
pub(super) fn dog(c: &mut Canvas, s: &Subject) {
    let fur = color::fur(s.fur_color);
    let pale = belly_of(fur);
    let ear_tint = if s.fur_color == 1 {
        hex(0x00c9_c2ba)
    } else {
        fur.dark(0.35)
    };
    chest(c, fur, pale);
    collar(c);
    let head = path(|p| {
        p.move_to(0.0, -35.0);
        p.cubic_to(22.0, -35.0, 31.0, -18.0, 31.0, 0.0);
        p.cubic_to(31.0, 24.0, 20.0, 37.0, 0.0, 37.0);
        p.cubic_to(-20.0, 37.0, -31.0, 24.0, -31.0, 0.0);
        p.cubic_to(-31.0, -18.0, -22.0, -35.0, 0.0, -35.0);
        p.close();
    });
    c.solid(head.as_ref(), fur);
    let d = c.detail;
    let patch = if fur.luma() < 0.3 {
        fur.light(0.3)
    } else {
        fur.dark(0.4)
    };
    c.clipped(head.as_ref(), |c| {
        c.gloss((-8.0, -20.0), (16.0, 12.0), 0.35);
        c.shade((20.0, 28.0), (26.0, 24.0), 0.3);
        // Detail: a patch around one eye and spots on the forehead.
        let r = smooth(d, 0.05, 1.0);
        c.fill(ellipse(14.0, -8.0, 15.0 * r, 16.0 * r).as_ref(), patch, 1.0);
        for (x, y) in [
            (-16.0f32, -26.0f32),
            (-4.0, -30.0),
            (-22.0, -14.0),
            (-26.0, 12.0),
        ] {
            c.fill(ellipse(x, y, 4.5 * r, 4.5 * r).as_ref(), patch, 1.0);
        }
    });
    for side in [-1.0f32, 1.0] {
        let ear = path(|p| {
            p.move_to(side * 20.0, -31.0);
            p.cubic_to(side * 38.0, -40.0, side * 50.0, -16.0, side * 45.0, 10.0);
            p.cubic_to(side * 43.0, 24.0, side * 32.0, 24.0, side * 29.0, 8.0);
            p.cubic_to(side * 28.0, -8.0, side * 26.0, -20.0, side * 20.0, -31.0);
            p.close();
        });
        c.solid(ear.as_ref(), ear_tint);
    }
    c.fill(ellipse(0.0, 18.0, 19.0, 16.5).as_ref(), pale, 1.0);
    eyes(c, s, (14.0, -8.0), hex(0x007a_4420), fur);
    muzzle_mouth(c, s, 21.5, 13.0);
    c.solid(ellipse(0.0, 9.5, 8.0, 5.8).as_ref(), hex(0x0020_1c24));
    c.fill(ellipse(-2.5, 7.5, 2.4, 1.4).as_ref(), WHITE, 0.8);
    if s.glasses == 1 {
        face::glasses(c, (14.0, -7.5), 12.2, 32.0);
    }
    if s.hat > 0 {
        face::hat(c, color::hat(s.hat), 25.0, -36.0, -21.0);
    }
}
