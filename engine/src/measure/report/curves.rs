//! A sweep's curves and figures.

use super::canvas::{Align, Canvas, Style};
use super::plot::{Area, Plot, Series};
use super::sweep::{COLUMNS, MARGIN, PLOT_HEIGHT, PLOT_WIDTH};
use super::{CURVES, GRID, INK, MUTED};
use crate::measure::statistics::mean;
use crate::measure::{Sweep, SweepReading};
use crate::recipe::ControlScale;

/// Other attributes that are shown.
const MOST_CURVES: usize = 5;

/// Draws the plots and, where one more would be, the figures; from `top` on.
pub(super) fn draw(canvas: &mut Canvas, sweep: &Sweep, top: f32, shaded: Option<[f64; 2]>) {
    let x_label = match sweep.about.scale {
        ControlScale::Calibrated => "setting, calibrated units",
        ControlScale::Raw => "setting, raw",
        ControlScale::Measured => "asked reading",
    };
    let mut all = vec![response(sweep), others(sweep), likeness(sweep)];
    all.extend(neighbours(sweep));
    all.extend(distance(sweep));
    let place = |at: usize| {
        let (column, row) = (at as u32 % COLUMNS, at as u32 / COLUMNS);
        Area {
            x: (MARGIN + column * (PLOT_WIDTH + MARGIN)) as f32,
            y: top + (row * (PLOT_HEIGHT + MARGIN)) as f32,
            width: PLOT_WIDTH as f32,
            height: PLOT_HEIGHT as f32,
        }
    };
    let count = all.len();
    for (at, mut plot) in all.into_iter().enumerate() {
        x_label.clone_into(&mut plot.x_label);
        plot.shaded = shaded;
        plot.draw(canvas, place(at));
    }
    figures(canvas, sweep, place(count));
}

fn series(label: impl Into<String>, color: usize, points: Vec<(f64, f64)>) -> Series {
    Series {
        label: label.into(),
        color: CURVES[color % CURVES.len()],
        points,
        band: None,
        dashed: false,
    }
}

/// The target over the settings, with every row behind it.
fn response(sweep: &Sweep) -> Plot {
    let points = &sweep.statistics.response;
    let curve = points.iter().map(|p| (p.raw, p.mean)).collect();
    let mut mean_curve = series("mean ± deviation", 0, curve);
    mean_curve.band = Some(points.iter().map(|p| p.std).collect());
    let row = |(_, readings): (&SweepReading, &[SweepReading])| {
        let targets = readings.iter().map(|r| r.target);
        sweep.settings.iter().copied().zip(targets).collect()
    };
    let mut all = vec![mean_curve];
    if sweep.about.asks_readings {
        let ends = [sweep.settings.first(), sweep.settings.last()];
        let asked = ends.into_iter().flatten().map(|&s| (s, s)).collect();
        all.push(Series {
            dashed: true,
            ..series("as asked", 1, asked)
        });
    }
    Plot {
        title: format!("Reading of {}", sweep.about.attribute),
        series: all,
        behind: sweep.rows().map(row).collect(),
        y_at_least: Some([0.0, 1.0]),
        ..Plot::default()
    }
}

/// Mean changes of all attributes against the pictures without the control.
fn others(sweep: &Sweep) -> Plot {
    let change = |figure: &dyn Fn(&SweepReading) -> Option<f64>| -> Vec<(f64, f64)> {
        let at = |i: usize| {
            let changes: Vec<f64> = sweep
                .rows()
                .filter_map(|(zero, readings)| Some(figure(&readings[i])? - figure(zero)?))
                .collect();
            mean(&changes)
        };
        let settings = sweep.settings.iter().enumerate();
        settings.map(|(i, &setting)| (setting, at(i))).collect()
    };
    let mut names: Vec<(&String, &f64)> = sweep.statistics.side_effects.iter().collect();
    names.sort_by(|a, b| b.1.total_cmp(a.1));
    let target = change(&|r| Some(r.target));
    let mut all = vec![series(sweep.about.attribute.clone(), 0, target)];
    for (at, (name, _)) in names.into_iter().take(MOST_CURVES).enumerate() {
        let points = change(&|r| r.others.get(name).copied());
        all.push(series(name.clone(), at + 1, points));
    }
    Plot {
        title: "Mean change of all attributes".to_owned(),
        series: all,
        y_at_least: Some([-0.1, 0.1]),
        ..Plot::default()
    }
}

