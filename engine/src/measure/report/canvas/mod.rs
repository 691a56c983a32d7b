//! A picture to draw reports on.

mod looks;
mod png_file;

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, PremultipliedColorU8, Rect,
    Stroke, StrokeDash, Transform,
};

use crate::picture::Picture;
use crate::{EngineError, Result};

pub(super) use looks::{Align, Pen, Rgb, Style};
pub use png_file::write_png;

/// Inter, under the SIL Open Font License (`assets/fonts/Inter-LICENSE.txt`).
const REGULAR: &[u8] = include_bytes!("../../../../../assets/fonts/Inter-Regular.ttf");
const SEMIBOLD: &[u8] = include_bytes!("../../../../../assets/fonts/Inter-SemiBold.ttf");

/// An opaque picture, white at first. Nothing that lies outside is drawn.
pub(super) struct Canvas {
    pixels: Pixmap,
    regular: FontRef<'static>,
    semibold: FontRef<'static>,
}

impl Canvas {
    pub(super) fn new(width: u32, height: u32) -> Result<Self> {
        let problem = |what: String| EngineError::request("report", what);
        let mut pixels = Pixmap::new(width, height)
            .ok_or_else(|| problem(format!("{width}x{height} pixels are too many to draw")))?;
        pixels.fill(Color::WHITE);
        let font = |bytes| FontRef::try_from_slice(bytes).map_err(|e| problem(e.to_string()));
        Ok(Self {
            pixels,
            regular: font(REGULAR)?,
            semibold: font(SEMIBOLD)?,
        })
    }

    pub(super) fn width(&self) -> f32 {
        self.pixels.width() as f32
    }

    pub(super) fn rect(
        &mut self,
        x: f32,
        y: f32,
        width: f32,
        height: f32,
        color: Rgb,
        opacity: f32,
    ) {
        if let Some(rect) = Rect::from_xywh(x, y, width, height) {
            let paint = paint(color, opacity);
            self.pixels
                .fill_rect(rect, &paint, Transform::identity(), None);
        }
    }

    pub(super) fn line(&mut self, points: &[(f32, f32)], pen: Pen) {
        let Some(path) = polyline(points, false) else {
            return;
        };
        let stroke = Stroke {
            width: pen.width,
            line_cap: if pen.dashed {
                LineCap::Butt
            } else {
                LineCap::Round
            },
            line_join: LineJoin::Round,
            dash: if pen.dashed {
                StrokeDash::new(vec![3.0 * pen.width, 2.5 * pen.width], 0.0)
            } else {
                None
            },
            ..Stroke::default()
        };
        let paint = paint(pen.color, pen.opacity);
        self.pixels
            .stroke_path(&path, &paint, &stroke, Transform::identity(), None);
    }

    pub(super) fn area(&mut self, outline: &[(f32, f32)], color: Rgb, opacity: f32) {
        if let Some(path) = polyline(outline, true) {
            let paint = paint(color, opacity);
            let rule = FillRule::Winding;
            self.pixels
                .fill_path(&path, &paint, rule, Transform::identity(), None);
        }
    }

    pub(super) fn dot(&mut self, x: f32, y: f32, radius: f32, color: Rgb) {
        if let Some(path) = PathBuilder::from_circle(x, y, radius) {
            let paint = paint(color, 1.0);
            let rule = FillRule::Winding;
            self.pixels
                .fill_path(&path, &paint, rule, Transform::identity(), None);
        }
    }

    /// Draws `text` with its baseline at `y`.
    pub(super) fn text(&mut self, x: f32, y: f32, text: &str, style: Style, align: Align) {
        let width = self.text_width(text, style);
        let left = match align {
            Align::Left => x,
            Align::Center => x - width / 2.0,
            Align::Right => x - width,
        };
        let font = if style.bold {
            &self.semibold
        } else {
            &self.regular
        };
        let mut glyphs = Vec::new();
        walk(font, text, style.size, |glyph| glyphs.push(glyph));
        let outlines: Vec<_> = glyphs
            .into_iter()
            .filter_map(|mut glyph| {
                glyph.position = point(left + glyph.position.x, y);
                font.outline_glyph(glyph)
            })
            .collect();
        for outline in outlines {
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
            outline.draw(|dx, dy, coverage| {
                self.blend(left + dx as i32, top + dy as i32, style.color, coverage);
            });
        }
    }

    pub(super) fn text_width(&self, text: &str, style: Style) -> f32 {
        let font = if style.bold {
            &self.semibold
        } else {
            &self.regular
        };
        walk(font, text, style.size, |_| ())
    }

