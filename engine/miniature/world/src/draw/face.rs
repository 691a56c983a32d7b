//! What every face has, of people, animals and robots alike: eyes, brows, mouth, glasses, hat.

use super::canvas::{Canvas, curve, ellipse, path, round};
use super::color::{INK, Rgb, WHITE, hex, lerp, ramp, smooth};

/// One eye.
pub(super) struct Eye {
    /// Centre.
    pub(super) at: (f32, f32),
    /// Half of the width.
    pub(super) half: f32,
    /// 0 closed, 1 wide open.
    pub(super) open: f32,
    /// Colour of the iris.
    pub(super) iris: Rgb,
    /// Colour of the lid's edge.
    pub(super) lid: Rgb,
    /// Length of the lashes at the outer corner; 0 for none.
    pub(super) lash: f32,
}

/// Draws an eye. Both lids are curves between the corners; closing brings the upper down onto
/// the lower, so every step of the way is an eye.
pub(super) fn eye(c: &mut Canvas, e: &Eye) {
    let (x, y) = e.at;
    let h = e.half;
    let low = lerp(0.62, 1.35, e.open) * h;
    let high = lerp(low, -1.75 * h, ramp(e.open, 0.0, 1.0).powf(0.62));
    let almond = |p: &mut tiny_skia::PathBuilder| {
        p.move_to(x - h, y);
        p.cubic_to(x - h * 0.62, y + high, x + h * 0.62, y + high, x + h, y);
    };
    if e.open > 0.04 {
        let lens = path(|p| {
            almond(p);
            p.cubic_to(x + h * 0.62, y + low, x - h * 0.62, y + low, x - h, y);
            p.close();
        });
        c.fill(lens.as_ref(), WHITE, 1.0);
        let cy = y + (low + high) * 0.3 * (1.0 - e.open);
        let r = h * 0.64;
        c.clipped(lens.as_ref(), |c| {
            c.fill(ellipse(x, cy, r, r).as_ref(), e.iris.dark(0.35), 1.0);
            c.fill(ellipse(x, cy + 0.4, r * 0.8, r * 0.8).as_ref(), e.iris, 1.0);
            c.fill(ellipse(x, cy, r * 0.5, r * 0.5).as_ref(), INK, 1.0);
            c.fill(
                ellipse(x - r * 0.35, cy - r * 0.4, r * 0.3, r * 0.3).as_ref(),
                WHITE,
                1.0,
            );
        });
        let lower = path(|p| {
            p.move_to(x - h, y);
            p.cubic_to(x - h * 0.62, y + low, x + h * 0.62, y + low, x + h, y);
        });
        c.line(lower.as_ref(), e.lid, 0.9, 0.55);
    }
    c.line(path(almond).as_ref(), e.lid, h * 0.26, 1.0);
    if e.lash > 0.0 {
        let out = x.signum();
        let droop = lerp(0.9, -0.5, e.open) * e.lash;
        let tip = (x + out * (h + e.lash), y + droop);
        c.line(
            curve((x + out * h * 0.7, y + high * 0.3), (x + out * h, y), tip).as_ref(),
            e.lid,
            1.8,
            1.0,
        );
    }
}

/// Two brows, mirrored: `s` from -1 (a deep frown) to 1 (a broad smile) lifts the inner ends in
/// sorrow, the middle in joy.
pub(super) fn brows(
    c: &mut Canvas,
    (dx, y): (f32, f32),
    half: f32,
    s: f32,
    color: Rgb,
    width: f32,
) {
    let sad = (-s).max(0.0);
    let glad = s.max(0.0);
    for side in [-1.0f32, 1.0] {
        let inner = (side * (dx - half), y + 0.5 - 6.5 * sad - 1.5 * glad);
        let outer = (side * (dx + half), y + 1.5 + 4.0 * sad - 0.5 * glad);
        let bend = (side * (dx + half * 0.1), y - 3.0 - 6.0 * glad);
        c.line(curve(inner, bend, outer).as_ref(), color, width, 1.0);
    }
}

/// A mouth.
pub(super) struct Mouth {
    /// Centre.
    pub(super) at: (f32, f32),
    /// Half of the width when neutral.
    pub(super) half: f32,
    /// 0 a deep frown, 0.5 neutral, 1 a broad open smile.
    pub(super) smile: f32,
    /// Colour of the lips or of the line.
    pub(super) lips: Rgb,
    /// Width of the line.
    pub(super) width: f32,
    /// Whether teeth show when it opens.
    pub(super) teeth: bool,
    /// How far everything bends, 1 for a human face.
    pub(super) bend: f32,
}

/// A smile's value as a bend from -1 (a deep frown) to 1 (a broad smile), steeper around neutral:
/// the first step away from it must already show.
pub(super) fn expression(smile: f32) -> f32 {
    let s = (smile * 2.0 - 1.0).clamp(-1.0, 1.0);
    s.signum() * s.abs().powf(0.72)
}

