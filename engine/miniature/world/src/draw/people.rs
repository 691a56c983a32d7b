//! Men, women, boys and girls: head and shoulders around the centre of the head.

use super::canvas::{Canvas, curve, ellipse, path, polygon};
use super::color::{self, Rgb, WHITE, hex, lerp, ramp, smooth};
use super::face::{self, Eye, Mouth};
use super::hair::{self, Cut, Hair};
use super::wrinkles;
use crate::attributes::Kind;
use crate::scene::Subject;

/// Measures of a person, in pixels at scale 1.
pub(super) struct Build {
    pub(super) half: f32,
    pub(super) high: f32,
    /// How wide the jaw and the chin are, against the half width.
    jaw: f32,
    chin: f32,
    pub(super) eye_y: f32,
    pub(super) eye: f32,
    shoulder: f32,
    neck: f32,
    /// Wrinkles and greying, `0..=1`; none in children.
    pub(super) worn: f32,
}

fn build(s: &Subject) -> Build {
    let a = s.age;
    if s.kind.is_child() {
        // From a toddler to a teenager: the head grows longer, the eyes smaller and higher.
        return Build {
            half: lerp(26.0, 36.0, s.face_width) + lerp(1.5, -1.0, a),
            high: lerp(28.5, 36.0, a),
            jaw: lerp(0.98, 0.8, a),
            chin: lerp(0.68, 0.48, a),
            eye_y: lerp(5.0, -2.5, a),
            eye: lerp(10.6, 8.4, a),
            shoulder: lerp(25.0, 39.0, a),
            neck: lerp(7.0, 10.5, a),
            worn: 0.0,
        };
    }
    let man = s.kind == Kind::Man;
    let worn = ramp(a, 0.06, 1.0);
    Build {
        half: lerp(25.5, 36.5, s.face_width),
        high: if man { 36.5 } else { 35.0 } + 1.8 * a,
        jaw: if man { 0.92 } else { 0.78 } + 0.12 * worn,
        chin: if man { 0.7 } else { 0.42 } + 0.14 * worn,
        eye_y: -3.5,
        eye: lerp(9.8, 7.2, a),
        shoulder: if man { 51.0 } else { 43.0 },
        neck: if man { 16.0 } else { 11.0 },
        worn,
    }
}

fn head(b: &Build) -> Option<tiny_skia::Path> {
    let (w, h) = (b.half, b.high);
    path(|p| {
        p.move_to(0.0, -h);
        p.cubic_to(w * 0.64, -h, w, -h * 0.66, w, -h * 0.1);
        p.cubic_to(
            w * 1.0,
            h * 0.3,
            w * b.jaw,
            h * 0.62,
            w * b.chin * 0.8,
            h * 0.88,
        );
        p.quad_to(w * b.chin * 0.5, h, 0.0, h);
        p.quad_to(-w * b.chin * 0.5, h, -w * b.chin * 0.8, h * 0.88);
        p.cubic_to(-w * b.jaw, h * 0.62, -w, h * 0.3, -w, -h * 0.1);
        p.cubic_to(-w, -h * 0.66, -w * 0.64, -h, 0.0, -h);
        p.close();
    })
}

