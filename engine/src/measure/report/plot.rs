//! Curves with axes.

use super::canvas::{Align, Canvas, Pen, Rgb, Style};
use super::{GRID, INK, MUTED};

/// One curve.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) label: String,
    pub(super) color: Rgb,
    pub(super) points: Vec<(f64, f64)>,
    /// Half the height of the band around each point.
    pub(super) band: Option<Vec<f64>>,
    pub(super) dashed: bool,
}

/// A plot in a box.
#[derive(Debug, Clone, Default)]
pub(super) struct Plot {
    pub(super) title: String,
    pub(super) x_label: String,
    pub(super) series: Vec<Series>,
    /// Thin lines behind the curves.
    pub(super) behind: Vec<Vec<(f64, f64)>>,
    /// What the y axis must show at least.
    pub(super) y_at_least: Option<[f64; 2]>,
    /// Stretches of x to shade.
    pub(super) shaded: Option<[f64; 2]>,
}

/// A box in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

const TITLE: f32 = 21.0;
const LABEL: f32 = 16.0;
/// Room left of the axis for its numbers, and below for numbers and name.
const LEFT: f32 = 58.0;
const BELOW: f32 = 54.0;
/// Height of a line of the legend.
const LEGEND_LINE: f32 = 23.0;

impl Plot {
    /// Draws the plot into `area`.
    pub(super) fn draw(&self, canvas: &mut Canvas, area: Area) {
        let title = Style::new(TITLE, INK).bold();
        canvas.text(area.x, area.y + TITLE, &self.title, title, Align::Left);
        let legend = self.legend(canvas, area);
        let top = area.y + TITLE + 14.0 + legend;
        let inner = Area {
            x: area.x + LEFT,
            y: top + 8.0,
            width: area.width - LEFT - 10.0,
            height: area.y + area.height - BELOW - top - 8.0,
        };
        let (xs, ys) = (self.x_range(), self.y_range());
        let at = |x: f64, y: f64| -> (f32, f32) {
            let along = (x - xs[0]) / (xs[1] - xs[0]);
            let up = (y - ys[0]) / (ys[1] - ys[0]);
            (
                inner.x + along as f32 * inner.width,
                inner.y + (1.0 - up as f32) * inner.height,
            )
        };
        if let Some([from, to]) = self.shaded {
            let (left, right) = (at(from, 0.0).0, at(to, 0.0).0);
            canvas.rect(left, inner.y, right - left, inner.height, 0x0010_b981, 0.10);
        }
        let numbers = Style::new(LABEL, MUTED);
        let (ticks, digits) = ticks(ys, 5);
        for tick in ticks {
            let (_, y) = at(xs[0], tick);
            let right = inner.x + inner.width;
            canvas.line(&[(inner.x, y), (right, y)], Pen::new(GRID, 1.0));
            let label = number(tick, digits);
            let x = inner.x - 10.0;
            canvas.text(x, y + 0.36 * LABEL, &label, numbers, Align::Right);
        }
        let bottom = inner.y + inner.height;
        let (marks, digits) = self.x_ticks(xs, inner.width);
        for mark in marks {
            let (x, _) = at(mark, ys[0]);
            canvas.line(&[(x, bottom), (x, bottom + 6.0)], Pen::new(MUTED, 1.0));
            let label = number(mark, digits);
            canvas.text(x, bottom + 24.0, &label, numbers, Align::Center);
        }
        canvas.line(
            &[(inner.x, bottom), (inner.x + inner.width, bottom)],
            Pen::new(MUTED, 1.2),
        );
        let middle = inner.x + inner.width / 2.0;
        let name = Style::new(LABEL, INK);
        canvas.text(middle, bottom + 47.0, &self.x_label, name, Align::Center);
        for row in &self.behind {
            let points: Vec<_> = row.iter().map(|&(x, y)| at(x, y)).collect();
            let pen = Pen {
                opacity: 0.35,
                ..Pen::new(MUTED, 1.0)
            };
            canvas.line(&points, pen);
        }
        for series in &self.series {
            series.draw(canvas, &at, ys);
        }
    }

    /// Draws the names of the curves below the title and gives the height that they take.
    fn legend(&self, canvas: &mut Canvas, area: Area) -> f32 {
        let style = Style::new(LABEL, INK);
        let (mut x, mut line) = (area.x, 0.0);
        for series in &self.series {
            let width = 30.0 + canvas.text_width(&series.label, style) + 22.0;
            if x > area.x && x + width > area.x + area.width {
                x = area.x;
                line += 1.0;
            }
            let y = area.y + TITLE + 22.0 + line * LEGEND_LINE;
            let pen = Pen {
                dashed: series.dashed,
                ..Pen::new(series.color, 3.0)
            };
            canvas.line(&[(x, y), (x + 22.0, y)], pen);
            let baseline = y + 0.36 * LABEL;
            canvas.text(x + 30.0, baseline, &series.label, style, Align::Left);
            x += width;
        }
        if self.series.is_empty() {
            0.0
        } else {
            (line + 1.0) * LEGEND_LINE
        }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        let curves = self.series.iter().flat_map(|s| s.points.iter().copied());
        curves.chain(self.behind.iter().flatten().copied())
    }

    fn x_range(&self) -> [f64; 2] {
        let xs = self.points().map(|p| p.0);
        widened(xs, None, 0.03)
    }

    fn y_range(&self) -> [f64; 2] {
        let bands = self.series.iter().flat_map(|s| {
            let band = s.band.iter().flatten();
            let edges = s.points.iter().zip(band);
            edges.flat_map(|(&(_, y), half)| [y - half, y + half])
        });
        widened(
            self.points().map(|p| p.1).chain(bands),
            self.y_at_least,
            0.04,
        )
    }

