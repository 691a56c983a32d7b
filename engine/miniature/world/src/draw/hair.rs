//! Hair and beards of people.

use super::canvas::{Canvas, curve, ellipse, path};
use super::color::{Rgb, hex, lerp, ramp, smooth};

/// Measures of a head of hair.
pub(super) struct Hair {
    /// Half width and half height of the head.
    pub(super) head: (f32, f32),
    /// [`crate::Continuous::HairLength`].
    pub(super) length: f32,
    /// Colour, greying included.
    pub(super) color: Rgb,
    /// How grey the temples are, `0..=1`.
    pub(super) grey: f32,
    /// How far the hairline has gone back, `0..=1`.
    pub(super) receding: f32,
    /// Cut of the fringe.
    pub(super) cut: Cut,
}

/// Cut of the fringe.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Cut {
    /// Brushed to one side.
    Side,
    /// Parted in the middle.
    Middle,
    /// Straight over the forehead.
    Fringe,
    /// A tuft.
    Tuft,
}

impl Hair {
    /// How high the hair stands above the skull.
    fn volume(&self) -> f32 {
        lerp(0.4, 7.5, ramp(self.length, 0.12, 0.48))
    }

    /// Where the hair at the sides ends.
    fn bottom(&self) -> f32 {
        lerp(-16.0, 70.0, ramp(self.length, 0.16, 1.0))
    }

    fn half(&self) -> f32 {
        self.head.0 + lerp(0.5, 9.5, ramp(self.length, 0.15, 0.65))
    }

    /// Hair behind head and body.
    pub(super) fn back(&self, c: &mut Canvas) {
        if self.length < 0.2 {
            return;
        }
        let (_, hh) = self.head;
        let (w, b, v) = (self.half(), self.bottom(), self.volume());
        let shape = path(|p| {
            p.move_to(0.0, -hh - v);
            p.cubic_to(-w * 0.95, -hh - v, -w * 1.02, -hh * 0.4, -w, 0.0);
            p.line_to(-w * 1.02, b - 5.0);
            p.quad_to(-w * 0.98, b + 2.0, -w * 0.7, b + 1.0);
            p.line_to(w * 0.7, b + 1.0);
            p.quad_to(w * 0.98, b + 2.0, w * 1.02, b - 5.0);
            p.line_to(w, 0.0);
            p.cubic_to(w * 1.02, -hh * 0.4, w * 0.95, -hh - v, 0.0, -hh - v);
            p.close();
        });
        c.solid(shape.as_ref(), self.color.dark(0.22));
    }

    /// The locks that fall in front of the shoulders once the hair is long.
    pub(super) fn locks(&self, c: &mut Canvas) {
        let b = self.bottom();
        if b < 18.0 {
            return;
        }
        let w = self.half();
        let inner = self.head.0 * 0.8;
        for side in [-1.0f32, 1.0] {
            let lock = path(|p| {
                p.move_to(side * (w - 1.0), -6.0);
                p.cubic_to(
                    side * (w + 2.5),
                    b * 0.3,
                    side * (w + 3.5),
                    b * 0.7,
                    side * (w + 0.5),
                    b,
                );
                p.quad_to(side * (w - 4.0), b + 4.0, side * (inner + 1.0), b - 3.0);
                p.cubic_to(
                    side * (inner + 3.0),
                    b * 0.7,
                    side * (inner + 1.0),
                    b * 0.4,
                    side * (inner + 4.0),
                    0.0,
                );
                p.close();
            });
            c.solid(lock.as_ref(), self.color);
            let strand = curve(
                (side * (w - 3.0), 8.0),
                (side * (w + 0.5), b * 0.6),
                (side * (w - 4.0), b - 5.0),
            );
            c.line(
                strand.as_ref(),
                self.color.dark(0.5),
                1.4,
                0.2 + 0.5 * c.detail,
            );
            c.line(strand.as_ref(), hex(0x00e4_e6ea), 3.0, 0.75 * self.grey);
        }
    }