/// Draws a person.
pub(super) fn draw(c: &mut Canvas, s: &Subject) {
    let b = build(s);
    let skin = color::skin(s.skin_tone);
    let female = matches!(s.kind, Kind::Woman | Kind::Girl);
    let greying = smooth(b.worn, 0.2, 1.0);
    let tint = color::hair(s.hair_color).mix(hex(0x00c9_ccd2), 0.42 * greying);
    let man = s.kind == Kind::Man;
    let hair = Hair {
        head: (b.half, b.high),
        length: s.hair_length,
        color: tint,
        grey: greying,
        receding: if man { b.worn * 0.9 } else { 0.0 },
        cut: match s.kind {
            Kind::Man => Cut::Side,
            Kind::Woman => Cut::Middle,
            Kind::Boy => Cut::Tuft,
            _ => Cut::Fringe,
        },
    };
    hair.back(c);
    body(c, s, &b, skin);
    for side in [-1.0f32, 1.0] {
        let r = 6.0 + 1.5 * b.worn;
        c.solid(
            ellipse(side * b.half, b.eye_y + 4.0, r * 0.8, r * 1.15).as_ref(),
            skin.dark(0.06),
        );
    }
    hair.locks(c);
    let face = head(&b);
    c.solid(face.as_ref(), skin);
    c.clipped(face.as_ref(), |c| {
        c.shade(
            (b.half * 0.75, b.high * 0.75),
            (b.half * 0.9, b.high * 0.8),
            0.24,
        );
        c.gloss(
            (-b.half * 0.3, -b.high * 0.42),
            (b.half * 0.55, b.high * 0.4),
            lerp(0.12, 0.42, skin.luma()),
        );
    });
    features(c, s, &b, skin, tint, female);
    hair.cap(c);
    brows(c, s, &b, skin, tint);
    if female && s.kind == Kind::Girl && s.hat == 0 {
        bow(c, &b);
    }
    if s.glasses == 1 {
        face::glasses(c, (b.half * 0.46, b.eye_y + 0.5), 12.2, b.half);
    }
    if s.hat > 0 {
        face::hat(
            c,
            color::hat(s.hat),
            b.half + lerp(1.0, 4.0, s.hair_length),
            -b.high - 1.0,
            -b.high * 0.58,
        );
    }
}

fn body(c: &mut Canvas, s: &Subject, b: &Build, skin: Rgb) {
    let cloth = color::paint(s.clothes_color);
    let top = b.high + 6.0;
    let w = b.shoulder;
    let shape = path(|p| {
        p.move_to(-w - 2.0, 100.0);
        p.cubic_to(
            -w - 1.0,
            top + 12.0,
            -w * 0.8,
            top + 5.0,
            -b.neck - 5.0,
            top - 1.0,
        );
        p.line_to(b.neck + 5.0, top - 1.0);
        p.cubic_to(w * 0.8, top + 5.0, w + 1.0, top + 12.0, w + 2.0, 100.0);
        p.close();
    });
    c.solid(shape.as_ref(), cloth);
    let d = c.detail;
    let contrast = if cloth.luma() > 0.62 {
        cloth.dark(0.6)
    } else {
        cloth.light(0.72)
    };
    c.clipped(shape.as_ref(), |c| {
        if matches!(s.kind, Kind::Woman | Kind::Girl) {
            for k in 0..18 {
                let (col, row) = ((k % 6) as f32, (k / 6) as f32);
                let x = (col - 2.5) * 15.0 + if k / 6 == 1 { 7.5 } else { 0.0 };
                let r = lerp(2.2, 4.8, d);
                let y = top + 9.0 + row * 11.0;
                c.fill(ellipse(x, y, r, r).as_ref(), contrast, smooth(d, 0.0, 0.6));
            }
        } else {
            for k in 0..4 {
                let y = top + 8.0 + k as f32 * 11.0;
                c.line(
                    curve((-60.0, y + 3.0), (0.0, y - 1.0), (60.0, y + 3.0)).as_ref(),
                    contrast,
                    lerp(2.5, 6.5, d),
                    smooth(d, 0.0, 0.6),
                );
            }
        }
    });
    // The neck comes out of the collar.
    let n = b.neck;
    let neck = path(|p| {
        p.move_to(-n, b.high * 0.5);
        p.line_to(-n, top + 1.0);
        p.quad_to(0.0, top + 13.0, n, top + 1.0);
        p.line_to(n, b.high * 0.5);
        p.close();
    });
    c.line(
        curve(
            (-n - 4.0, top - 1.0),
            (0.0, top + 18.0),
            (n + 4.0, top - 1.0),
        )
        .as_ref(),
        cloth.dark(0.35),
        4.5,
        1.0,
    );
    c.solid_with(neck.as_ref(), skin.dark(0.14), 0.6);
    c.clipped(neck.as_ref(), |c| {
        c.shade((2.0, b.high), (n * 1.6, 9.0), 0.5);
    });
}

