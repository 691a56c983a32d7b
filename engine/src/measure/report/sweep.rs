//! A sweep on one page.

use image::imageops::FilterType;
use image::{RgbImage, imageops};

use super::canvas::{Align, Canvas, Style};
use super::curves;
use super::plot::{digits_of, number};
use super::{CURVES, GRID, INK, MUTED};
use crate::measure::{Sweep, SweepReading, SweepRow};
use crate::picture::Picture;
use crate::recipe::ControlScale;
use crate::{EngineError, Result};

/// Rows of pictures that are shown at most.
const MOST_ROWS: usize = 8;
/// Longest side of a picture on the page, in pixels.
const THUMB: u32 = 128;
/// Gap between pictures.
const GAP: u32 = 8;
/// Width of the column with the prompts.
const PROMPTS: u32 = 250;
pub(super) const MARGIN: u32 = 40;
pub(super) const PLOT_WIDTH: u32 = 480;
pub(super) const PLOT_HEIGHT: u32 = 400;
/// Plots beside one another.
pub(super) const COLUMNS: u32 = 3;

/// Collects pictures while a sweep is made, and draws them with its curves when it is done.
#[derive(Debug, Default)]
pub struct SweepReport {
    rows: Vec<Row>,
    wanted: Vec<(usize, u64)>,
    shaded: Option<[f64; 2]>,
}

/// Pictures of one row: without the control, then one a setting.
#[derive(Debug)]
struct Row {
    prompt: usize,
    seed: u64,
    pictures: Vec<Picture>,
}

impl SweepReport {
    /// A report on a sweep of `rows`: it shows the first seed of every prompt, then the second,
    /// until the page is full.
    pub fn new(rows: &[SweepRow]) -> Self {
        let mut by_turn: Vec<(usize, usize, u64)> = Vec::with_capacity(rows.len());
        for row in rows {
            let turn = by_turn
                .iter()
                .filter(|(_, prompt, _)| *prompt == row.prompt);
            by_turn.push((turn.count(), row.prompt, row.seed));
        }
        by_turn.sort_by_key(|&(turn, prompt, _)| (turn, prompt));
        by_turn.truncate(MOST_ROWS);
        Self {
            rows: Vec::new(),
            wanted: by_turn.into_iter().map(|(_, p, s)| (p, s)).collect(),
            shaded: None,
        }
    }

    /// A report without pictures; `shaded` is a range of settings that stands out, such as the
    /// reliable one.
    pub fn of_curves(shaded: Option<[f64; 2]>) -> Self {
        Self {
            shaded,
            ..Self::default()
        }
    }

    /// Takes a picture that the sweep has made, in the order in which it makes them.
    ///
    /// # Errors
    /// The picture holds another number of bytes than its size says.
    pub fn take(&mut self, row: &SweepRow, picture: &Picture) -> Result<()> {
        if !self.wanted.contains(&(row.prompt, row.seed)) {
            return Ok(());
        }
        let same = |own: &Row| (own.prompt, own.seed) == (row.prompt, row.seed);
        if !self.rows.last().is_some_and(same) {
            self.rows.push(Row {
                prompt: row.prompt,
                seed: row.seed,
                pictures: Vec::new(),
            });
        }
        if let Some(own) = self.rows.last_mut() {
            own.pictures.push(thumbnail(picture)?);
        }
        Ok(())
    }

