//! What the pointer does on the canvas: it paints, moves the picture, or wipes.

use egui::{Event, Key, PointerButton, Pos2, Rect, Response, Ui};

use super::EditView;
use crate::studio::gpu::View;
use crate::studio::panes::{CanvasView, HANDLE, ZOOM_RANGE};
use crate::studio::state::{EditShows, Studio};
use crate::studio::widgets::{panned, zoomed};

/// What is going on between pressing and letting go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gesture {
    /// A stroke on the mask.
    Paint,
    /// The picture moves under the pointer.
    Pan,
    /// The line between source and result moves.
    Wipe,
}

/// Takes in zooming, panning, wiping and painting. The left button paints, the right one with the
/// other ink; the middle one, or the space key with the left one, moves the picture.
pub(super) fn take(
    ui: &Ui,
    studio: &mut Studio,
    view: &mut EditView,
    canvas: &mut CanvasView,
    (rect, response, now): (Rect, &Response, &mut View),
) {
    let scale = ui.pixels_per_point();
    if let Some(zoomed) = zoomed(ui, rect, response, *now, &ZOOM_RANGE) {
        *now = zoomed;
        canvas.look(zoomed);
    }
    let place = |now: &View, pos: Pos2| now.picture_at(rect, scale, pos).map(f64::from);
    if response.drag_started() {
        let pressed: Option<Pos2> = ui.input(|i| i.pointer.press_origin());
        view.gesture = pressed.and_then(|pos| {
            let gesture = begun(ui, studio, rect, now, pos);
            let is_other = response.drag_started_by(PointerButton::Secondary);
            if gesture == Gesture::Paint && !studio.begin_stroke(place(now, pos), is_other) {
                return None;
            }
            Some(gesture)
        });
    }
    if response.dragged() {
        match view.gesture {
            Some(Gesture::Paint) => {
                // All the places that the pointer has been at, not only where it is now: a fast
                // hand draws curves.
                for pos in moves(ui) {
                    studio.continue_stroke(place(now, pos));
                }
            }
            Some(Gesture::Wipe) => {
                if let Some(pos) = response.interact_pointer_pos() {
                    let [width, _] = studio.edit_size_px();
                    let at = place(now, pos)[0] as f32 / width.max(1) as f32;
                    studio.edit.shows = EditShows::Wipe(at.clamp(0.0, 1.0));
                }
            }
            Some(Gesture::Pan) => {
                *now = panned(ui, response, *now);
                canvas.look(*now);
            }
            None => {}
        }
    }
    if response.drag_stopped() && view.gesture.take() == Some(Gesture::Paint) {
        studio.end_stroke();
    }
}

fn begun(ui: &Ui, studio: &Studio, rect: Rect, now: &View, pos: Pos2) -> Gesture {
    let (is_middle, is_space) = ui.input(|i| {
        let is_middle = i.pointer.button_down(PointerButton::Middle);
        (is_middle, i.key_down(Key::Space))
    });
    if is_middle || is_space {
        return Gesture::Pan;
    }
    if let EditShows::Wipe(at) = studio.edit.shows {
        let [width, _] = studio.edit_size_px();
        let line = now.screen_at(rect, ui.pixels_per_point(), [at * width as f32, 0.0]);
        if (pos.x - line.x).abs() < HANDLE {
            return Gesture::Wipe;
        }
    }
    Gesture::Paint
}

fn moves(ui: &Ui) -> Vec<Pos2> {
    ui.input(|i| {
        let moved = i.events.iter().filter_map(|event| match event {
            Event::PointerMoved(pos) => Some(*pos),
            _ => None,
        });
        moved.collect()
    })
}
