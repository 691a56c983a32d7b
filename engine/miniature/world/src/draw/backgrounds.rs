//! Backgrounds: bands at fixed heights, few and large elements at fixed places. Detail lets more
//! of them grow, it never moves any.

use super::canvas::{Canvas, curve, ellipse, path, polygon, rect};
use super::color::{self, Rgb, WHITE, hex, lerp, smooth};
use crate::attributes::Background;

const EDGE: f32 = 128.0;

/// Fills the whole picture.
pub(super) fn draw(c: &mut Canvas, background: Background, plain: usize) {
    c.place(0.0, 0.0, 1.0);
    match background {
        Background::Plain => wall(c, color::wall(plain)),
        Background::Beach => beach(c),
        Background::Forest => forest(c),
        Background::City => city(c),
        Background::Room => room(c),
    }
}

/// A band from one height to another, from one colour to another where the picture is shaded and
/// in their middle where it is flat.
fn band(c: &mut Canvas, top: f32, bottom: f32, a: Rgb, b: Rgb) {
    let mean = a.mix(b, 0.5);
    let r = c.realism;
    let shape = rect(0.0, top, EDGE, bottom);
    if r < 0.02 {
        c.fill(shape.as_ref(), mean, 1.0);
        return;
    }
    c.fill_linear(
        shape.as_ref(),
        ((0.0, top), mean.mix(a, r), 1.0),
        ((0.0, bottom), mean.mix(b, r), 1.0),
    );
}

fn wall(c: &mut Canvas, color: Rgb) {
    band(c, 0.0, EDGE, color.light(0.2), color.dark(0.2));
    let r = lerp(2.5, 7.0, c.detail);
    let alpha = 0.85 * smooth(c.detail, 0.0, 0.7);
    let ink = if color.luma() > 0.7 {
        color.dark(0.3)
    } else {
        color.light(0.5)
    };
    for row in 0..5 {
        for col in 0..5 {
            let x = 4.0 + col as f32 * 28.0 + if row % 2 == 1 { 14.0 } else { 0.0 };
            let y = 10.0 + row as f32 * 27.0;
            c.fill(ellipse(x, y, r, r).as_ref(), ink, alpha);
        }
    }
}

fn beach(c: &mut Canvas) {
    let d = c.detail;
    band(c, 0.0, 58.0, hex(0x0058_b4f0), hex(0x00ce_eefc));
    c.spot(
        (107.0, 19.0),
        (27.0, 27.0),
        hex(0x00ff_f0a0),
        0.8 * c.realism,
    );
    c.fill(
        ellipse(107.0, 19.0, 12.0, 12.0).as_ref(),
        hex(0x00ff_dc50),
        1.0,
    );
    band(c, 58.0, 90.0, hex(0x0018_7cc0), hex(0x0038_b8d4));
    let shore = path(|p| {
        p.move_to(0.0, 86.0);
        p.quad_to(36.0, 80.0, 70.0, 87.0);
        p.quad_to(100.0, 92.0, EDGE, 85.0);
        p.line_to(EDGE, EDGE);
        p.line_to(0.0, EDGE);
        p.close();
    });
    c.line(shore.as_ref(), WHITE, 5.0, 0.9);
    c.solid_with(shore.as_ref(), hex(0x00f4_d68e), 0.0);
    // Detail: clouds, waves, a boat, shells.
    for (k, (x, y, s)) in [(20.0f32, 18.0f32, 1.0f32), (66.0, 9.0, 0.8)]
        .into_iter()
        .enumerate()
    {
        let g = s * smooth(d, 0.05 + 0.25 * k as f32, 0.7 + 0.2 * k as f32);
        for (dx, rx) in [(-9.0, 8.0), (0.0, 11.0), (9.0, 8.0)] {
            c.fill(
                ellipse(x + dx * g, y, rx * g, rx * 0.62 * g).as_ref(),
                WHITE,
                0.95,
            );
        }
    }
    for (x, y) in [
        (10.0f32, 66.0f32),
        (38.0, 74.0),
        (92.0, 67.0),
        (116.0, 76.0),
    ] {
        let g = 8.0 * smooth(d, 0.1, 0.9);
        c.line(
            curve((x - g, y), (x, y - 4.0), (x + g, y)).as_ref(),
            WHITE,
            2.0,
            0.9 * smooth(d, 0.1, 0.4),
        );
    }
    let g = smooth(d, 0.3, 0.9);
    c.fill(
        polygon(&[
            (12.0, 58.0),
            (12.0, 58.0 - 22.0 * g),
            (12.0 + 13.0 * g, 58.0),
        ])
        .as_ref(),
        hex(0x00f4_3c3c),
        1.0,
    );
    for (x, y) in [
        (8.0f32, 104.0f32),
        (22.0, 120.0),
        (104.0, 101.0),
        (120.0, 116.0),
    ] {
        let r = 4.4 * smooth(d, 0.2, 1.0);
        c.fill(ellipse(x, y, r, r * 0.8).as_ref(), hex(0x00f0_7850), 1.0);
    }
}

