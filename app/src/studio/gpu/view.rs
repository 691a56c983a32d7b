//! Where a picture lies on the screen.

use egui::{Pos2, Rect, pos2};

/// Which part of a picture a widget shows.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct View {
    /// The point of the picture at the widget's middle, in picture pixels from the top left.
    pub center: [f32; 2],
    /// Physical screen pixels per picture pixel, above 0. At whole numbers the picture snaps to
    /// the screen's pixels, so that at 1 each byte is shown as it is.
    pub zoom: f32,
}

impl View {
    /// The whole of a picture of `size_px` inside `rect` (points), centred.
    pub fn fit(size_px: [u32; 2], rect: Rect, pixels_per_point: f32) -> Self {
        let [width, height] = size_px.map(|side| side.max(1) as f32);
        let room = rect.size() * pixels_per_point;
        Self {
            center: [width / 2.0, height / 2.0],
            zoom: (room.x / width).min(room.y / height).max(1e-6),
        }
    }

    /// The picture's top left corner, in physical pixels of the screen.
    pub(super) fn origin_px(&self, rect: Rect, pixels_per_point: f32) -> [f32; 2] {
        let middle = rect.center() * pixels_per_point;
        let origin = [
            middle.x - self.center[0] * self.zoom,
            middle.y - self.center[1] * self.zoom,
        ];
        if (self.zoom - self.zoom.round()).abs() < 1e-4 && self.zoom >= 0.5 {
            origin.map(f32::round)
        } else {
            origin
        }
    }

    /// The picture point, in picture pixels, under `pos` (points) of a widget at `rect`.
    pub fn picture_at(&self, rect: Rect, pixels_per_point: f32, pos: Pos2) -> [f32; 2] {
        let origin = self.origin_px(rect, pixels_per_point);
        [
            (pos.x * pixels_per_point - origin[0]) / self.zoom,
            (pos.y * pixels_per_point - origin[1]) / self.zoom,
        ]
    }

    /// Where a point of the picture, in picture pixels, lies on the screen, in points.
    pub fn screen_at(&self, rect: Rect, pixels_per_point: f32, point: [f32; 2]) -> Pos2 {
        let origin = self.origin_px(rect, pixels_per_point);
        pos2(
            (origin[0] + point[0] * self.zoom) / pixels_per_point,
            (origin[1] + point[1] * self.zoom) / pixels_per_point,
        )
    }

    /// The view at `zoom` whose point under `pos` stays there.
    #[must_use]
    pub fn zoomed_at(&self, rect: Rect, pixels_per_point: f32, pos: Pos2, zoom: f32) -> Self {
        let zoom = zoom.max(1e-6);
        let away = (pos - rect.center()) * pixels_per_point;
        Self {
            center: [
                self.center[0] + away.x * (1.0 / self.zoom - 1.0 / zoom),
                self.center[1] + away.y * (1.0 / self.zoom - 1.0 / zoom),
            ],
            zoom,
        }
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn points_go_to_the_screen_and_back() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0));
        for zoom in [0.37, 1.0, 5.5] {
            let view = View {
                center: [31.0, 17.25],
                zoom,
            };
            let pos = view.screen_at(rect, 1.5, [7.0, 9.5]);
            let [x, y] = view.picture_at(rect, 1.5, pos);
            assert!((x - 7.0).abs() < 1e-3 && (y - 9.5).abs() < 1e-3, "{x} {y}");
        }
    }

    #[test]
    fn the_point_under_the_pointer_stays_there() {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(300.0, 200.0));
        let view = View {
            center: [40.0, 40.0],
            zoom: 1.3,
        };
        let pos = pos2(222.0, 31.0);
        let before = view.picture_at(rect, 2.0, pos);
        let after = view
            .zoomed_at(rect, 2.0, pos, 3.7)
            .picture_at(rect, 2.0, pos);
        assert!((before[0] - after[0]).abs() < 1e-2 && (before[1] - after[1]).abs() < 1e-2);
    }

    #[test]
    fn a_fitting_view_shows_the_whole_picture() {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(300.0, 200.0));
        let view = View::fit([600, 100], rect, 1.0);
        assert_eq!(
            view,
            View {
                center: [300.0, 50.0],
                zoom: 0.5
            }
        );
    }
}