    /// The settings themselves where there is room for them, else round numbers.
    fn x_ticks(&self, range: [f64; 2], width: f32) -> (Vec<f64>, usize) {
        let mut settings: Vec<f64> = self
            .series
            .iter()
            .flat_map(|s| s.points.iter().map(|p| p.0))
            .collect();
        settings.sort_by(f64::total_cmp);
        settings.dedup();
        let digits = settings.iter().map(|&s| digits_of(s)).max().unwrap_or(0);
        let gaps = settings.windows(2).map(|w| w[1] - w[0]);
        let narrowest = gaps.fold(f64::INFINITY, f64::min) / (range[1] - range[0]);
        let wide_enough = narrowest as f32 * width >= 16.0 + 11.0 * (digits + 2) as f32;
        if !settings.is_empty() && (settings.len() == 1 || wide_enough) {
            return (settings, digits);
        }
        ticks(range, (width / 80.0) as usize)
    }
}

impl Series {
    fn draw(&self, canvas: &mut Canvas, at: &dyn Fn(f64, f64) -> (f32, f32), ys: [f64; 2]) {
        if let Some(band) = &self.band {
            let held = |y: f64| y.clamp(ys[0], ys[1]);
            let upper = self
                .points
                .iter()
                .zip(band)
                .map(|(&(x, y), h)| at(x, held(y + h)));
            let lower = self
                .points
                .iter()
                .zip(band)
                .map(|(&(x, y), h)| at(x, held(y - h)));
            let outline: Vec<_> = upper.chain(lower.rev()).collect();
            canvas.area(&outline, self.color, 0.14);
        }
        let points: Vec<_> = self.points.iter().map(|&(x, y)| at(x, y)).collect();
        let pen = Pen {
            dashed: self.dashed,
            ..Pen::new(self.color, 3.0)
        };
        canvas.line(&points, pen);
        if !self.dashed {
            for (x, y) in points {
                canvas.dot(x, y, 5.5, 0x00ff_ffff);
                canvas.dot(x, y, 4.0, self.color);
            }
        }
    }
}

/// The span of `values` and of what must be seen, with a margin on both sides; never empty.
fn widened(values: impl Iterator<Item = f64>, at_least: Option<[f64; 2]>, margin: f64) -> [f64; 2] {
    let seen = values
        .filter(|v| v.is_finite())
        .chain(at_least.into_iter().flatten());
    let (low, high) = seen.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if !(low.is_finite() && high.is_finite()) {
        return [0.0, 1.0];
    }
    let width = high - low;
    let margin = if width > 0.0 { margin * width } else { 0.5 };
    [low - margin, high + margin]
}

/// About `count` round numbers within `range`, and the decimals that they need.
pub(super) fn ticks(range: [f64; 2], count: usize) -> (Vec<f64>, usize) {
    let width = range[1] - range[0];
    if !(width > 0.0 && width.is_finite()) {
        return (vec![range[0]], 2);
    }
    let rough = width / count.max(1) as f64;
    let power = 10.0_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0];
    let step = steps.iter().map(|s| s * power).find(|s| *s >= rough);
    let step = step.unwrap_or(10.0 * power);
    let digits = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let first = (range[0] / step).ceil() as i64;
    let last = (range[1] / step).floor() as i64;
    ((first..=last).map(|i| i as f64 * step).collect(), digits)
}

/// Decimals that show `value` to the hundredth, without zeros at the end.
pub(super) fn digits_of(value: f64) -> usize {
    let text = format!("{value:.2}");
    match text.trim_end_matches('0').split_once('.') {
        Some((_, decimals)) => decimals.len(),
        None => 0,
    }
}

/// A number with a real minus sign.
pub(super) fn number(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    let is_zero = text.chars().all(|c| c == '0' || c == '.');
    if value < 0.0 && !is_zero {
        format!("−{text}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round_and_numbers_carry_no_more_than_they_need() {
        let (marks, digits) = ticks([-0.02, 1.04], 5);
        let shown: Vec<String> = marks.iter().map(|&m| number(m, digits)).collect();
        assert_eq!(shown, ["0.0", "0.5", "1.0"]);
        let (marks, digits) = ticks([-250.0, 260.0], 5);
        let shown: Vec<String> = marks.iter().map(|&m| number(m, digits)).collect();
        assert_eq!(shown, ["−200", "0", "200"]);
        assert_eq!(
            [digits_of(0.25), digits_of(-1.0), digits_of(0.5)],
            [2, 0, 1]
        );
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(ticks([1.0, 1.0], 5).0, [1.0]);
    }

    #[test]
    fn a_plot_of_nothing_still_has_axes() {
        let mut canvas = Canvas::new(400, 300).unwrap();
        let plot = Plot {
            title: "nothing".to_owned(),
            ..Plot::default()
        };
        let area = Area {
            x: 0.0,
            y: 0.0,
            width: 400.0,
            height: 300.0,
        };
        plot.draw(&mut canvas, area);
        assert!(canvas.into_picture().rgb.iter().any(|&level| level < 100));
    }

    proptest! {
        #[test]
        fn ticks_lie_within_their_range(low in -1e3_f64..1e3, width in 1e-3_f64..1e3) {
            let range = [low, low + width];
            let (marks, _) = ticks(range, 5);
            prop_assert!(marks.len() <= 7);
            prop_assert!(marks.iter().all(|m| range[0] - 1e-9 <= *m && *m <= range[1] + 1e-9));
        }
    }
}