    /// The cap of hair over the skull, with its fringe.
    pub(super) fn cap(&self, c: &mut Canvas) {
        let (hw, hh) = self.head;
        let v = self.volume();
        let w = hw + v * 0.5;
        let side_y = lerp(-hh * 0.2, hh * 0.1, ramp(self.length, 0.1, 0.5));
        let line = -hh * lerp(0.62, 0.44, ramp(self.length, 0.1, 0.6)) - self.receding * hh * 0.2;
        let shape = path(|p| {
            p.move_to(-w, side_y);
            p.cubic_to(-w * 1.02, -hh * 0.75, -w * 0.62, -hh - v, 0.0, -hh - v);
            p.cubic_to(w * 0.62, -hh - v, w * 1.02, -hh * 0.75, w, side_y);
            p.line_to(hw * 0.9, side_y);
            let temple = line - self.receding * 4.0;
            match self.cut {
                Cut::Side => {
                    p.cubic_to(hw * 0.86, line, hw * 0.6, temple, hw * 0.4, temple - 2.0);
                    p.cubic_to(
                        hw * 0.0,
                        line + 3.0,
                        -hw * 0.6,
                        line + 2.0,
                        -hw * 0.9,
                        side_y,
                    );
                }
                Cut::Middle => {
                    p.cubic_to(hw * 0.86, line, hw * 0.3, line - 2.0, 0.0, line - 9.0);
                    p.cubic_to(-hw * 0.3, line - 2.0, -hw * 0.86, line, -hw * 0.9, side_y);
                }
                Cut::Fringe => {
                    p.quad_to(hw * 0.86, line + 4.0, hw * 0.62, line + 3.5);
                    p.quad_to(0.0, line + 6.5, -hw * 0.62, line + 3.5);
                    p.quad_to(-hw * 0.86, line + 4.0, -hw * 0.9, side_y);
                }
                Cut::Tuft => {
                    p.quad_to(hw * 0.86, line + 1.0, hw * 0.5, line);
                    p.line_to(hw * 0.3, line + 7.0);
                    p.line_to(hw * 0.08, line + 1.0);
                    p.line_to(-hw * 0.16, line + 8.0);
                    p.line_to(-hw * 0.34, line + 1.0);
                    p.quad_to(-hw * 0.86, line + 1.0, -hw * 0.9, side_y);
                }
            }
            p.close();
        });
        // A shaved head keeps a shimmer of its colour.
        let presence = lerp(0.14, 1.0, smooth(self.length, 0.02, 0.17));
        if presence < 0.99 {
            c.fill(shape.as_ref(), self.color, presence);
        } else {
            c.solid(shape.as_ref(), self.color);
        }
        let grey = hex(0x00e4_e6ea);
        for side in [-1.0f32, 1.0] {
            c.fill(
                ellipse(side * (w - 4.0), side_y - 5.5, 3.4, 7.5).as_ref(),
                grey,
                0.9 * self.grey * presence,
            );
        }
        if self.length > 0.12 {
            let shine = curve(
                (-hw * 0.62, -hh * 0.72),
                (-hw * 0.4, -hh * 1.0),
                (hw * 0.12, -hh * 0.98),
            );
            let a = 0.16 + 0.3 * c.realism;
            c.line(shine.as_ref(), self.color.light(0.7), 3.0, a);
        }
    }
}

/// A full beard around the mouth of a head.
pub(super) fn beard(c: &mut Canvas, (hw, hh): (f32, f32), mouth: f32, color: Rgb) {
    let shape = path(|p| {
        p.move_to(-hw * 0.98, 3.0);
        p.cubic_to(-hw * 1.0, hh * 0.7, -hw * 0.62, hh * 1.18, 0.0, hh * 1.2);
        p.cubic_to(hw * 0.62, hh * 1.18, hw * 1.0, hh * 0.7, hw * 0.98, 3.0);
        p.cubic_to(
            hw * 0.86,
            12.0,
            hw * 0.8,
            mouth - 8.0,
            hw * 0.45,
            mouth - 8.5,
        );
        p.quad_to(0.0, mouth - 11.0, -hw * 0.45, mouth - 8.5);
        p.cubic_to(-hw * 0.8, mouth - 8.0, -hw * 0.86, 12.0, -hw * 0.98, 3.0);
        p.close();
    });
    c.solid(shape.as_ref(), color);
}