    /// The page.
    ///
    /// # Errors
    /// It would be too large.
    pub fn draw(&self, sweep: &Sweep) -> Result<Picture> {
        let columns = 1 + sweep.settings.len() as u32;
        let size = |side: fn(&Picture) -> u32| {
            let pictures = self.rows.iter().flat_map(|row| &row.pictures);
            pictures.map(side).max().unwrap_or(THUMB)
        };
        let (tile_width, tile_height) = (size(|p| p.width_px).max(64), size(|p| p.height_px));
        let sheet_width = if self.rows.is_empty() {
            0
        } else {
            PROMPTS + columns * (tile_width + GAP) + GAP
        };
        let plots_width = COLUMNS * PLOT_WIDTH + (COLUMNS - 1) * MARGIN;
        let width = 2 * MARGIN + sheet_width.max(plots_width);
        let row_height = tile_height + 34;
        let sheet_top = if self.rows.is_empty() { 112 } else { 168 };
        let plots_top = sheet_top + self.rows.len() as u32 * row_height + 64;
        let height = plots_top + 2 * (PLOT_HEIGHT + MARGIN) + MARGIN / 2;
        let mut canvas = Canvas::new(width, height)?;
        heading(&mut canvas, sweep);
        let tile = Tile {
            width: tile_width,
            height: tile_height,
            row: row_height,
        };
        if !self.rows.is_empty() {
            self.sheet(&mut canvas, sweep, sheet_top, &tile);
            Self::caption(&mut canvas, sweep, plots_top as f32 - 52.0);
        }
        curves::draw(&mut canvas, sweep, plots_top as f32, self.shaded);
        Ok(canvas.into_picture())
    }

    fn sheet(&self, canvas: &mut Canvas, sweep: &Sweep, top: u32, tile: &Tile) {
        let left = MARGIN + PROMPTS;
        let x_of =
            |column: u32| left + column * (tile.width + GAP) + if column > 0 { GAP } else { 0 };
        let middle = |column: u32| x_of(column) as f32 + tile.width as f32 / 2.0;
        let head = Style::new(18.0, INK).bold();
        let y = top as f32 - 14.0;
        canvas.text(middle(0), y, "without", head, Align::Center);
        let digits = sweep.settings.iter().map(|&s| digits_of(s)).max();
        for (column, &setting) in (1_u32..).zip(&sweep.settings) {
            let text = number(setting, digits.unwrap_or(2));
            canvas.text(middle(column), y, &text, head, Align::Center);
        }
        for (at, row) in (0_u32..).zip(&self.rows) {
            let y = top + at * tile.row;
            row_label(canvas, sweep, row, y as f32);
            let readings: Vec<&SweepReading> = sweep
                .readings
                .iter()
                .filter(|r| (r.prompt, r.seed) == (row.prompt, row.seed))
                .collect();
            for (column, picture) in (0_u32..).zip(&row.pictures) {
                let x = x_of(column) + (tile.width - picture.width_px.min(tile.width)) / 2;
                canvas.picture(x, y, picture);
                if let Some(reading) = readings.get(column as usize) {
                    let lost = reading.kind_kept == Some(false);
                    let color = if lost { CURVES[1] } else { MUTED };
                    let style = Style::new(16.0, color);
                    let below = (y + tile.height) as f32 + 19.0;
                    let text = format!("{:.2}", reading.target);
                    canvas.text(middle(column), below, &text, style, Align::Center);
                }
            }
        }
    }

    /// What the numbers below the pictures are.
    fn caption(canvas: &mut Canvas, sweep: &Sweep, y: f32) {
        let mut caption = format!(
            "Below each picture: the reading of {}",
            sweep.about.attribute
        );
        if sweep.readings.iter().any(|r| r.kind_kept == Some(false)) {
            caption += ", in orange where the subject does not read as what the prompt calls it";
        }
        let style = Style::new(16.0, MUTED);
        canvas.text((MARGIN + PROMPTS) as f32, y, &caption, style, Align::Left);
    }
}

fn row_label(canvas: &mut Canvas, sweep: &Sweep, row: &Row, y: f32) {
    let Some(prompt) = sweep.prompts.get(row.prompt) else {
        return;
    };
    let style = Style::new(18.0, INK);
    let lines = canvas.wrap(&prompt.text, style, PROMPTS as f32 - 24.0, 4);
    let left = MARGIN as f32;
    let mut below = y + 18.0;
    for line in lines {
        canvas.text(left, below, &line, style, Align::Left);
        below += 23.0;
    }
    let seed = match &prompt.subject {
        Some(subject) => format!("{subject} · seed {}", row.seed),
        None => format!("seed {}", row.seed),
    };
    let small = Style::new(16.0, MUTED);
    canvas.text(left, below, &seed, small, Align::Left);
}

