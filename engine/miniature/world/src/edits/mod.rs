//! Pictures to edit by words, with the truth about each edit: what is asked, where, and how the
//! scene would look.
//!
//! In the manner of ALE-Bench (arXiv 2412.04715): five types of edits times one to three things,
//! evenly. A scene holds two subjects at most, so the second and third of three edits recolour the
//! hair and the shirt of a person beside the thing.

mod choose;
mod prompt;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use self::choose::{Chooser, choose};
use self::prompt::prompt;
use crate::attributes::Discrete;
use crate::scene::{SIZE, Scene};

/// What an edit changes of the things of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EditKind {
    /// The colour: "red cup" to "green cup".
    Color,
    /// What it is made of: "red cup" to "red wooden cup".
    Material,
    /// What it is, in the same colour: "red cup" to "red apple".
    Object,
    /// Both colour and what it is: "white cat" to "orange dog".
    ColorObject,
    /// Both what it is and what it is made of: "red cup" to "red wooden apple".
    ObjectMaterial,
}

impl EditKind {
    /// All of them, in the order in which cases go round.
    pub const ALL: [Self; 5] = [
        Self::Color,
        Self::Material,
        Self::Object,
        Self::ColorObject,
        Self::ObjectMaterial,
    ];

    /// The name in snake case, for files and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Color => "color",
            Self::Material => "material",
            Self::Object => "object",
            Self::ColorObject => "color_object",
            Self::ObjectMaterial => "object_material",
        }
    }
}

/// One thing that is to change.
#[derive(Clone, Debug, PartialEq)]
pub struct EditedThing {
    /// Its words in the prompt; they stand there once.
    pub from: String,
    /// What is to be shown instead.
    pub to: String,
    /// The subject that it is, or is a part of.
    pub subject: usize,
    /// Where the picture is to change: the thing, and where what takes its place would be.
    /// `SIZE * SIZE` bytes, 255 or 0; masks of one case never overlap.
    pub mask: Vec<u8>,
    /// What a meter should read afterwards: attribute and class.
    pub expect: Vec<(Discrete, usize)>,
}

/// A picture to edit.
#[derive(Clone, Debug, PartialEq)]
pub struct EditCase {
    /// What the picture shows.
    pub scene: Scene,
    /// What it would show after the edit.
    pub edited: Scene,
    /// The picture in words.
    pub prompt: String,
    /// The type of its edits; hair and shirts change their colour in all types.
    pub kind: EditKind,
    /// One to three, from left to right.
    pub things: Vec<EditedThing>,
}

/// Seeds from here on belong to edits; no other part of the world's material draws them.
const SEEDS: u64 = 1 << 42;

impl EditCase {
    /// Case `number` of the endless row: types go round first, then how many things change, so that
    /// any 15 in a row hold each combination once.
    pub fn numbered(number: u64) -> Self {
        let kind = EditKind::ALL[(number % 5) as usize];
        let count = 1 + (number / 5 % 3) as usize;
        let mut rng = ChaCha8Rng::seed_from_u64(SEEDS + number);
        let mut chooser = Chooser::new(&mut rng);
        let chosen = choose(&mut chooser, kind, count);
        let mut scene = Scene::sample(&mut rng, &choose::options());
        scene.subjects = chosen.iter().map(|one| one.before).collect();
        scene.picture.brightness = 0.5;
        scene.picture.warmth = 0.5;
        scene.picture.realism = rng.random_range(0.4..0.9);
        let mut edited = scene.clone();
        edited.subjects = chosen.iter().map(|one| one.after).collect();
        let things: Vec<EditedThing> = chosen
            .iter()
            .enumerate()
            .flat_map(|(subject, one)| one.changes.iter().map(move |change| (subject, change)))
            .map(|(subject, change)| EditedThing {
                from: change.from.clone(),
                to: change.to.clone(),
                subject,
                mask: match change.part {
                    None => whole_mask(&scene, &edited, subject),
                    Some(part) => part_mask(&scene, subject, part),
                },
                expect: change.expect.clone(),
            })
            .collect();
        let mut case = Self {
            prompt: prompt(&scene, &chosen),
            scene,
            edited,
            kind,
            things,
        };
        case.part_masks();
        case
    }

    /// What stands in front, the right one, keeps its pixels.
    fn part_masks(&mut self) {
        for own in 0..self.things.len() {
            for front in own + 1..self.things.len() {
                let (behind, rest) = self.things.split_at_mut(front);
                for (own, front) in behind[own].mask.iter_mut().zip(&rest[0].mask) {
                    *own &= !front;
                }
            }
        }
    }
}