fn features(c: &mut Canvas, s: &Subject, b: &Build, skin: Rgb, tint: Rgb, female: bool) {
    let (w, h) = (b.half, b.high);
    let smile = face::expression(s.smile);
    let child = s.kind.is_child();
    let blush = 0.3 + 0.3 * smile.max(0.0) + if child { 0.15 } else { 0.0 };
    for side in [-1.0f32, 1.0] {
        c.spot(
            (side * w * 0.6, b.eye_y + 15.0 - 2.0 * smile),
            (w * 0.3, 7.0),
            hex(0x00f0_4a4a),
            blush * (1.0 - 0.6 * b.worn) * lerp(0.35, 1.0, skin.luma()),
        );
    }
    wrinkles::draw(c, b, skin);
    let mouth_y = h * if child { 0.64 } else { 0.56 } - smile.max(0.0) * 1.5;
    if s.beard == 1 && s.kind == Kind::Man {
        hair::beard(c, (w, h), mouth_y, tint);
    }
    let dx = w * 0.46;
    for side in [-1.0f32, 1.0] {
        face::eye(
            c,
            &Eye {
                at: (side * dx, b.eye_y),
                half: b.eye,
                open: s.eye_openness,
                iris: if skin.luma() > 0.75 {
                    hex(0x0032_78c8)
                } else {
                    hex(0x006a_3c1c)
                },
                lid: if female {
                    hex(0x0020_1418)
                } else {
                    skin.dark(0.75)
                },
                lash: if female { 3.6 } else { 0.0 },
            },
        );
    }
    let nose = if child {
        lerp(2.2, 3.8, s.age)
    } else {
        4.2 + 0.8 * b.worn
    };
    let nose = if s.kind == Kind::Man {
        nose * 1.35
    } else {
        nose
    };
    let ny = b.eye_y + (mouth_y - b.eye_y) * 0.58;
    c.line(
        curve((-nose, ny - 1.0), (0.0, ny + nose * 0.9), (nose, ny - 1.0)).as_ref(),
        skin.dark(0.5),
        2.0,
        0.85,
    );
    c.gloss((-1.0, ny - 4.0), (nose, 6.0), 0.35);
    let lips = match s.kind {
        Kind::Woman => hex(0x00c2_2440),
        Kind::Girl => hex(0x00d0_4a5a),
        _ => skin.dark(0.66),
    };
    // Inside a dark beard a dark line would drown.
    let lips = if s.beard == 1 && s.kind == Kind::Man {
        if tint.luma() < 0.45 {
            hex(0x00e8_9a8a)
        } else {
            hex(0x0080_2a2a)
        }
    } else {
        lips
    };
    face::mouth(
        c,
        &Mouth {
            at: (0.0, mouth_y),
            half: w * if female { 0.36 } else { 0.41 },
            smile: s.smile,
            lips,
            width: if female { 3.0 } else { 2.6 },
            teeth: true,
            bend: if child { 0.82 } else { 1.0 },
        },
    );
}

/// Brows lie over the fringe: they carry half of the expression, so nothing may hide them.
fn brows(c: &mut Canvas, s: &Subject, b: &Build, skin: Rgb, tint: Rgb) {
    let (dx, w) = (b.half * 0.46, b.half);
    let smile = face::expression(s.smile);
    let lift = lerp(1.5, -3.0, s.eye_openness);
    let brow = tint.mix(skin.dark(0.75), if tint.luma() > 0.7 { 0.5 } else { 0.38 });
    let thick = match s.kind {
        Kind::Man => 3.8,
        Kind::Woman => 2.2,
        _ => lerp(1.8, 2.8, s.age),
    };
    face::brows(
        c,
        (dx, b.eye_y - b.eye - 2.8 + lift),
        w * 0.25,
        smile,
        brow,
        thick,
    );
}

fn bow(c: &mut Canvas, b: &Build) {
    let (x, y) = (b.half * 0.55, -b.high * 0.98);
    let pink = hex(0x00f0_4a94);
    for side in [-1.0f32, 1.0] {
        let wing = polygon(&[
            (x, y),
            (x + side * 11.0, y - 6.5),
            (x + side * 11.0, y + 6.5),
        ]);
        c.solid(wing.as_ref(), pink);
    }
    c.solid(ellipse(x, y, 3.4, 3.4).as_ref(), pink.light(0.2));
    c.fill(ellipse(x - 1.0, y - 1.0, 1.1, 1.1).as_ref(), WHITE, 0.7);
}
