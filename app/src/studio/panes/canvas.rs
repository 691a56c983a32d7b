//! The picture: looked at from near and far, and compared.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use egui::{
    Align2, Color32, CornerRadius, FontId, Mesh, PointerButton, Pos2, Rect, Response, Sense, Shape,
    Stroke, Ui, pos2, vec2,
};
use vernier_engine::picture::Picture;

use crate::studio::gpu::{self, Compare, LatentsPreview, Pixels, Source, TextureKey, View};
use crate::studio::state::{Comparison, Studio};
use crate::studio::theme::{Tokens, space};
use crate::studio::widgets::{panned, zoomed};

/// How near to the wiping line the pointer takes hold of it, in points.
pub(crate) const HANDLE: f32 = 12.0;
/// Screen pixels per picture pixel.
pub(crate) const ZOOM_RANGE: std::ops::RangeInclusive<f32> = 0.02..=64.0;
/// One step of zooming by key or menu.
const ZOOM_STEP: f32 = 1.25;

/// What the canvas remembers between frames.
#[derive(Default)]
pub(crate) struct CanvasView {
    /// `None` shows the whole picture, whatever its size.
    view: Option<View>,
    last: Option<(View, Rect)>,
    moves_wipe: bool,
    keys: Keys,
}

impl CanvasView {
    /// Shows the whole picture.
    pub(crate) fn fit(&mut self) {
        self.view = None;
    }

    /// Sets the zoom in screen pixels per picture pixel; the middle stays.
    pub(crate) fn zoom_to(&mut self, zoom: f32) {
        if let Some((view, _)) = self.last {
            let zoom = zoom.clamp(*ZOOM_RANGE.start(), *ZOOM_RANGE.end());
            self.view = Some(View { zoom, ..view });
        }
    }

    /// Zooms by so many steps; negative ones go farther away.
    pub(crate) fn zoom_by(&mut self, steps: i32) {
        if let Some((view, _)) = self.last {
            self.zoom_to(view.zoom * ZOOM_STEP.powi(steps));
        }
    }

    /// The view of a picture of `size_px` in `rect`: as the artist left it, else the whole.
    pub(crate) fn view_of(&mut self, size_px: [u32; 2], rect: Rect, scale: f32) -> View {
        let fit = View::fit(size_px, rect.shrink(space::L), scale);
        let view = self.view.unwrap_or(fit);
        self.last = Some((view, rect));
        view
    }

    /// Looks from there from now on.
    pub(crate) fn look(&mut self, view: View) {
        self.view = Some(view);
        if let Some((last, _)) = &mut self.last {
            *last = view;
        }
    }

    /// `pixels` under their name on the GPU.
    pub(crate) fn source(&mut self, pixels: &Pixels) -> Source {
        self.keys.source(pixels)
    }

    /// Screen pixels per picture pixel in the last frame.
    pub(crate) fn zoom(&self) -> Option<f32> {
        self.last.map(|(view, _)| view.zoom)
    }
}

/// Draws the shown picture and takes in zooming, panning and wiping.
pub(crate) fn canvas_pane(ui: &mut Ui, studio: &mut Studio, canvas: &mut CanvasView) {
    let tokens = Tokens::in_ui(ui);
    let (rect, response) = ui.allocate_exact_size(ui.available_size(), Sense::click_and_drag());
    ui.painter()
        .rect_filled(rect, CornerRadius::ZERO, tokens.canvas);
    let Some((pixels, is_current)) = studio.shown_pixels() else {
        empty(ui, rect, &response, studio, tokens);
        return;
    };
    response.widget_info(|| {
        let label = format!("canvas: {}", studio.shown_recipe().prompt);
        egui::WidgetInfo::labeled(egui::Role::Image, true, label)
    });
    let scale = ui.pixels_per_point();
    let source = canvas.keys.source(&pixels);
    let size = source.size_px();
    let mut view = canvas.view_of(size, rect, scale);
    zoom_and_pan(ui, rect, &response, canvas, &mut view, studio, size);
    canvas.last = Some((view, rect));

    let pinned = studio.pinned().cloned().map(Pixels::Picture);
    let pinned = pinned.map(|pinned| canvas.keys.source(&pinned));
    let (first, compare) = match (studio.comparison, pinned) {
        // Before on the left, after on the right.
        (Comparison::Wipe(at), Some(pinned)) => (pinned, Compare::Wipe { other: source, at }),
        (Comparison::Heat(gain), Some(other)) => (source, Compare::Heat { other, gain }),
        _ => (source, Compare::None),
    };
    let painter = ui.painter().with_clip_rect(rect);
    painter.add(Shape::Callback(gpu::canvas(
        rect,
        first,
        compare,
        Vec::new(),
        view,
    )));
    if let (Comparison::Heat(gain), Some(_)) = (studio.comparison, studio.pinned()) {
        heat_scale(ui, rect, gain, tokens);
    }
    let note = note(studio, is_current);
    corner_note(ui, rect, &note, tokens);
}

