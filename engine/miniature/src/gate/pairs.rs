//! Pairs of captions that differ in one thing.

use vernier_world::{Attribute, Caption, Discrete, SampleOptions, Scene, Value};

use crate::pool::held_out_scene;

/// The values between which a continuous attribute changes: the outermost grades.
const ENDS: [f32; 2] = [0.07, 0.93];
/// Two-subject scenes for the exchanges start at this held-out scene.
const FIRST_EXCHANGE: u64 = 1_000_000;
/// Scenes looked at for each pair that is wanted; rare attributes need many.
const SCENES_A_PAIR: u64 = 40;

/// Two captions that differ in one thing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CaptionPair {
    pub(super) before: Caption,
    pub(super) after: Caption,
    /// Whose noun is looked at.
    pub(super) subject: usize,
}

/// Up to `count` pairs of captions that differ in `attribute` of one subject or of the picture.
pub(super) fn attribute_pairs(attribute: Attribute, count: usize) -> Vec<CaptionPair> {
    let options = SampleOptions::default();
    let pair = |index: u64| {
        let mut scene = held_out_scene(index, &options);
        let holder = if attribute.is_picture_level() {
            None
        } else {
            let mut subjects = 0..scene.subjects.len();
            Some(subjects.find(|&s| scene.value(Some(s), attribute).is_some())?)
        };
        let [low, high] = ends(&scene, holder, attribute, index as usize + 1)?;
        let mut named = common(&scene);
        named.retain(|&claim| claim != (holder, attribute));
        named.push((holder, attribute));
        let mut caption_at = |value| {
            scene.set_value(holder, attribute, value);
            vernier_world::caption_of(&scene, &named, 0)
        };
        let (before, after) = (caption_at(low), caption_at(high));
        (before.text != after.text).then_some(CaptionPair {
            before,
            after,
            subject: holder.unwrap_or(0),
        })
    };
    (0..SCENES_A_PAIR * count as u64)
        .filter_map(pair)
        .take(count)
        .collect()
}

/// Up to `count` pairs of captions before and after the two subjects exchange their main colours.
pub(super) fn exchanged_colors(count: usize) -> Vec<CaptionPair> {
    exchanged(count, |scene| {
        let color = |subject: usize| {
            [
                Discrete::ClothesColor,
                Discrete::FurColor,
                Discrete::PaintColor,
            ]
            .into_iter()
            .find(|&a| scene.discrete(Some(subject), a).is_some())
            .map(Attribute::Discrete)
        };
        scene.exchange(color(0)?, color(1)?)
    })
}

/// Up to `count` pairs of captions before and after the two subjects exchange their places.
pub(super) fn exchanged_sides(count: usize) -> Vec<CaptionPair> {
    exchanged(count, |scene| Some(scene.swap_sides()))
}

fn exchanged(count: usize, exchange: impl Fn(&Scene) -> Option<Scene>) -> Vec<CaptionPair> {
    let options = SampleOptions {
        two_subjects: 1.0,
        ..SampleOptions::default()
    };
    let caption = |scene: &Scene| vernier_world::caption_of(scene, &common(scene), 0);
    let pair = |index: u64| {
        let scene = held_out_scene(index, &options);
        let (before, after) = (caption(&scene), caption(&exchange(&scene)?));
        (before.text != after.text).then_some(CaptionPair {
            before,
            after,
            subject: 0,
        })
    };
    (FIRST_EXCHANGE..FIRST_EXCHANGE + SCENES_A_PAIR * count as u64)
        .filter_map(pair)
        .take(count)
        .collect()
}

/// The two values between which an attribute changes; `at` varies which class comes second.
fn ends(
    scene: &Scene,
    subject: Option<usize>,
    attribute: Attribute,
    at: usize,
) -> Option<[Value; 2]> {
    match attribute {
        Attribute::Continuous(_) => {
            scene.value(subject, attribute)?;
            Some(ENDS.map(Value::Continuous))
        }
        Attribute::Discrete(a) => {
            let now = scene.discrete(subject, a)?;
            let classes = a.classes().len();
            let other = (now + 1 + at % (classes - 1)) % classes;
            Some([now, other].map(Value::Discrete))
        }
    }
}

/// What most captions say of `scene` besides what is under test: colours and the background.
fn common(scene: &Scene) -> Vec<(Option<usize>, Attribute)> {
    let mut all = scene.applicable();
    all.retain(|&(_, attribute)| {
        matches!(
            attribute,
            Attribute::Discrete(
                Discrete::HairColor
                    | Discrete::ClothesColor
                    | Discrete::FurColor
                    | Discrete::PaintColor
                    | Discrete::Background
            )
        )
    });
    all
}

#[cfg(test)]
mod tests {
    use vernier_world::{Attribute, Discrete};

    use super::super::attributes_asked;
    use super::{attribute_pairs, exchanged_colors, exchanged_sides};
    use crate::captions::claim;

    #[test]
    fn every_attribute_has_pairs_that_claim_two_values_of_it() {
        for attribute in attributes_asked() {
            let pairs = attribute_pairs(attribute, 4);
            assert_eq!(pairs.len(), 4, "{}", attribute.name());
            for pair in pairs {
                if attribute == Attribute::Discrete(Discrete::Kind) {
                    assert_ne!(pair.before.text, pair.after.text);
                    continue;
                }
                let subject = (!attribute.is_picture_level()).then_some(pair.subject);
                let values = [&pair.before, &pair.after]
                    .map(|caption| claim(caption, subject, attribute).map(|n| n.value));
                assert_ne!(values[0], values[1], "{}", pair.before.text);
                assert_eq!(pair.before.named.len(), pair.after.named.len());
            }
        }
    }

    #[test]
    fn exchanges_keep_the_words_and_change_their_order() {
        let sorted = |text: &str| {
            // A colour is said as "red" of a car and as "red-shirted" of a man.
            let text = text.replace("-shirted", "");
            let mut words = vernier_world::words(&text);
            words.retain(|w| !matches!(*w, "a" | "an"));
            words.sort_unstable();
            words.join(" ")
        };
        for pair in exchanged_colors(6).iter().chain(&exchanged_sides(6)) {
            assert_ne!(pair.before.text, pair.after.text);
            assert_eq!(sorted(&pair.before.text), sorted(&pair.after.text));
        }
    }
}
