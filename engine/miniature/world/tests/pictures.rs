//! Pictures and masks: every attribute shows where it should and nowhere else.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use vernier_world::{
    Attribute, Background, Continuous, Discrete, Kind, PictureAttributes, SIZE, SampleOptions,
    Scene, Subject, Value, Variation,
};

fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

fn scene(kinds: &[Kind], seed: u64) -> Scene {
    let mut rng = rng(seed);
    let mut scene = Scene::sample(&mut rng, &SampleOptions::default());
    scene.background = Background::Plain;
    scene.plain_color = 4;
    scene.picture = PictureAttributes {
        brightness: 0.5,
        warmth: 0.5,
        detail: 0.3,
        realism: 0.6,
    };
    scene.subjects = kinds
        .iter()
        .map(|&kind| {
            let mut s = Subject::sample(&mut rng, kind);
            s.hair_length = 0.4;
            s.hat = 0;
            s.smile = 0.5;
            s.eye_openness = 0.6;
            s.age = 0.3;
            s.beard = 0;
            s
        })
        .collect();
    scene
}

/// Mean absolute difference in bytes, weighted with a mask, summed over its pixels.
fn difference(a: &Scene, b: &Scene, inside: impl Fn(usize) -> bool) -> f64 {
    let (a, b) = (a.render(), b.render());
    let pairs = a.rgb.chunks_exact(3).zip(b.rgb.chunks_exact(3));
    pairs
        .enumerate()
        .filter(|(i, _)| inside(*i))
        .map(|(_, (p, q))| {
            let sum: u32 = p
                .iter()
                .zip(q)
                .map(|(x, y)| u32::from(x.abs_diff(*y)))
                .sum();
            f64::from(sum) / 3.0
        })
        .sum()
}

#[test]
fn the_same_seed_gives_the_same_picture() {
    for seed in 0..20 {
        let a = Scene::sample(&mut rng(seed), &SampleOptions::default());
        let b = Scene::sample(&mut rng(seed), &SampleOptions::default());
        assert_eq!(a, b);
        let picture = a.render();
        assert_eq!(picture, b.render());
        assert_eq!(picture.rgb.len(), SIZE * SIZE * 3);
    }
}

#[test]
fn an_attribute_shows_inside_its_subject() {
    for (n, kind) in Kind::ALL.into_iter().enumerate() {
        for kinds in [vec![kind], vec![kind, Kind::Dog], vec![Kind::Cup, kind]] {
            let subject = usize::from(kinds[0] != kind);
            let base = scene(&kinds, 100 + n as u64);
            let changes = Continuous::ALL
                .map(Attribute::Continuous)
                .into_iter()
                .chain(Discrete::ALL.map(Attribute::Discrete));
            for attribute in changes {
                let (low, high) = match base.value(Some(subject), attribute) {
                    Some(Value::Continuous(_)) => (Value::Continuous(0.0), Value::Continuous(1.0)),
                    Some(Value::Discrete(c))
                        if attribute != Attribute::Discrete(Discrete::Kind) =>
                    {
                        let next = usize::from(c == 0);
                        (Value::Discrete(c), Value::Discrete(next))
                    }
                    _ => continue,
                };
                let (mut a, mut b) = (base.clone(), base.clone());
                assert!(a.set_value(Some(subject), attribute, low));
                assert!(b.set_value(Some(subject), attribute, high));
                let (m, k) = (a.mask(subject), b.mask(subject));
                let own = |i: usize| m[i] > 0 || k[i] > 0;
                let inside = difference(&a, &b, own);
                let outside = difference(&a, &b, |i| !own(i));
                let what = format!("{kinds:?} {} {inside:.0} {outside:.0}", attribute.name());
                assert!(inside > 1500.0, "does not show: {what}");
                assert!(outside < 0.25 * inside + 400.0, "shows elsewhere: {what}");
            }
        }
    }
}

#[test]
fn each_step_of_a_slider_shows() {
    for kind in Kind::ALL {
        let base = scene(&[kind, kind], 9);
        for attribute in Continuous::ALL {
            let place = (!attribute.is_picture_level()).then_some(0);
            if base.continuous(place, attribute).is_none() {
                continue;
            }
            for step in 0..6 {
                let (mut a, mut b) = (base.clone(), base.clone());
                a.set_continuous(place, attribute, step as f32 / 6.0);
                b.set_continuous(place, attribute, (step + 1) as f32 / 6.0);
                let d = difference(&a, &b, |_| true);
                assert!(
                    d > 300.0,
                    "{kind:?} {} step {step}: {d:.0}",
                    attribute.name()
                );
            }
        }
    }
}

