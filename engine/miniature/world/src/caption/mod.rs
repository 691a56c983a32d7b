//! Captions: plain lower-case English with exact knowledge of what each word says.

mod compose;
mod lexicon;
pub(crate) mod phrases;

use std::ops::Range;

use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::attributes::{Attribute, Continuous, Discrete, Value};
use crate::scene::Scene;
use compose::{Item, Plan, Wording, compose};
pub use lexicon::{lexicon, words};
use phrases::{PAIRS, PAIRS_RIGHT_FIRST};

/// Captions stay below this number of words.
const MOST_WORDS: usize = 60;

/// A sentence about a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Caption {
    /// The sentence: lower case, words separated by single spaces, commas after words.
    pub text: String,
    /// Byte range of each subject's noun in `text`, in subject order (left to right), whatever
    /// the order in the sentence.
    pub nouns: Vec<Range<usize>>,
    /// Every attribute that the sentence names, in sentence order. The kinds are not among them:
    /// the nouns name those.
    pub named: Vec<Named>,
}

/// An attribute that a caption names.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Whose; `None` for the picture.
    pub subject: Option<usize>,
    /// Which.
    pub attribute: Attribute,
    /// Byte range of the words that name it.
    pub words: Range<usize>,
    /// Whether the words stand before the subject's noun; for the picture's attributes, before
    /// the first noun. Only then can a causal text encoder know it at the noun.
    pub before_noun: bool,
    /// What the words ask for: the middle of the grade or the number (`0..=1`), or the class.
    /// Grades are a sixth apart.
    pub value: Value,
}

/// How captions are worded. All numbers are probabilities, `0..=1`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaptionOptions {
    /// Factor on all the probabilities of naming an attribute; 1 by default.
    pub completeness: f32,
    /// Naming colours, materials, backgrounds, and glasses, beards and hats that are there.
    pub discrete: f32,
    /// Naming a continuous attribute of a subject.
    pub continuous: f32,
    /// Naming detail and realism, and brightness and warmth where they are not neutral.
    pub picture: f32,
    /// Naming brightness and warmth that are exactly neutral.
    pub neutral: f32,
    /// Naming glasses, beards and hats that are not there.
    pub absent: f32,
    /// Naming the skin tone.
    pub skin: f32,
    /// Saying a number instead of a grade.
    pub numbers: f32,
    /// Putting an attribute before its noun rather than after.
    pub before_noun: f32,
    /// Naming the background first.
    pub place_first: f32,
    /// Naming the right subject first (the sentence then says so).
    pub shuffle_order: f32,
    /// What is never named.
    pub omit: Vec<Attribute>,
}

impl Default for CaptionOptions {
    fn default() -> Self {
        Self {
            completeness: 1.0,
            discrete: 0.9,
            continuous: 0.75,
            picture: 0.6,
            neutral: 0.12,
            absent: 0.15,
            skin: 0.1,
            numbers: 0.15,
            before_noun: 0.6,
            place_first: 0.2,
            shuffle_order: 0.2,
            omit: Vec::new(),
        }
    }
}

/// How likely an attribute is to be named.
fn chance(
    scene: &Scene,
    subject: Option<usize>,
    attribute: Attribute,
    options: &CaptionOptions,
) -> f32 {
    let p = match (attribute, scene.value(subject, attribute)) {
        _ if options.omit.contains(&attribute) => 0.0,
        (_, None) | (Attribute::Discrete(Discrete::Kind), _) => 0.0,
        (
            Attribute::Continuous(Continuous::Brightness | Continuous::Warmth),
            Some(Value::Continuous(v)),
        ) if (v - 0.5).abs() < 1e-6 => options.neutral,
        (Attribute::Continuous(a), _) if a.is_picture_level() => options.picture,
        (Attribute::Continuous(_), _) => options.continuous,
        (Attribute::Discrete(Discrete::SkinTone), _) => options.skin,
        (
            Attribute::Discrete(Discrete::Glasses | Discrete::Beard | Discrete::Hat),
            Some(Value::Discrete(0)),
        ) => options.absent,
        // A shaved head shows next to nothing of its hair's colour.
        (Attribute::Discrete(Discrete::HairColor), _)
            if subject.is_some_and(|i| phrases::grade(scene.subjects[i].hair_length) == 0) =>
        {
            0.0
        }
        (Attribute::Discrete(_), _) => options.discrete,
    };
    (p * options.completeness).clamp(0.0, 1.0)
}