    /// `text` broken at spaces into lines no wider than `width`, at most `lines` of them; what is
    /// too long ends in an ellipsis.
    pub(super) fn wrap(&self, text: &str, style: Style, width: f32, lines: usize) -> Vec<String> {
        let mut wrapped: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            match wrapped.last_mut() {
                Some(line) if self.text_width(&format!("{line} {word}"), style) <= width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => wrapped.push(word.to_owned()),
            }
        }
        let cut = wrapped.len() > lines;
        wrapped.truncate(lines);
        let last = wrapped.len().saturating_sub(1);
        for (i, line) in wrapped.iter_mut().enumerate() {
            let ending = if cut && i == last { "…" } else { "" };
            if self.text_width(&format!("{line}{ending}"), style) <= width {
                line.push_str(ending);
                continue;
            }
            while !line.is_empty() && self.text_width(&format!("{line}…"), style) > width {
                line.pop();
            }
            line.push('…');
        }
        wrapped
    }

    /// Draws `picture` pixel by pixel.
    pub(super) fn picture(&mut self, x: u32, y: u32, picture: &Picture) {
        let (width, height) = (self.pixels.width(), self.pixels.height());
        let row_bytes = 3 * picture.width_px.max(1) as usize;
        let target = self.pixels.pixels_mut();
        for (dy, row) in (0_u32..).zip(picture.rgb.chunks_exact(row_bytes)) {
            for (dx, rgb) in (0_u32..).zip(row.chunks_exact(3)) {
                if x + dx < width && y + dy < height {
                    let at = ((y + dy) * width + x + dx) as usize;
                    if let Some(pixel) =
                        PremultipliedColorU8::from_rgba(rgb[0], rgb[1], rgb[2], 255)
                    {
                        target[at] = pixel;
                    }
                }
            }
        }
    }

    fn blend(&mut self, x: i32, y: i32, color: Rgb, coverage: f32) {
        let (width, height) = (self.pixels.width() as i32, self.pixels.height() as i32);
        if x < 0 || y < 0 || x >= width || y >= height {
            return;
        }
        let pixel = &mut self.pixels.pixels_mut()[(y * width + x) as usize];
        let coverage = coverage.clamp(0.0, 1.0);
        let mix = |old: u8, new: u8| {
            let (old, new) = (f32::from(old), f32::from(new));
            (old + coverage * (new - old)).round() as u8
        };
        let [_, r, g, b] = color.to_be_bytes();
        let mixed = PremultipliedColorU8::from_rgba(
            mix(pixel.red(), r),
            mix(pixel.green(), g),
            mix(pixel.blue(), b),
            255,
        );
        if let Some(mixed) = mixed {
            *pixel = mixed;
        }
    }

    /// The pixels without their opacity, which is full.
    pub(super) fn into_picture(self) -> Picture {
        Picture {
            width_px: self.pixels.width(),
            height_px: self.pixels.height(),
            rgb: self
                .pixels
                .pixels()
                .iter()
                .flat_map(|p| [p.red(), p.green(), p.blue()])
                .collect(),
        }
    }
}

/// Hands every glyph of `text` to `place`, at its distance from the left, and gives the width.
fn walk(font: &FontRef<'_>, text: &str, size: f32, mut place: impl FnMut(Glyph)) -> f32 {
    let scaled = font.as_scaled(PxScale::from(size));
    let mut x = 0.0;
    let mut last = None;
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(last) = last {
            x += scaled.kern(last, id);
        }
        place(id.with_scale_and_position(size, point(x, 0.0)));
        x += scaled.h_advance(id);
        last = Some(id);
    }
    x
}

fn paint(color: Rgb, opacity: f32) -> Paint<'static> {
    let [_, r, g, b] = color.to_be_bytes();
    let mut paint = Paint::default();
    paint.set_color_rgba8(r, g, b, (255.0 * opacity.clamp(0.0, 1.0)).round() as u8);
    paint.anti_alias = true;
    paint
}

fn polyline(points: &[(f32, f32)], close: bool) -> Option<tiny_skia::Path> {
    let mut path = PathBuilder::new();
    for (i, &(x, y)) in points.iter().enumerate() {
        if i == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    if close {
        path.close();
    }
    path.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Style = Style {
        size: 20.0,
        color: 0,
        bold: false,
    };

    fn ink(picture: &Picture, columns: std::ops::Range<u32>) -> usize {
        let dark = |(i, p): (usize, &[u8])| {
            let x = i as u32 % picture.width_px;
            columns.contains(&x) && p[0] < 128
        };
        picture
            .rgb
            .chunks(3)
            .enumerate()
            .filter(|&p| dark(p))
            .count()
    }

    #[test]
    fn texts_stand_where_they_are_aligned() {
        let drawn = |align| {
            let mut canvas = Canvas::new(200, 40).unwrap();
            canvas.text(100.0, 28.0, "smile 0.5 −1", INK, align);
            canvas.into_picture()
        };
        let (left, right) = (drawn(Align::Left), drawn(Align::Right));
        assert!(ink(&left, 0..100) == 0 && ink(&left, 100..200) > 50);
        assert!(ink(&right, 0..100) > 50 && ink(&right, 101..200) == 0);
        let center = drawn(Align::Center);
        assert!(ink(&center, 0..100) > 20 && ink(&center, 100..200) > 20);
    }

    #[test]
    fn long_texts_are_wrapped_and_end_in_an_ellipsis() {
        let canvas = Canvas::new(10, 10).unwrap();
        let text = "a smiling old man with grey hair on a beach";
        let width = 120.0;
        let lines = canvas.wrap(text, INK, width, 9);
        assert!(lines.len() > 2 && lines.join(" ") == text);
        let two = canvas.wrap(text, INK, width, 2);
        assert!(two.len() == 2 && two[1].ends_with('…'));
        let one = canvas.wrap("Donaudampfschifffahrtsgesellschaft", INK, width, 2);
        for line in lines.iter().chain(&two).chain(&one) {
            assert!(canvas.text_width(line, INK) <= width, "{line}");
        }
    }

    #[test]
    fn what_is_drawn_comes_back_from_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.png");
        let mut canvas = Canvas::new(8, 6).unwrap();
        let picture = Picture {
            width_px: 2,
            height_px: 2,
            rgb: (0..12).collect(),
        };
        canvas.picture(7, 1, &picture);
        canvas.rect(0.0, 0.0, 2.0, 2.0, 0x00ff_0000, 1.0);
        let drawn = canvas.into_picture();
        assert_eq!(drawn.rgb[..6], [255, 0, 0, 255, 0, 0]);
        // The half that sticks out is not drawn.
        assert_eq!(drawn.rgb[3 * (8 + 7)..3 * (8 + 8)], [0, 1, 2]);
        write_png(&path, &drawn).unwrap();
        assert_eq!(crate::picture::read_pixels(&path).unwrap(), drawn);
    }
}