fn zoom_and_pan(
    ui: &Ui,
    rect: Rect,
    response: &Response,
    canvas: &mut CanvasView,
    view: &mut View,
    studio: &mut Studio,
    size: [u32; 2],
) {
    let scale = ui.pixels_per_point();
    if let Some(zoomed) = zoomed(ui, rect, response, *view, &ZOOM_RANGE) {
        *view = zoomed;
        canvas.view = Some(zoomed);
    }
    if response.double_clicked() {
        canvas.view = None;
    }
    let line_x = |at: f32| view.screen_at(rect, scale, [at * size[0] as f32, 0.0]).x;
    if response.drag_started_by(PointerButton::Primary) {
        let pressed: Option<Pos2> = ui.input(|i| i.pointer.press_origin());
        canvas.moves_wipe = match (studio.comparison, pressed) {
            (Comparison::Wipe(at), Some(pos)) => (pos.x - line_x(at)).abs() < HANDLE,
            _ => false,
        };
    }
    if response.dragged() {
        let pointer = response.interact_pointer_pos();
        if let (true, Some(pos), Comparison::Wipe(_)) =
            (canvas.moves_wipe, pointer, studio.comparison)
        {
            let at = view.picture_at(rect, scale, pos)[0] / size[0].max(1) as f32;
            studio.comparison = Comparison::Wipe(at.clamp(0.0, 1.0));
        } else {
            *view = panned(ui, response, *view);
            canvas.view = Some(*view);
        }
    }
}

fn note(studio: &Studio, is_current: bool) -> String {
    let compared = match (studio.comparison, studio.pinned()) {
        (Comparison::Wipe(_), Some(_)) => "left: pinned, right: shown",
        (Comparison::Heat(_), Some(_)) => "difference from the pinned picture",
        _ => "",
    };
    let state = match (is_current, studio.preview_note()) {
        (true, _) => "",
        (false, Some(note)) => note,
        (false, None) => "the picture before",
    };
    let parts = [state, compared]
        .into_iter()
        .filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("; ")
}

pub(crate) fn corner_note(ui: &Ui, rect: Rect, note: &str, tokens: Tokens) {
    if note.is_empty() {
        return;
    }
    let font = FontId::proportional(11.0);
    let galley = ui
        .painter()
        .layout_no_wrap(note.to_owned(), font, tokens.text);
    let size = galley.size() + vec2(space::M, space::XS) * 2.0;
    let area = Rect::from_min_size(
        rect.left_bottom() + vec2(space::M, -space::M - size.y),
        size,
    );
    ui.painter()
        .rect_filled(area, 4.0, tokens.panel.gamma_multiply(0.85));
    let at = area.min + vec2(space::M, space::XS);
    ui.painter().galley(at, galley, tokens.text);
}

/// The colours of the heat map from no difference to the hottest.
pub(crate) fn heat_scale(ui: &Ui, rect: Rect, gain: f32, tokens: Tokens) {
    let area = Rect::from_min_size(rect.right_bottom() + vec2(-172.0, -40.0), vec2(160.0, 10.0));
    let steps = 32;
    let mut mesh = Mesh::default();
    for step in 0..=steps {
        let part = step as f32 / steps as f32;
        let x = area.left() + part * area.width();
        let color: Color32 = gpu::heat_color(part);
        let at = mesh.vertices.len() as u32;
        mesh.colored_vertex(pos2(x, area.top()), color);
        mesh.colored_vertex(pos2(x, area.bottom()), color);
        if step > 0 {
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at, at + 1);
        }
    }
    ui.painter().add(Shape::mesh(mesh));
    ui.painter().rect_stroke(
        area,
        0.0,
        Stroke::new(1.0, tokens.line),
        egui::StrokeKind::Outside,
    );
    let font = FontId::proportional(11.0);
    let hottest = format!("{:.0}/255", 255.0 / gain);
    for (at, align, text) in [
        (area.left_bottom(), Align2::LEFT_TOP, "0"),
        (area.right_bottom(), Align2::RIGHT_TOP, hottest.as_str()),
    ] {
        ui.painter()
            .text(at + vec2(0.0, 2.0), align, text, font.clone(), tokens.text);
    }
}

fn empty(ui: &Ui, rect: Rect, response: &Response, studio: &Studio, tokens: Tokens) {
    let text = if studio.queue().running().is_some() {
        "The first picture is being made"
    } else {
        "Write a prompt and press Render"
    };
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "canvas: empty"));
    let font = FontId::proportional(14.0);
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        text,
        font,
        tokens.text_weak,
    );
}

/// Every name is given once in a process, so that workspaces never take one's pixels for another's.
static LAST_KEY: AtomicU64 = AtomicU64::new(0);

/// Names for pixels on the GPU, as long as the pixels live.
#[derive(Default)]
pub(crate) struct Keys {
    known: Vec<(Alive, TextureKey)>,
}

enum Alive {
    Picture(Weak<Picture>),
    Latents(Weak<LatentsPreview>),
}

impl Alive {
    fn of(pixels: &Pixels) -> Self {
        match pixels {
            Pixels::Picture(picture) => Self::Picture(Arc::downgrade(picture)),
            Pixels::Latents(latents) => Self::Latents(Arc::downgrade(latents)),
        }
    }

    fn is_alive(&self) -> bool {
        match self {
            Self::Picture(picture) => picture.strong_count() > 0,
            Self::Latents(latents) => latents.strong_count() > 0,
        }
    }

    fn is(&self, pixels: &Pixels) -> bool {
        match (self, pixels) {
            (Self::Picture(known), Pixels::Picture(p)) => known.as_ptr() == Arc::as_ptr(p),
            (Self::Latents(known), Pixels::Latents(l)) => known.as_ptr() == Arc::as_ptr(l),
            _ => false,
        }
    }
}

impl Keys {
    /// `pixels` under their name.
    pub(crate) fn source(&mut self, pixels: &Pixels) -> Source {
        self.known.retain(|(known, _)| known.is_alive());
        let found = self.known.iter().find(|(known, _)| known.is(pixels));
        let key = if let Some((_, key)) = found {
            *key
        } else {
            let key = TextureKey(LAST_KEY.fetch_add(1, Ordering::Relaxed));
            self.known.push((Alive::of(pixels), key));
            key
        };
        Source {
            key,
            pixels: pixels.clone(),
        }
    }
}