/// Draws a mouth. The corners and the middle move against each other, a smile opens from three
/// quarters on.
pub(super) fn mouth(c: &mut Canvas, m: &Mouth) {
    let s = expression(m.smile);
    let (x, y) = m.at;
    let half = m.half * (1.0 + 0.28 * s.abs());
    let corner = y - 5.2 * s * m.bend;
    let middle = y + 8.4 * s * m.bend;
    let open = smooth(s, 0.42, 1.0) * 17.0 * m.bend;
    let upper = curve((x - half, corner), (x, middle), (x + half, corner));
    if open > 0.6 {
        let shape = path(|p| {
            p.move_to(x - half, corner);
            p.quad_to(x, middle, x + half, corner);
            p.cubic_to(
                x + half * 0.8,
                corner + open * 0.95 + 4.0,
                x + half * 0.35,
                middle + open * 0.78,
                x,
                middle + open * 0.76,
            );
            p.cubic_to(
                x - half * 0.35,
                middle + open * 0.78,
                x - half * 0.8,
                corner + open * 0.95 + 4.0,
                x - half,
                corner,
            );
            p.close();
        });
        c.fill(shape.as_ref(), hex(0x006b_1524), 1.0);
        c.clipped(shape.as_ref(), |c| {
            c.fill(
                ellipse(x, middle + open * 0.75, half * 0.55, open * 0.32).as_ref(),
                hex(0x00ef_6f7c),
                1.0,
            );
            if m.teeth {
                let t = 1.0 + open * 0.36;
                c.line(
                    curve(
                        (x - half, corner + t * 0.25),
                        (x, middle + t * 0.25),
                        (x + half, corner + t * 0.25),
                    )
                    .as_ref(),
                    WHITE,
                    t,
                    1.0,
                );
            }
        });
        c.line(shape.as_ref(), m.lips, m.width * 0.8, 1.0);
    }
    c.line(upper.as_ref(), m.lips, m.width, 1.0);
    if s < 0.0 {
        // The lower lip pushes up under a frown.
        let chin = y + 5.2 + 2.0 * -s;
        c.line(
            curve(
                (x - half * 0.35, chin),
                (x, chin - 3.0),
                (x + half * 0.35, chin),
            )
            .as_ref(),
            m.lips.dark(0.2),
            1.5,
            0.55 * smooth(-s, 0.2, 1.0),
        );
    }
}

/// Round glasses before two eyes.
pub(super) fn glasses(c: &mut Canvas, (dx, y): (f32, f32), radius: f32, temple: f32) {
    let frame = hex(0x0015_1522);
    for side in [-1.0f32, 1.0] {
        let lens = ellipse(side * dx, y, radius, radius * 0.95);
        c.fill(lens.as_ref(), hex(0x00ff_ffff), 0.22);
        c.gloss(
            (side * dx - 3.0, y - 4.0),
            (radius * 0.5, radius * 0.4),
            0.5,
        );
        c.line(lens.as_ref(), WHITE, 4.2, 0.3);
        c.line(lens.as_ref(), frame, 2.7, 1.0);
        c.line(
            curve(
                (side * (dx + radius), y - 1.0),
                (side * (dx + radius), y - 1.0),
                (side * temple, y - 3.0),
            )
            .as_ref(),
            frame,
            2.4,
            1.0,
        );
    }
    let gap = (dx - radius).max(0.5);
    c.line(
        curve((-gap, y - 1.5), (0.0, y - 4.5), (gap, y - 1.5)).as_ref(),
        frame,
        2.5,
        1.0,
    );
}

/// A woollen hat with a pompom on a head whose top is at `top`; `y` is where the band sits.
pub(super) fn hat(c: &mut Canvas, color: Rgb, half: f32, top: f32, y: f32) {
    let dome = path(|p| {
        p.move_to(-half, y);
        p.cubic_to(
            -half * 0.98,
            top * 1.1,
            -half * 0.55,
            top - 5.0,
            0.0,
            top - 5.0,
        );
        p.cubic_to(half * 0.55, top - 5.0, half * 0.98, top * 1.1, half, y);
        p.close();
    });
    c.solid(
        ellipse(0.0, top - 7.0, 6.0, 6.0).as_ref(),
        color.light(0.35),
    );
    c.solid(dome.as_ref(), color);
    let d = c.detail;
    c.clipped(dome.as_ref(), |c| {
        for k in 0..5 {
            let x = (k as f32 - 2.0) * half * 0.42;
            c.line(
                curve((x * 0.35, top - 4.0), (x, top), (x, y)).as_ref(),
                color.dark(0.55),
                2.0,
                d * 0.6,
            );
        }
    });
    c.gloss((-half * 0.4, top + 4.0), (half * 0.4, 9.0), 0.45);
    c.solid(
        round(-half - 3.0, y - 6.0, half + 3.0, y + 3.5, 4.5).as_ref(),
        color.dark(0.22),
    );
}