#[test]
fn picture_attributes_and_backgrounds_show() {
    for background in Background::ALL {
        let mut base = scene(&[Kind::Girl, Kind::House], 5);
        base.background = background;
        for attribute in Continuous::ALL.into_iter().filter(|a| a.is_picture_level()) {
            let (mut a, mut b) = (base.clone(), base.clone());
            assert!(a.set_continuous(None, attribute, 0.0));
            assert!(b.set_continuous(None, attribute, 1.0));
            let d = difference(&a, &b, |_| true) / (SIZE * SIZE) as f64;
            assert!(d > 4.0, "{background:?} {}: {d:.1}", attribute.name());
        }
        for other in 0..Background::ALL.len() {
            let mut b = base.clone();
            assert!(b.set_discrete(None, Discrete::Background, other));
            if b != base {
                let d = difference(&base, &b, |_| true) / (SIZE * SIZE) as f64;
                assert!(d > 10.0, "{background:?} {other}: {d:.1}");
            }
        }
    }
    let scene = scene(&[Kind::Girl], 5);
    for color in 0..Discrete::PlainColor.classes().len() {
        let mut b = scene.clone();
        assert!(b.set_discrete(None, Discrete::PlainColor, color));
        assert!(color == 4 || difference(&scene, &b, |_| true) > 100_000.0);
    }
}

#[test]
fn masks_are_apart_and_lie_in_their_regions() {
    let options = SampleOptions::default();
    for seed in 0..150 {
        let scene = Scene::sample(&mut rng(seed), &options);
        let masks: Vec<_> = (0..scene.subjects.len()).map(|i| scene.mask(i)).collect();
        for (i, mask) in masks.iter().enumerate() {
            assert!(mask.iter().all(|&v| v == 0 || v == 255));
            let area = mask.iter().filter(|&&v| v > 0).count();
            assert!(area > 500, "seed {seed} subject {i}: {area} pixels");
            let [left, top, right, bottom] = scene.region(i);
            let within = mask.iter().enumerate().filter(|(k, v)| {
                let (x, y) = ((k % SIZE) as f32 + 0.5, (k / SIZE) as f32 + 0.5);
                **v > 0 && x > left && x < right && y > top && y < bottom
            });
            assert!(within.count() * 10 > area * 8, "seed {seed} subject {i}");
        }
        if let [a, b] = &masks[..] {
            assert!(a.iter().zip(b).all(|(x, y)| *x == 0 || *y == 0));
        }
        assert!(scene.mask(scene.subjects.len()).iter().all(|&v| v == 0));
    }
}

#[test]
fn exchanging_twice_changes_nothing() {
    let options = SampleOptions {
        two_subjects: 1.0,
        ..SampleOptions::default()
    };
    for seed in 0..60 {
        let mut rng = rng(seed);
        let scene = Scene::sample(&mut rng, &options);
        assert_eq!(scene.swap_sides().swap_sides(), scene);
        for (variation, changed) in scene.variations(&mut rng) {
            assert_ne!(changed, scene, "{variation:?}");
            let back = match variation {
                Variation::SwapColors(a, b) => {
                    changed.exchange(Attribute::Discrete(a), Attribute::Discrete(b))
                }
                Variation::SwapValues(a) => changed.exchange(a, a),
                Variation::SwapSides => Some(changed.swap_sides()),
                Variation::Attribute(place, a) => scene.value(place, a).map(|v| {
                    let mut back = changed.clone();
                    assert!(back.set_value(place, a, v));
                    back
                }),
            };
            assert_eq!(back.as_ref(), Some(&scene), "{variation:?}");
        }
    }
}

#[test]
fn what_does_not_apply_is_refused() {
    let mut scene = scene(&[Kind::Woman], 1);
    let before = scene.clone();
    assert!(!scene.set_discrete(Some(0), Discrete::Beard, 1));
    assert!(!scene.set_discrete(Some(0), Discrete::HairColor, 99));
    assert!(!scene.set_continuous(Some(0), Continuous::CarAge, 0.5));
    assert!(!scene.set_continuous(Some(0), Continuous::Warmth, 0.5));
    assert!(!scene.set_continuous(Some(3), Continuous::Age, 0.5));
    assert!(!scene.set_continuous(Some(0), Continuous::Age, f32::NAN));
    assert_eq!(scene, before);
    assert!(scene.set_continuous(Some(0), Continuous::Age, 7.0));
    assert_eq!(scene.continuous(Some(0), Continuous::Age), Some(1.0));
    scene.background = Background::City;
    assert_eq!(scene.discrete(None, Discrete::PlainColor), None);
}
