//! A thin layer over the rasteriser that carries the style: how flat or shaded a surface looks is
//! decided here, once, so that all things in a picture agree.

use tiny_skia::{
    FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Mask, Paint, Path, PathBuilder,
    Pixmap, Point, PremultipliedColorU8, RadialGradient, Rect, Shader, SpreadMode, Stroke,
    Transform,
};

use super::color::{INK, Rgb, WHITE, lerp};
use crate::scene::SIZE;

/// The picture in the making, with the current place, scale and clip.
pub(crate) struct Canvas {
    pixmap: Option<Pixmap>,
    transform: Transform,
    clip: Option<Mask>,
    /// 0 flat with outlines, 1 shaded.
    pub(crate) realism: f32,
    /// 0 bare, 1 full of pattern.
    pub(crate) detail: f32,
}

/// Builds a path; `None` only for degenerate input, which the canvas ignores.
pub(crate) fn path(build: impl FnOnce(&mut PathBuilder)) -> Option<Path> {
    let mut b = PathBuilder::new();
    build(&mut b);
    b.finish()
}

/// An ellipse.
pub(crate) fn ellipse(x: f32, y: f32, rx: f32, ry: f32) -> Option<Path> {
    PathBuilder::from_oval(Rect::from_ltrb(x - rx, y - ry, x + rx, y + ry)?)
}

/// A rectangle from its left, top, right and bottom.
pub(crate) fn rect(l: f32, t: f32, r: f32, b: f32) -> Option<Path> {
    Some(PathBuilder::from_rect(Rect::from_ltrb(l, t, r, b)?))
}

/// A rectangle with round corners.
pub(crate) fn round(l: f32, t: f32, r: f32, b: f32, radius: f32) -> Option<Path> {
    let k = radius.min((r - l) / 2.0).min((b - t) / 2.0);
    path(|p| {
        p.move_to(l + k, t);
        p.line_to(r - k, t);
        p.quad_to(r, t, r, t + k);
        p.line_to(r, b - k);
        p.quad_to(r, b, r - k, b);
        p.line_to(l + k, b);
        p.quad_to(l, b, l, b - k);
        p.line_to(l, t + k);
        p.quad_to(l, t, l + k, t);
        p.close();
    })
}

/// A polygon.
pub(crate) fn polygon(points: &[(f32, f32)]) -> Option<Path> {
    path(|p| {
        for (i, &(x, y)) in points.iter().enumerate() {
            if i == 0 {
                p.move_to(x, y);
            } else {
                p.line_to(x, y);
            }
        }
        p.close();
    })
}

/// An open curve with one bend.
pub(crate) fn curve(from: (f32, f32), bend: (f32, f32), to: (f32, f32)) -> Option<Path> {
    path(|p| {
        p.move_to(from.0, from.1);
        p.quad_to(bend.0, bend.1, to.0, to.1);
    })
}

impl Canvas {
    /// A transparent picture.
    pub(crate) fn new(realism: f32, detail: f32) -> Self {
        Self {
            pixmap: Pixmap::new(SIZE as u32, SIZE as u32),
            transform: Transform::identity(),
            clip: None,
            realism,
            detail,
        }
    }

    /// The pixels, rows from the top.
    pub(crate) fn pixels(&self) -> &[PremultipliedColorU8] {
        self.pixmap.as_ref().map_or(&[], Pixmap::pixels)
    }

    /// Puts the origin of what follows at a pixel, at a scale.
    pub(crate) fn place(&mut self, x: f32, y: f32, scale: f32) {
        self.transform = Transform::from_row(scale, 0.0, 0.0, scale, x, y);
    }

    fn paint_path(&mut self, path: &Path, shader: Shader) {
        let paint = Paint {
            shader,
            anti_alias: true,
            ..Paint::default()
        };
        if let Some(pixmap) = &mut self.pixmap {
            pixmap.fill_path(
                path,
                &paint,
                FillRule::Winding,
                self.transform,
                self.clip.as_ref(),
            );
        }
    }

    /// Fills with one colour.
    pub(crate) fn fill(&mut self, path: Option<&Path>, color: Rgb, alpha: f32) {
        if let Some(path) = path
            && alpha > 0.004
        {
            self.paint_path(path, Shader::SolidColor(color.skia(alpha)));
        }
    }

    /// Fills with a gradient between two points, colours with their alpha.
    pub(crate) fn fill_linear(
        &mut self,
        path: Option<&Path>,
        (from, a, alpha_a): ((f32, f32), Rgb, f32),
        (to, b, alpha_b): ((f32, f32), Rgb, f32),
    ) {
        let stops = vec![
            GradientStop::new(0.0, a.skia(alpha_a)),
            GradientStop::new(1.0, b.skia(alpha_b)),
        ];
        let shader = LinearGradient::new(
            Point::from_xy(from.0, from.1),
            Point::from_xy(to.0, to.1),
            stops,
            SpreadMode::Pad,
            Transform::identity(),
        );
        if let (Some(path), Some(shader)) = (path, shader) {
            self.paint_path(path, shader);
        }
    }