/// Where a subject is before and after.
fn whole_mask(before: &Scene, after: &Scene, subject: usize) -> Vec<u8> {
    let (mut mask, after) = (before.mask(subject), after.mask(subject));
    for (own, after) in mask.iter_mut().zip(after) {
        *own |= after;
    }
    mask
}

/// Where a subject's `part` (its hair, its shirt) is: what differs when only the part's class does.
fn part_mask(scene: &Scene, subject: usize, part: Discrete) -> Vec<u8> {
    let drawings: Vec<_> = (0..part.classes().len())
        .map(|class| {
            let mut other = scene.clone();
            other.set_discrete(Some(subject), part, class);
            other.render()
        })
        .collect();
    let differs = |at: usize| {
        let pixel = |i: usize| &drawings[i].rgb[3 * at..3 * at + 3];
        (1..drawings.len()).any(|i| {
            let pairs = pixel(0).iter().zip(pixel(i));
            pairs.map(|(a, b)| a.abs_diff(*b)).max() > Some(PART_DIFFERS)
        })
    };
    (0..SIZE * SIZE)
        .map(|at| if differs(at) { 255 } else { 0 })
        .collect()
}

/// From which difference of any channel a pixel belongs to a part; below it a part only shines
/// through.
const PART_DIFFERS: u8 = 48;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::caption::{lexicon, words};

    #[test]
    fn the_same_number_is_the_same_case_and_another_one_another() {
        for number in [0, 7, 14, 299] {
            assert_eq!(EditCase::numbered(number), EditCase::numbered(number));
            assert_ne!(EditCase::numbered(number), EditCase::numbered(number + 15));
        }
    }

    #[test]
    fn types_and_counts_are_even_and_every_word_is_known() {
        let known = lexicon();
        let mut cells = BTreeMap::new();
        for number in 0..300 {
            let case = EditCase::numbered(number);
            *cells
                .entry((case.kind.name(), case.things.len()))
                .or_insert(0) += 1;
            let texts = case.things.iter().flat_map(|t| [&t.from, &t.to]);
            for text in texts.chain([&case.prompt]) {
                for word in words(text) {
                    assert!(known.contains(&word), "{number}: {word} in {text}");
                }
            }
            for thing in &case.things {
                let found = case.prompt.matches(thing.from.as_str()).count();
                assert_eq!(found, 1, "{number}: {} in {}", thing.from, case.prompt);
                assert_ne!(thing.from, thing.to, "{number}");
            }
        }
        assert_eq!(cells.len(), 15);
        assert!(cells.values().all(|&n| n == 20), "{cells:?}");
    }

    #[test]
    fn what_is_expected_is_what_the_edited_scene_shows_and_nothing_else_has_changed() {
        for number in 0..60 {
            let case = EditCase::numbered(number);
            for thing in &case.things {
                for &(attribute, class) in &thing.expect {
                    let shown = |scene: &Scene| scene.discrete(Some(thing.subject), attribute);
                    assert_eq!(shown(&case.edited), Some(class), "{number}: {attribute:?}");
                    assert_ne!(shown(&case.scene), Some(class), "{number}: {attribute:?}");
                }
            }
            let mut same = case.edited.clone();
            same.subjects.clone_from(&case.scene.subjects);
            assert_eq!(same, case.scene, "{number}");
        }
    }

    #[test]
    fn masks_hold_the_change_and_are_each_its_own() {
        for number in 0..60 {
            let case = EditCase::numbered(number);
            let (before, after) = (case.scene.render(), case.edited.render());
            let mut outside = 0;
            for at in 0..SIZE * SIZE {
                let holding = case.things.iter().filter(|t| t.mask[at] > 0).count();
                assert!(holding <= 1, "{number}");
                let pixel = 3 * at..3 * at + 3;
                let pairs = before.rgb[pixel.clone()].iter().zip(&after.rgb[pixel]);
                let apart = pairs.map(|(a, b)| a.abs_diff(*b)).max();
                outside += usize::from(holding == 0 && apart > Some(96));
            }
            // Soft edges, and shadows on the ground, which are no part of a thing.
            assert!(outside < SIZE * SIZE / 50, "{number}: {outside}");
            for thing in &case.things {
                let size = thing.mask.iter().filter(|m| **m > 0).count();
                assert!(size > 150, "{number}: {} covers {size} pixels", thing.from);
            }
        }
    }
}
