//! Captions say what the picture shows.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vernier_world::{
    Attribute, Caption, CaptionOptions, Continuous, Discrete, Kind, SampleOptions, Scene, Subject,
    Value, caption, caption_of, lexicon, neutral_caption, words,
};

fn check(scene: &Scene, c: &Caption, known: &BTreeSet<&str>) {
    for word in words(&c.text) {
        assert!(known.contains(word), "{word:?} in {:?}", c.text);
    }
    assert_eq!(c.text, c.text.to_lowercase());
    assert!(
        !c.text.contains("  ") && !c.text.contains(" ,"),
        "{:?}",
        c.text
    );
    assert_eq!(c.nouns.len(), scene.subjects.len());
    for (range, subject) in c.nouns.iter().zip(&scene.subjects) {
        assert_eq!(&c.text[range.clone()], subject.kind.noun());
    }
    let first = c.nouns.iter().map(|r| r.start).min().expect("a noun");
    for named in &c.named {
        assert!(!c.text[named.words.clone()].is_empty());
        let noun = named.subject.map_or(first, |i| c.nouns[i].start);
        assert_eq!(named.before_noun, named.words.end <= noun, "{:?}", c.text);
        match (named.value, scene.value(named.subject, named.attribute)) {
            (Value::Continuous(asked), Some(Value::Continuous(v))) => {
                assert!((asked - v).abs() <= 1.0 / 12.0 + 1e-5, "{:?}", c.text);
            }
            (Value::Discrete(asked), Some(Value::Discrete(class))) => assert_eq!(asked, class),
            _ => panic!("{named:?} does not apply: {:?}", c.text),
        }
    }
    let distinct: BTreeSet<_> = c.named.iter().map(|n| (n.subject, n.attribute)).collect();
    assert_eq!(distinct.len(), c.named.len(), "named twice: {:?}", c.text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_caption_agrees_with_its_scene(seed: u64, template: u64, completeness in 0.0f32..1.3) {
        let known: BTreeSet<&str> = lexicon().into_iter().collect();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene = Scene::sample(&mut rng, &SampleOptions::default());
        let options = CaptionOptions { completeness, ..CaptionOptions::default() };
        let c = caption(&scene, &mut rng, &options);
        check(&scene, &c, &known);
        prop_assert!(words(&c.text).len() < 60);
        let named: Vec<_> = scene.applicable().into_iter().step_by(3).collect();
        for template in [0, template] {
            let c = caption_of(&scene, &named, template);
            check(&scene, &c, &known);
            let kinds = named
                .iter()
                .filter(|(_, a)| *a == Attribute::Discrete(Discrete::Kind))
                .count();
            prop_assert_eq!(c.named.len(), named.len() - kinds);
        }
    }
}

#[test]
fn grades_are_distinct_and_rise() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for kind in Kind::ALL {
        let mut scene = Scene::sample(&mut rng, &SampleOptions::default());
        scene.subjects = vec![Subject::sample(&mut rng, kind)];
        for (place, attribute) in scene.applicable() {
            let Attribute::Continuous(a) = attribute else {
                continue;
            };
            let mut seen = BTreeSet::new();
            let mut last = -1.0;
            for step in 0..7 {
                let value = step as f32 / 6.0;
                scene.set_continuous(place, a, value);
                let c = caption_of(&scene, &[(place, attribute)], 0);
                assert!(c.named[0].before_noun, "{:?}", c.text);
                assert!(seen.insert(c.text[c.named[0].words.clone()].to_owned()));
                let Value::Continuous(asked) = c.named[0].value else {
                    panic!("{:?}", c.named[0]);
                };
                assert!(asked > last);
                assert!((asked - value).abs() < 1e-5);
                last = asked;
            }
        }
    }
}

#[test]
fn classes_have_adjectives_before_the_noun() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for kind in Kind::ALL {
        let mut scene = Scene::sample(&mut rng, &SampleOptions::default());
        scene.subjects = vec![Subject::sample(&mut rng, kind)];
        for a in Discrete::ALL {
            if a == Discrete::Kind || !a.applies_to(kind) {
                continue;
            }
            let mut seen = BTreeSet::new();
            for class in 0..a.classes().len() {
                scene.set_discrete(Some(0), a, class);
                let c = caption_of(&scene, &[(Some(0), Attribute::Discrete(a))], 0);
                assert!(c.named[0].before_noun);
                assert_eq!(c.named[0].value, Value::Discrete(class));
                assert!(seen.insert(c.text));
            }
        }
    }
}

#[test]
fn canonical_wording() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut scene = Scene::sample(&mut rng, &SampleOptions::default());
    let mut man = Subject::sample(&mut rng, Kind::Man);
    man.age = 0.98;
    man.smile = 0.68;
    let mut cup = Subject::sample(&mut rng, Kind::Cup);
    cup.paint_color = 4;
    cup.material = 1;
    scene.subjects = vec![man, cup];
    assert_eq!(neutral_caption(&scene).text, "a man next to a cup");
    let named = [
        (Some(0), Attribute::Continuous(Continuous::Age)),
        (Some(0), Attribute::Continuous(Continuous::Smile)),
        (Some(1), Attribute::Discrete(Discrete::Material)),
        (Some(1), Attribute::Discrete(Discrete::PaintColor)),
    ];
    let c = caption_of(&scene, &named, 0);
    assert_eq!(
        c.text,
        "a very old slightly smiling man next to a blue wooden cup"
    );
}

#[test]
fn the_lexicon_is_small_and_clean() {
    let words = lexicon();
    assert!(words.len() < 350, "{}", words.len());
    assert!(words.is_sorted());
    assert!(
        words
            .iter()
            .all(|w| !w.is_empty() && *w == w.to_lowercase())
    );
}

#[test]
fn what_is_omitted_is_never_named() {
    let age = Attribute::Continuous(Continuous::Age);
    let options = CaptionOptions {
        completeness: 1.3,
        omit: vec![age],
        ..CaptionOptions::default()
    };
    let (mut aged, mut smiled) = (0, 0);
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let scene = Scene::sample(&mut rng, &SampleOptions::default());
        aged += usize::from(scene.value(Some(0), age).is_some());
        let c = caption(&scene, &mut rng, &options);
        assert!(c.named.iter().all(|named| named.attribute != age));
        let smile = Attribute::Continuous(Continuous::Smile);
        smiled += usize::from(c.named.iter().any(|named| named.attribute == smile));
    }
    assert!(aged > 50 && smiled > 50);
}