    /// A soft spot that fades to nothing at its rim.
    pub(crate) fn spot(
        &mut self,
        (x, y): (f32, f32),
        (rx, ry): (f32, f32),
        color: Rgb,
        alpha: f32,
    ) {
        if alpha < 0.01 {
            return;
        }
        let zero = Point::from_xy(0.0, 0.0);
        let stops = vec![
            GradientStop::new(0.0, color.skia(alpha)),
            GradientStop::new(0.45, color.skia(alpha * 0.75)),
            GradientStop::new(1.0, color.skia(0.0)),
        ];
        let shader = RadialGradient::new(
            zero,
            0.0,
            zero,
            1.0,
            stops,
            SpreadMode::Pad,
            Transform::from_row(rx, 0.0, 0.0, ry, x, y),
        );
        if let (Some(shape), Some(shader)) = (ellipse(x, y, rx, ry), shader) {
            self.paint_path(&shape, shader);
        }
    }

    /// Strokes with round ends.
    pub(crate) fn line(&mut self, path: Option<&Path>, color: Rgb, width: f32, alpha: f32) {
        let (Some(path), Some(pixmap)) = (path, &mut self.pixmap) else {
            return;
        };
        if alpha < 0.01 || width < 0.05 {
            return;
        }
        let paint = Paint {
            shader: Shader::SolidColor(color.skia(alpha)),
            anti_alias: true,
            ..Paint::default()
        };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        pixmap.stroke_path(path, &paint, &stroke, self.transform, self.clip.as_ref());
    }

    /// A surface in the picture's style: outlined when flat, with light from the upper left when
    /// shaded.
    pub(crate) fn solid(&mut self, path: Option<&Path>, color: Rgb) {
        self.solid_with(path, color, 1.0);
    }

    /// The same with an outline of another strength (0 none, 1 normal).
    pub(crate) fn solid_with(&mut self, path: Option<&Path>, color: Rgb, outline: f32) {
        self.solid_alpha(path, color, outline, 1.0);
    }

    /// The same, translucent.
    pub(crate) fn solid_alpha(
        &mut self,
        path: Option<&Path>,
        color: Rgb,
        outline: f32,
        alpha: f32,
    ) {
        let Some(shape) = path else { return };
        let b = shape.bounds();
        let r = self.realism;
        if r < 0.02 {
            self.fill(path, color, alpha);
        } else {
            self.fill_linear(
                path,
                ((b.left(), b.top()), color.light(0.24 * r), alpha),
                (
                    (lerp(b.left(), b.right(), 0.8), b.bottom()),
                    color.dark(0.42 * r),
                    alpha,
                ),
            );
        }
        self.line(
            path,
            color.dark(0.85),
            lerp(1.9, 1.1, r),
            outline * lerp(0.95, 0.12, r),
        );
    }

    /// A highlight, the stronger the more realistic the picture.
    pub(crate) fn gloss(&mut self, at: (f32, f32), radius: (f32, f32), alpha: f32) {
        let a = alpha * self.realism;
        self.spot(at, radius, WHITE, a);
    }

    /// A shade, the stronger the more realistic the picture.
    pub(crate) fn shade(&mut self, at: (f32, f32), radius: (f32, f32), alpha: f32) {
        let a = alpha * self.realism;
        self.spot(at, radius, INK, a);
    }

    /// What a thing casts on the ground: a hard flat ellipse or a soft one.
    pub(crate) fn ground_shadow(&mut self, x: f32, y: f32, rx: f32, ry: f32) {
        let r = self.realism;
        self.fill(ellipse(x, y, rx, ry * 0.8).as_ref(), INK, 0.16 * (1.0 - r));
        self.spot((x, y), (rx * 1.25, ry * 1.6), INK, 0.62 * r);
    }

    /// What a figure casts on what is behind it.
    pub(crate) fn backdrop_shadow(&mut self) {
        self.shade((8.0, 8.0), (54.0, 58.0), 0.3);
        self.shade((5.0, 66.0), (66.0, 34.0), 0.3);
    }

    /// Draws only inside a path. An inner clip replaces an outer one while it lasts.
    pub(crate) fn clipped(&mut self, path: Option<&Path>, draw: impl FnOnce(&mut Self)) {
        let (Some(path), Some(mut mask)) = (path, Mask::new(SIZE as u32, SIZE as u32)) else {
            return;
        };
        mask.fill_path(path, FillRule::Winding, true, self.transform);
        let outer = self.clip.replace(mask);
        draw(self);
        self.clip = outer;
    }
}
