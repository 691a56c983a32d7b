//! Drawing: the order of things in a picture.

mod animals;
mod backgrounds;
mod canvas;
mod car;
mod color;
mod face;
mod finish;
mod hair;
mod objects;
mod people;
mod robot;
mod texture;
mod wrinkles;

use crate::attributes::Kind;
use crate::scene::{Picture, SIZE, Scene, Subject};
use canvas::Canvas;

/// Where objects stand, in pixels from the top, for one subject and for two.
const GROUND: [f32; 2] = [117.0, 118.0];

/// Draws background, ground shadows, subjects from left to right, and the light over it all.
pub(crate) fn render(scene: &Scene) -> Picture {
    let mut canvas = Canvas::new(scene.picture.realism, scene.picture.detail);
    backgrounds::draw(&mut canvas, scene.background, scene.plain_color);
    for i in 0..scene.subjects.len() {
        draw_subject(&mut canvas, scene, i, true);
    }
    finish::finish(&canvas, scene.picture.brightness, scene.picture.warmth)
}

/// Alpha of one subject alone, without its shadow.
pub(crate) fn coverage(scene: &Scene, subject: usize) -> Vec<u8> {
    let mut canvas = Canvas::new(scene.picture.realism, scene.picture.detail);
    draw_subject(&mut canvas, scene, subject, false);
    let mut alpha = Vec::with_capacity(SIZE * SIZE);
    alpha.extend(canvas.pixels().iter().map(|p| p.alpha()));
    alpha
}

fn draw_subject(canvas: &mut Canvas, scene: &Scene, index: usize, shadow: bool) {
    let Some(subject) = scene.subjects.get(index) else {
        return;
    };
    let pair = scene.subjects.len() > 1;
    let ([x, y], scale) = scene.place(index);
    if subject.kind.has_face() {
        canvas.place(x, y, scale);
        if shadow {
            canvas.backdrop_shadow();
        }
        draw_figure(canvas, subject);
        return;
    }
    // Objects stand on the ground and grow upwards; in a pair the range is narrower so that the
    // small ones keep their details.
    let dy = scene.jitter[index.min(1)][1];
    let size = if pair {
        // The widest car must not drown behind its neighbour.
        let room = if subject.kind == Kind::Car { 0.93 } else { 1.0 };
        (0.5 + 0.22 * subject.size) * room
    } else {
        0.62 + 0.5 * subject.size
    };
    canvas.place(x, GROUND[usize::from(pair)] + dy, size);
    if shadow {
        let half = match subject.kind {
            Kind::Car => car::half_width(subject) + 4.0,
            Kind::House => 46.0,
            Kind::Cup => 30.0,
            _ => 32.0,
        };
        canvas.ground_shadow(0.0, 0.0, half, 5.5);
    }
    match subject.kind {
        Kind::Car => car::draw(canvas, subject),
        Kind::House => objects::house(canvas, subject),
        Kind::Cup => objects::cup(canvas, subject),
        _ => objects::apple(canvas, subject),
    }
}

fn draw_figure(canvas: &mut Canvas, subject: &Subject) {
    match subject.kind {
        Kind::Cat => animals::cat(canvas, subject),
        Kind::Dog => animals::dog(canvas, subject),
        Kind::Robot => robot::draw(canvas, subject),
        _ => people::draw(canvas, subject),
    }
}