fn forest(c: &mut Canvas) {
    let d = c.detail;
    band(c, 0.0, 96.0, hex(0x008c_d8c0), hex(0x00d8_f4c8));
    let fir = |c: &mut Canvas, x: f32, base: f32, h: f32, color: Rgb| {
        if h < 4.0 {
            return;
        }
        let w = h * 0.26;
        c.fill(
            rect(x - 2.5, base - 4.0, x + 2.5, base + 5.0).as_ref(),
            hex(0x0068_4426),
            1.0,
        );
        for k in 0..3 {
            let top = base - h + k as f32 * h * 0.25;
            let half = w * (0.55 + 0.225 * k as f32);
            let tier = polygon(&[
                (x, top),
                (x - half, top + h * 0.46),
                (x + half, top + h * 0.46),
            ]);
            c.solid_with(tier.as_ref(), color, 0.5);
        }
    };
    let far = hex(0x006c_b890);
    // Detail: a second row of trees behind, flowers before.
    for (x, h) in [(34.0f32, 76.0f32), (64.0, 84.0), (95.0, 78.0)] {
        fir(c, x, 94.0, h * smooth(d, 0.0, 0.8), far);
    }
    for (x, h) in [(14.0f32, 88.0f32), (114.0, 92.0)] {
        fir(c, x, 98.0, h, hex(0x001c_7c4c));
    }
    for (x, h) in [(48.0f32, 62.0f32), (82.0, 58.0)] {
        fir(c, x, 98.0, h * smooth(d, -0.6, 0.4), hex(0x0030_9458));
    }
    band(c, 96.0, EDGE, hex(0x0060_b848), hex(0x002c_8438));
    for (k, (x, y)) in [
        (7.0f32, 106.0f32),
        (121.0, 107.0),
        (18.0, 120.0),
        (108.0, 119.0),
        (64.0, 112.0),
    ]
    .into_iter()
    .enumerate()
    {
        let r = 4.6 * smooth(d, 0.1, 1.0);
        c.fill(
            ellipse(x, y, r, r).as_ref(),
            if k % 2 == 0 {
                hex(0x00ff_f0f4)
            } else {
                hex(0x00ff_e048)
            },
            1.0,
        );
        c.fill(
            ellipse(x, y, r * 0.4, r * 0.4).as_ref(),
            hex(0x00f0_7830),
            1.0,
        );
    }
}

fn city(c: &mut Canvas) {
    let d = c.detail;
    band(c, 0.0, 104.0, hex(0x0090_a8e8), hex(0x00f0_d4dc));
    let houses = [
        (-4.0f32, 24.0f32, 30.0f32, hex(0x005c_6494)),
        (96.0, 18.0, 36.0, hex(0x0064_5c8c)),
        (24.0, 46.0, 26.0, hex(0x0088_90bc)),
        (74.0, 40.0, 24.0, hex(0x0080_88b4)),
        (48.0, 12.0, 28.0, hex(0x0098_a0c8)),
    ];
    for (x, top, w, tint) in houses.into_iter().rev() {
        c.solid_with(rect(x, top, x + w, 106.0).as_ref(), tint, 0.7);
        // Detail: rows of windows light up and grow, always on the same grid.
        let g = smooth(d, 0.0, 0.9);
        let (hw, hh) = (w * 0.16 * lerp(0.35, 1.0, g), 5.0 * lerp(0.35, 1.0, g));
        let mut y = top + 11.0;
        while y < 98.0 {
            for f in [0.28f32, 0.72] {
                let cx = x + w * f;
                c.fill(
                    rect(cx - hw, y - hh, cx + hw, y + hh).as_ref(),
                    hex(0x00ff_e890),
                    0.35 + 0.65 * g,
                );
            }
            y += 18.0;
        }
    }
    band(c, 104.0, 109.0, hex(0x00d0_d0d8), hex(0x00b8_b8c4));
    band(c, 109.0, EDGE, hex(0x0070_707c), hex(0x0050_505c));
    let g = smooth(d, 0.1, 0.8);
    for x in [14.0f32, 64.0, 114.0] {
        c.line(
            curve((x - 13.0 * g, 119.0), (x, 119.0), (x + 13.0 * g, 119.0)).as_ref(),
            hex(0x00f8_f0c0),
            3.4 * g,
            1.0,
        );
    }
}

fn room(c: &mut Canvas) {
    let d = c.detail;
    let paper = hex(0x00ee_d6bc);
    band(c, 0.0, 100.0, paper.light(0.3), paper.dark(0.08));
    for k in 0..8 {
        let x = 8.0 + k as f32 * 16.0;
        c.line(
            curve((x, 0.0), (x, 50.0), (x, 97.0)).as_ref(),
            hex(0x00c8_6e5c),
            7.0 * smooth(d, 0.0, 1.0),
            lerp(0.35, 0.9, d),
        );
    }
    let pane = rect(6.0, 12.0, 34.0, 48.0);
    c.fill_linear(
        pane.as_ref(),
        ((0.0, 12.0), hex(0x0070_c0f4), 1.0),
        ((0.0, 48.0), hex(0x00d8_f2fc), 1.0),
    );
    c.line(pane.as_ref(), hex(0x0090_6c54), 6.0, 0.5);
    c.line(pane.as_ref(), WHITE, 4.0, 1.0);
    c.line(
        curve((20.0, 12.0), (20.0, 30.0), (20.0, 48.0)).as_ref(),
        WHITE,
        3.0,
        1.0,
    );
    c.line(
        curve((6.0, 30.0), (20.0, 30.0), (34.0, 30.0)).as_ref(),
        WHITE,
        3.0,
        1.0,
    );
    let frame = rect(98.0, 14.0, 120.0, 38.0);
    c.fill(frame.as_ref(), hex(0x0050_b890), 1.0);
    c.fill(
        ellipse(109.0, 26.0, 6.0, 6.0).as_ref(),
        hex(0x00ff_d850),
        1.0,
    );
    c.line(frame.as_ref(), hex(0x0080_4824), 4.0, 1.0);
    band(c, 97.0, 101.0, WHITE, hex(0x00e8_e0d8));
    band(c, 101.0, EDGE, hex(0x00a4_6838), hex(0x0078_4420));
    for y in [108.0f32, 118.0] {
        c.line(
            curve((0.0, y), (64.0, y), (128.0, y)).as_ref(),
            hex(0x0050_2c14),
            2.6 * smooth(d, 0.05, 0.9),
            0.8,
        );
    }
}