/// Sizes on the contact sheet.
struct Tile {
    width: u32,
    height: u32,
    /// From one row to the next.
    row: u32,
}

fn thumbnail(picture: &Picture) -> Result<Picture> {
    let longest = picture.width_px.max(picture.height_px);
    if longest <= THUMB {
        return Ok(picture.clone());
    }
    let image = RgbImage::from_raw(picture.width_px, picture.height_px, picture.rgb.clone());
    let image = image.ok_or_else(|| {
        let problem = "it holds another number of bytes than its size says";
        EngineError::request("picture", problem)
    })?;
    let side = |size: u32| (size * THUMB / longest).max(1);
    let (width, height) = (side(picture.width_px), side(picture.height_px));
    let small = imageops::resize(&image, width, height, FilterType::CatmullRom);
    Ok(Picture {
        width_px: width,
        height_px: height,
        rgb: small.into_raw(),
    })
}

fn heading(canvas: &mut Canvas, sweep: &Sweep) {
    let left = MARGIN as f32;
    let title = Style::new(34.0, INK).bold();
    canvas.text(left, 68.0, &sweep.about.control, title, Align::Left);
    let settings = match sweep.about.scale {
        ControlScale::Calibrated => "calibrated settings",
        ControlScale::Raw => "raw settings",
        ControlScale::Measured => "asked readings",
    };
    let model = match sweep.model_hash.get(..10) {
        Some(hash) => format!(" · model {hash}"),
        None => String::new(),
    };
    let about = format!(
        "{} over {settings} · {} × {} · read by {}{model}",
        sweep.about.attribute,
        counted(sweep.prompts.len(), "prompt"),
        counted(sweep.seeds.len(), "seed"),
        sweep.meter,
    );
    canvas.text(left, 100.0, &about, Style::new(18.0, MUTED), Align::Left);
    let width = canvas.width() - 2.0 * left;
    canvas.rect(left, 118.0, width, 1.5, GRID, 1.0);
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::super::sweep::tests::{base, pair, raw_of};
    use super::*;
    use crate::measure::SweepPlan;
    use crate::measure::fake::{FakeMeter, fake_picture};
    use crate::recipe::Recipe;

    #[test]
    fn every_prompt_is_shown_before_a_second_seed_and_the_page_is_not_empty() {
        let control = "smile~1".parse().unwrap();
        let mut prompts = vec![pair(); 3];
        for (i, prompt) in prompts.iter_mut().enumerate() {
            prompt.text = format!("{} number {i}", prompt.text);
        }
        let settings = [-1.0, 0.0, 1.0];
        let plan = SweepPlan::of_control(
            &base(),
            &control,
            false,
            "smile",
            &settings,
            prompts,
            (0..4).collect(),
        )
        .unwrap();
        let mut report = SweepReport::new(&plan.rows);
        assert_eq!(report.wanted[..4], [(0, 0), (1, 0), (2, 0), (0, 1)]);
        let mut render = |recipe: &Recipe| {
            let s = 0.2 * raw_of(recipe, "smile");
            let mut large = fake_picture([0.5 + s, 0.4], [0.5; 2], 0.6);
            large.rgb = large.rgb.repeat(16);
            large.height_px *= 16;
            Ok(large)
        };
        let sweep = plan
            .run(
                &FakeMeter::default(),
                &mut render,
                &mut |row, _, picture| report.take(row, picture),
            )
            .unwrap();
        assert_eq!(report.rows.len(), MOST_ROWS);
        assert!(report.rows.iter().all(|row| row.pictures.len() == 4));
        // Tall pictures are made smaller, keeping their shape.
        let small = &report.rows[0].pictures[0];
        assert_eq!((small.width_px, small.height_px), (8, 128));
        let page = report.draw(&sweep).unwrap();
        let curves = SweepReport::of_curves(Some([0.0, 1.0]))
            .draw(&sweep)
            .unwrap();
        assert!(curves.height_px < page.height_px);
        let dark = page.rgb.iter().filter(|&&level| level < 100).count();
        assert!(page.width_px > 1000 && dark > 10_000, "{dark}");
    }
}