/// The points of a figure that has one value a setting.
fn by_setting(sweep: &Sweep, values: &[f64]) -> Vec<(f64, f64)> {
    let settings = sweep.settings.iter().copied();
    settings.zip(values.iter().copied()).collect()
}

/// SSIM with the pictures without the control.
fn likeness(sweep: &Sweep) -> Plot {
    let s = &sweep.statistics;
    let curve = |values: &[f64]| by_setting(sweep, values);
    let mut all = Vec::new();
    if let Some(inside) = &s.ssim_inside {
        all.push(series("within the subject", 0, curve(inside)));
    }
    if let Some(outside) = &s.ssim_outside {
        all.push(series("outside it", 2, curve(outside)));
    }
    if all.is_empty() {
        all.push(series("whole picture", 0, curve(&s.ssim)));
    }
    Plot {
        title: "SSIM with the picture without it".to_owned(),
        series: all,
        y_at_least: Some([0.0, 1.0]),
        ..Plot::default()
    }
}

/// The same attribute on target and other subject, where rows have both.
fn neighbours(sweep: &Sweep) -> Option<Plot> {
    let rows: Vec<_> = sweep
        .rows()
        .filter(|(zero, _)| zero.other_subject.is_some())
        .collect();
    if rows.is_empty() {
        return None;
    }
    let curve = |figure: &dyn Fn(&SweepReading) -> f64| -> Vec<(f64, f64)> {
        let at = |i: usize| {
            mean(
                &rows
                    .iter()
                    .map(|(_, r)| figure(&r[i]))
                    .collect::<Vec<f64>>(),
            )
        };
        let settings = sweep.settings.iter().enumerate();
        settings.map(|(i, &setting)| (setting, at(i))).collect()
    };
    Some(Plot {
        title: "Two subjects".to_owned(),
        series: vec![
            series("the subject", 0, curve(&|r| r.target)),
            series(
                "the other one",
                1,
                curve(&|r| r.other_subject.unwrap_or_default()),
            ),
        ],
        y_at_least: Some([0.0, 1.0]),
        ..Plot::default()
    })
}

fn distance(sweep: &Sweep) -> Option<Plot> {
    let s = &sweep.statistics;
    let curve = |values: &[f64]| by_setting(sweep, values);
    let mut all = Vec::new();
    if let Some(distance) = &s.distance {
        all.push(series("perceptual distance", 3, curve(distance)));
    }
    if let Some(kept) = &s.kinds_kept {
        all.push(series("subjects that read as themselves", 2, curve(kept)));
    }
    if all.is_empty() {
        return None;
    }
    Some(Plot {
        title: "Is it still the same picture?".to_owned(),
        series: all,
        y_at_least: Some([0.0, 1.0]),
        ..Plot::default()
    })
}

fn figures(canvas: &mut Canvas, sweep: &Sweep, area: Area) {
    let title = Style::new(21.0, INK).bold();
    canvas.text(area.x, area.y + 21.0, "Figures", title, Align::Left);
    let lines = sweep.statistics.lines();
    let step = ((area.height - 46.0) / lines.len().max(1) as f32).min(27.0);
    let size = (0.64 * step).clamp(12.0, 17.0);
    let mut y = area.y + 34.0 + step / 2.0;
    for (what, how_much) in lines {
        let indent = if what.starts_with(' ') { 14.0 } else { 0.0 };
        let (name, value) = (Style::new(size, MUTED), Style::new(size, INK));
        canvas.text(area.x + indent, y, what.trim(), name, Align::Left);
        let right = area.x + area.width - 10.0;
        let how_much = how_much.replace('-', "−");
        canvas.text(right, y, &how_much, value, Align::Right);
        canvas.rect(area.x, y + 0.42 * size, area.width - 10.0, 1.0, GRID, 1.0);
        y += step;
    }
}