/// A form for an attribute, by chance.
fn item(
    rng: &mut impl Rng,
    subject: Option<usize>,
    attribute: Attribute,
    options: &CaptionOptions,
) -> Item {
    let place = matches!(attribute, Attribute::Discrete(a) if a.is_picture_level());
    let before = if place {
        // The composer keeps background and its colour together; see `plan`.
        false
    } else {
        rng.random_bool(options.before_noun.clamp(0.0, 1.0).into())
    };
    let wording = match attribute {
        Attribute::Continuous(_) if rng.random_bool(options.numbers.clamp(0.0, 1.0).into()) => {
            Wording::Percent(if rng.random_bool(0.5) { 5 } else { 10 })
        }
        Attribute::Continuous(a) => Wording::Grade(rng.random_range(0..phrases::wordings(a))),
        Attribute::Discrete(_) => Wording::Grade(0),
    };
    Item {
        subject,
        attribute,
        before,
        wording,
    }
}

fn plan(
    rng: &mut impl Rng,
    named: &[(Option<usize>, Attribute)],
    options: &CaptionOptions,
) -> Plan {
    let mut items: Vec<Item> = named
        .iter()
        .map(|&(subject, attribute)| item(rng, subject, attribute, options))
        .collect();
    items.shuffle(rng);
    if rng.random_bool(options.place_first.clamp(0.0, 1.0).into()) {
        for item in &mut items {
            if matches!(item.attribute, Attribute::Discrete(a) if a.is_picture_level()) {
                item.before = true;
            }
        }
    }
    let right_first = rng.random_bool(options.shuffle_order.clamp(0.0, 1.0).into());
    let patterns: &[&str] = if right_first {
        &PAIRS_RIGHT_FIRST
    } else {
        &PAIRS
    };
    Plan {
        items,
        pattern: patterns.choose(rng).copied().unwrap_or(PAIRS[0]),
    }
}

/// A random caption of a scene: wording, order and what is named vary as the options say. It has
/// fewer than 60 words; what does not fit is left out, by chance.
pub fn caption(scene: &Scene, rng: &mut impl Rng, options: &CaptionOptions) -> Caption {
    let named: Vec<_> = scene
        .applicable()
        .into_iter()
        .filter(|&(subject, attribute)| {
            rng.random_bool(chance(scene, subject, attribute, options).into())
        })
        .collect();
    let mut plan = plan(rng, &named, options);
    loop {
        let caption = compose(scene, &plan);
        if words(&caption.text).len() < MOST_WORDS || plan.items.is_empty() {
            return caption;
        }
        let drop = rng.random_range(0..plan.items.len());
        plan.items.remove(drop);
    }
}

/// A caption that names exactly these attributes (those that do not apply are left out).
/// `template` 0 is the canonical wording: graded adjectives before the noun in the order given,
/// "A next to B", the background last. Any other number seeds a random wording.
pub fn caption_of(scene: &Scene, named: &[(Option<usize>, Attribute)], template: u64) -> Caption {
    let named: Vec<_> = named
        .iter()
        .copied()
        .filter(|&(subject, attribute)| {
            attribute != Attribute::Discrete(Discrete::Kind)
                && scene.value(subject, attribute).is_some()
        })
        .collect();
    if template != 0 {
        let mut rng = ChaCha8Rng::seed_from_u64(template);
        let plan = plan(&mut rng, &named, &CaptionOptions::default());
        return compose(scene, &plan);
    }
    let items = named
        .into_iter()
        .map(|(subject, attribute)| Item {
            subject,
            attribute,
            before: !matches!(attribute, Attribute::Discrete(a) if a.is_picture_level()),
            wording: Wording::Grade(0),
        })
        .collect();
    compose(
        scene,
        &Plan {
            items,
            pattern: PAIRS[0],
        },
    )
}

/// The kinds only: "a man next to a dog".
pub fn neutral_caption(scene: &Scene) -> Caption {
    caption_of(scene, &[], 0)
}
