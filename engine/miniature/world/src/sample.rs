//! Random scenes.

use rand::{Rng, RngExt};

use crate::attributes::{Background, Discrete, Kind};
use crate::scene::{PictureAttributes, Scene, Subject};

/// How scenes are drawn by [`Scene::sample`].
#[derive(Clone, Debug)]
pub struct SampleOptions {
    /// Probability of two subjects, `0..=1`.
    pub two_subjects: f64,
    /// Probability that brightness, and warmth on its own draw, is exactly neutral, `0..=1`.
    pub neutral_light: f64,
    /// Kinds to draw from; all when empty. A repeated kind is drawn more often.
    pub kinds: Vec<Kind>,
    /// Backgrounds to draw from; all when empty. A repeated one is drawn more often.
    pub backgrounds: Vec<Background>,
    /// Largest offset of a place from its nominal centre, in pixels.
    pub jitter: f32,
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            two_subjects: 0.5,
            neutral_light: 0.75,
            kinds: Vec::new(),
            backgrounds: Vec::new(),
            jitter: 1.5,
        }
    }
}

/// The kinds by default: people twice as often as the rest, for they carry most attributes.
const KINDS: [Kind; 15] = [
    Kind::Man,
    Kind::Man,
    Kind::Woman,
    Kind::Woman,
    Kind::Boy,
    Kind::Boy,
    Kind::Girl,
    Kind::Girl,
    Kind::Cat,
    Kind::Dog,
    Kind::Robot,
    Kind::Car,
    Kind::House,
    Kind::Cup,
    Kind::Apple,
];

fn pick<T: Copy>(rng: &mut impl Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

fn class(rng: &mut impl Rng, attribute: Discrete) -> usize {
    rng.random_range(0..attribute.classes().len())
}

/// Half uniform, half near one of the ends or the middle: the extremes are what people ask for,
/// so a model must see them often.
fn spread(rng: &mut impl Rng) -> f32 {
    let u = rng.random::<f32>();
    if rng.random_bool(0.6) {
        u
    } else {
        let anchor = pick(rng, &[0.0, 0.5, 1.0]);
        (anchor + (u - 0.5) * 0.2f32).clamp(0.0, 1.0)
    }
}

/// Brightness or warmth: tinted light blurs the colour words, so most pictures have none.
fn light(rng: &mut impl Rng, options: &SampleOptions) -> f32 {
    let value = spread(rng);
    if rng.random_bool(options.neutral_light.clamp(0.0, 1.0)) {
        0.5
    } else {
        value
    }
}

impl Subject {
    /// A random subject of a kind, every attribute drawn on its own.
    pub fn sample(rng: &mut impl Rng, kind: Kind) -> Self {
        let mut subject = Self {
            kind,
            age: spread(rng),
            smile: spread(rng),
            eye_openness: spread(rng),
            hair_length: spread(rng),
            face_width: spread(rng),
            car_width: spread(rng),
            car_age: spread(rng),
            size: spread(rng),
            hair_color: class(rng, Discrete::HairColor),
            skin_tone: class(rng, Discrete::SkinTone),
            clothes_color: class(rng, Discrete::ClothesColor),
            fur_color: class(rng, Discrete::FurColor),
            paint_color: class(rng, Discrete::PaintColor),
            glasses: usize::from(rng.random_bool(0.3)),
            beard: usize::from(rng.random_bool(0.4)),
            hat: 0,
            material: 0,
        };
        // Grey and white hair on children would teach nothing that anybody asks for.
        if kind.is_child() && subject.hair_color > 3 && rng.random_bool(0.9) {
            subject.hair_color = rng.random_range(0..4);
        }
        if rng.random_bool(0.28) {
            subject.hat = rng.random_range(1..Discrete::Hat.classes().len());
        }
        if rng.random_bool(0.65) {
            subject.material = rng.random_range(1..Discrete::Material.classes().len());
        }
        // Half of the eyes stay near calm: closed eyes hide the gaze that makes a portrait.
        if rng.random_bool(0.3) {
            subject.eye_openness = rng.random_range(0.4..0.8);
        }
        subject
    }
}

impl Scene {
    /// A random scene.
    pub fn sample(rng: &mut impl Rng, options: &SampleOptions) -> Self {
        let count = 1 + usize::from(rng.random_bool(options.two_subjects.clamp(0.0, 1.0)));
        let subjects: Vec<Subject> = (0..count)
            .map(|_| {
                let kind = if options.kinds.is_empty() {
                    pick(rng, &KINDS)
                } else {
                    pick(rng, &options.kinds)
                };
                Subject::sample(rng, kind)
            })
            .collect();
        let background = if options.backgrounds.is_empty() {
            pick(rng, &Background::ALL)
        } else {
            pick(rng, &options.backgrounds)
        };
        let brightness = light(rng, options);
        let warmth = light(rng, options);
        let detail = if rng.random_bool(0.5) {
            rng.random_range(0.2..0.5)
        } else {
            spread(rng)
        };
        let realism = if rng.random_bool(0.5) {
            rng.random_range(0.5..0.9)
        } else {
            spread(rng)
        };
        // Something painted should stand out from a plain wall: one redraw makes a clash rare
        // and still possible.
        let mut plain_color = class(rng, Discrete::PlainColor);
        if subjects
            .iter()
            .any(|s| s.paint_color == plain_color || s.clothes_color == plain_color)
        {
            plain_color = class(rng, Discrete::PlainColor);
        }
        let j = options.jitter.max(0.0);
        let mut offset = || (rng.random::<f32>() * 2.0 - 1.0) * j;
        Self {
            subjects,
            background,
            plain_color,
            picture: PictureAttributes {
                brightness,
                warmth,
                detail,
                realism,
            },
            jitter: [[offset(), offset()], [offset(), offset()]],
        }
    }
}
