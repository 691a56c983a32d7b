//! Many pictures in rows.

use eframe::egui_wgpu::ScreenDescriptor;
use egui::{PaintCallback, Pos2, Rect};

use super::callback::{Scene, callback};
use super::drawing::{Drawing, Ready};
use super::pipelines::Layer;
use super::resources::Resources;
use super::source::Source;
use super::view::View;

/// A contact sheet: square cells in rows, of any total size, since each picture is a texture of
/// its own and only those in view are uploaded.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Cells in a row, at least 1.
    pub columns: usize,
    /// A cell's side in sheet pixels; pictures are fitted into it.
    pub cell_px: f32,
    /// Space between neighbouring cells in sheet pixels.
    pub gap_px: f32,
    /// Pictures, row by row; nothing is drawn where there is none.
    pub cells: Vec<Option<Source>>,
}

impl Sheet {
    /// Width and height in sheet pixels.
    pub fn size_px(&self) -> [f32; 2] {
        let columns = self.columns.max(1).min(self.cells.len());
        let rows = self.cells.len().div_ceil(self.columns.max(1));
        [columns, rows].map(|count| {
            let gaps = count.saturating_sub(1) as f32;
            count as f32 * self.cell_px + gaps * self.gap_px
        })
    }

    /// The left and top sides of a cell in sheet pixels.
    pub fn cell_at_px(&self, index: usize) -> [f32; 2] {
        let columns = self.columns.max(1);
        let pitch = self.cell_px + self.gap_px;
        [index % columns, index / columns].map(|place| place as f32 * pitch)
    }

    /// Where a cell lies on the screen, in points.
    pub fn cell_rect(&self, index: usize, rect: Rect, pixels_per_point: f32, view: &View) -> Rect {
        let [left, top] = self.cell_at_px(index);
        let end = [left + self.cell_px, top + self.cell_px];
        Rect::from_min_max(
            view.screen_at(rect, pixels_per_point, [left, top]),
            view.screen_at(rect, pixels_per_point, end),
        )
    }

    /// The cell under `pos` (points) of a sheet painted at `rect`.
    pub fn cell_under(
        &self,
        pos: Pos2,
        rect: Rect,
        pixels_per_point: f32,
        view: &View,
    ) -> Option<usize> {
        let pitch = self.cell_px + self.gap_px;
        let point = view.picture_at(rect, pixels_per_point, pos);
        let place = |x: f32| {
            let cell = (x / pitch).floor();
            (x >= 0.0 && x - cell * pitch < self.cell_px).then_some(cell as usize)
        };
        let (column, row) = (place(point[0])?, place(point[1])?);
        let index = row.checked_mul(self.columns.max(1))?.checked_add(column)?;
        (column < self.columns.max(1) && index < self.cells.len()).then_some(index)
    }

    /// Cells of which something is seen, from the first row in view to the last.
    fn in_view(
        &self,
        rect: Rect,
        pixels_per_point: f32,
        view: &View,
    ) -> impl Iterator<Item = usize> {
        let columns = self.columns.max(1);
        let pitch = (self.cell_px + self.gap_px).max(1e-3);
        let low = view.picture_at(rect, pixels_per_point, rect.min);
        let high = view.picture_at(rect, pixels_per_point, rect.max);
        let range = |axis: usize, count: usize| {
            let first = ((low[axis] / pitch).floor().max(0.0) as usize).min(count);
            let end = ((high[axis] / pitch).ceil().max(0.0) as usize).min(count);
            first..end
        };
        let rows = range(1, self.cells.len().div_ceil(columns));
        let across = range(0, columns);
        let count = self.cells.len();
        rows.flat_map(move |row| across.clone().map(move |column| row * columns + column))
            .filter(move |&index| index < count)
    }
}

/// Paints a contact sheet into `rect` (points); `view` counts in sheet pixels.
pub fn sheet(rect: Rect, sheet: Sheet, view: View) -> PaintCallback {
    let painted = Painted { rect, sheet, view };
    callback(rect, painted)
}

struct Painted {
    rect: Rect,
    sheet: Sheet,
    view: View,
}

impl Scene for Painted {
    fn draw(&self, resources: &mut Resources, screen: &ScreenDescriptor) -> Option<Ready> {
        let pixels_per_point = screen.pixels_per_point;
        let origin = self.view.origin_px(self.rect, pixels_per_point);
        let cell = self.sheet.cell_px * self.view.zoom;
        let mut drawing = Drawing::new(screen);
        for index in self.sheet.in_view(self.rect, pixels_per_point, &self.view) {
            let Some(source) = &self.sheet.cells[index] else {
                continue;
            };
            let size = source.size_px().map(|side| side.max(1) as f32);
            let fit = cell / size[0].max(size[1]);
            let extent = size.map(|side| side * fit);
            let [left, top] = self.sheet.cell_at_px(index);
            let corner = [
                origin[0] + left * self.view.zoom + (cell - extent[0]) / 2.0,
                origin[1] + top * self.view.zoom + (cell - extent[1]) / 2.0,
            ]
            .map(f32::round);
            let Some(params) = drawing.place(self.rect, corner, extent) else {
                continue;
            };
            if let Some(shown) = resources.shown(source, Some(extent)) {
                drawing.one(params, Layer::Plain, shown);
            }
        }
        drawing.finish(resources)
    }
}
