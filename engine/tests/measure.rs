//! Measures against other programs' numbers, and CLIP's readings of the embedded model's pictures.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vernier_engine::checkpoint::{MeterOptions, open_clip, open_meter};
use vernier_engine::measure::{
    AttributeCache, ClipAttribute, Place, Quantity, SsimMap, TextPair, perceptual_distance,
    picture_tensor,
};
use vernier_engine::picture::{Picture, read_pixels};
use vernier_engine::recipe::{self, Recipe};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn fixtures() -> PathBuf {
    repository().join("tests/fixtures")
}

fn miniature() -> PathBuf {
    repository().join("assets/miniature")
}

fn fixture(name: &str) -> Picture {
    read_pixels(&fixtures().join("pictures").join(name)).unwrap()
}

/// The fixture pictures' recipes with their pixels.
fn rendered() -> Vec<(Recipe, Picture)> {
    let folder = fixtures().join("pictures");
    let recipes = recipe::read(&folder.join("pictures.json")).unwrap();
    let named = recipes.into_iter().enumerate().map(|(i, recipe)| {
        let name = format!("{:04}-{}.png", i + 1, recipe.seed);
        let picture = fixture(&name);
        (recipe, picture)
    });
    named.collect()
}

#[test]
fn ssim_is_that_of_scikit_image() {
    let text = std::fs::read_to_string(fixtures().join("ssim.json")).unwrap();
    let fixture_file: Value = serde_json::from_str(&text).unwrap();
    let edges: Vec<f64> = serde_json::from_value(fixture_file["region"].clone()).unwrap();
    let cases = fixture_file["cases"].as_array().unwrap();
    assert!(cases.len() > 8);
    for case in cases {
        let first = fixture(case["first"].as_str().unwrap());
        let mut second = fixture(case["second"].as_str().unwrap());
        let (width, height) = (f64::from(first.width_px), f64::from(first.height_px));
        match case["disturbed"].as_str().unwrap() {
            "darker" => second.rgb.iter_mut().for_each(|level| *level /= 2),
            "shifted" => {
                let row = 3 * second.width_px as usize;
                second
                    .rgb
                    .chunks_mut(row)
                    .for_each(|row| row.rotate_right(9));
            }
            _ => {}
        }
        let map = SsimMap::of(&first, &second).unwrap();
        let region = [
            edges[0] / width,
            edges[1] / height,
            edges[2] / width,
            edges[3] / height,
        ];
        for (ours, theirs) in [
            (map.mean(), &case["mean"]),
            (map.mean_of_region(region, true).unwrap(), &case["inside"]),
            (map.mean_of_region(region, false).unwrap(), &case["outside"]),
        ] {
            let theirs = theirs.as_f64().unwrap();
            assert!(
                (ours - theirs).abs() < 1e-9,
                "{case}: {ours} against {theirs}"
            );
        }
    }
}

#[test]
fn clip_knows_pictures_by_their_prompts() {
    let clip = open_clip(&miniature().join("clip"), Device::Cpu).unwrap();
    let rendered = rendered();
    let prompts: Vec<&str> = rendered.iter().map(|(r, _)| r.prompt.as_str()).collect();
    let mut right = 0;
    for (i, (_, picture)) in rendered.iter().enumerate() {
        let features = clip
            .picture_features(&picture_tensor(&[picture]).unwrap())
            .unwrap();
        let length = f64::try_from(features.norm()).unwrap();
        assert!((length - 1.0).abs() < 1e-4);
        let cosines = clip.cosines(&features, &prompts).unwrap();
        right += usize::from(i64::try_from(cosines.argmax(1, false)).unwrap() == i as i64);
    }
    assert!(right + 1 >= rendered.len(), "{right} of {}", rendered.len());
}

fn picture_attribute(name: &str, positive: &str, negative: &str) -> ClipAttribute {
    ClipAttribute {
        name: name.to_owned(),
        of_subject: false,
        texts: TextPair::new(positive, negative),
    }
}

#[test]
fn clip_reads_what_the_texts_ask_wherever_the_model_has_subjects() {
    let options = MeterOptions {
        clip: Some(miniature().join("clip")),
        attributes: vec![picture_attribute(
            "beach",
            "a man on a beach",
            "a man in a room",
        )],
        cache: None,
    };
    let meter = open_meter(&miniature(), &options, Device::Cpu).unwrap();
    let rendered = rendered();
    let reading = |part: &str| {
        let found = rendered
            .iter()
            .find(|(r, _)| r.prompt.contains(part))
            .unwrap();
        let tensor = picture_tensor(&[&found.1]).unwrap();
        meter.read(&tensor, "beach", None).unwrap()[0]
    };
    assert!(reading("on a beach") > 0.9 && reading("in a room") < 0.1);
    // Subjects' attributes are read at their places, for the model's own meter knows them.
    assert!(meter.subject_attributes().contains(&"age".to_owned()));
    assert!(meter.picture_attributes().contains(&"beach".to_owned()));
    let tensor = picture_tensor(&[&rendered[0].1]).unwrap();
    let place = Some(Place { index: 0, count: 1 });
    let all = meter.read_all(&tensor, place).unwrap();
    assert_eq!(all["age"], meter.read(&tensor, "age", place).unwrap());
    for (attribute, place) in [("age", None), ("beach", place), ("beauty", None)] {
        let error = meter.score(&tensor, attribute, place).unwrap_err();
        assert!(error.to_string().contains("no texts for it"), "{error}");
    }
    // Its gradient reaches the pixels, which guidance needs.
    let pixels = tensor.set_requires_grad(true);
    meter
        .score(&pixels, "beach", None)
        .unwrap()
        .sum(Kind::Float)
        .backward();
    assert!(f64::try_from(pixels.grad().abs().sum(Kind::Double)).unwrap() > 0.0);
}

#[test]
fn a_model_without_a_meter_asks_for_clip() {
    let folder = tempfile::tempdir().unwrap();
    let error = open_meter(folder.path(), &MeterOptions::default(), Device::Cpu).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("--clip"),
        "{error}"
    );
    let own = open_meter(&miniature(), &MeterOptions::default(), Device::Cpu).unwrap();
    assert!(own.applies("smile", "cat") && !own.applies("smile", "house"));
    // Where CLIP looks at a model whose subjects stand anywhere, they are read from the whole.
    let options = MeterOptions {
        clip: Some(miniature().join("clip")),
        ..MeterOptions::default()
    };
    let anywhere = open_meter(folder.path(), &options, Device::Cpu).unwrap();
    assert!(anywhere.subject_attributes().is_empty());
    assert!(anywhere.picture_attributes().contains(&"age".to_owned()));
    assert!(anywhere.subjects("a man").is_empty());
}

#[test]
fn a_cache_of_own_pictures_spreads_the_readings_and_outlives_its_file() {
    let clip = || open_clip(&miniature().join("clip"), Device::Cpu).unwrap();
    let spec = picture_attribute("beach", "a man on a beach", "a man in a room");
    let rendered = rendered();
    let find = |part: &str| {
        let found = rendered.iter().find(|(r, _)| r.prompt.contains(part));
        found.unwrap().1.clone()
    };
    let (beach, room) = (find("on a beach"), find("in a room"));
    let mut asked = Vec::new();
    let mut render = |recipe: &Recipe| {
        asked.push((recipe.prompt.clone(), recipe.seed));
        let mut picture = if recipe.prompt.contains("beach") {
            beach.clone()
        } else {
            room.clone()
        };
        // Shots of one text are alike, but not the same.
        let darker = (recipe.seed % 4) as u8;
        picture
            .rgb
            .iter_mut()
            .for_each(|level| *level = level.saturating_sub(20 * darker));
        Ok(picture)
    };
    let base = Recipe {
        seed: 4,
        ..rendered[0].0.clone()
    };
    let specs = std::slice::from_ref(&spec);
    let cache = AttributeCache::build(&clip(), specs, &base, 3, &mut render).unwrap();
    assert_eq!(asked.len(), 6);
    assert_eq!(asked[1], ("a man on a beach".to_owned(), 5));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache.safetensors");
    cache.save(&path).unwrap();
    let meter = |options: &MeterOptions| open_meter(&miniature(), options, Device::Cpu);
    let mut options = MeterOptions {
        clip: Some(miniature().join("clip")),
        attributes: vec![spec],
        cache: Some(path.clone()),
    };
    let cached = meter(&options).unwrap();
    assert_eq!(cached.name(), "CLIP with a cache");
    let read = |picture: &Picture| {
        let tensor = picture_tensor(&[picture]).unwrap();
        cached.read(&tensor, "beach", None).unwrap()[0]
    };
    let (high, low) = (read(&beach), read(&room));
    assert!(high > 0.8 && low < 0.2, "{high} {low}");
    // Other texts, and files that are no cache, are refused.
    options.attributes[0].texts.negative = "a man in a city".to_owned();
    let error = meter(&options).unwrap_err().to_string();
    assert!(error.contains("other texts"), "{error}");
    options.cache = Some(miniature().join("clip/model.safetensors"));
    let error = meter(&options).unwrap_err().to_string();
    assert!(error.contains("no attribute cache"), "{error}");
}

#[test]
fn what_looks_alike_is_near() {
    let rendered = rendered();
    let same_size: Vec<&Picture> = rendered
        .iter()
        .map(|(_, p)| p)
        .filter(|p| (p.width_px, p.height_px) == (128, 128))
        .collect();
    let mut dimmed = same_size[0].clone();
    dimmed
        .rgb
        .iter_mut()
        .for_each(|level| *level -= *level / 16);
    let tensor = |p: &Picture| -> Tensor { picture_tensor(&[p]).unwrap() };
    let clip = MeterOptions {
        clip: Some(miniature().join("clip")),
        ..MeterOptions::default()
    };
    for options in [MeterOptions::default(), clip] {
        let meter = open_meter(&miniature(), &options, Device::Cpu).unwrap();
        let distance = |a: &Picture, b: &Picture| {
            let distances = perceptual_distance(meter.as_ref(), &tensor(a), &tensor(b));
            distances.unwrap().unwrap()[0]
        };
        let [first, other] = [same_size[0], same_size[1]];
        assert!(distance(first, first).abs() < 1e-9);
        let (near, far) = (distance(first, &dimmed), distance(first, other));
        assert!(near < far / 2.0, "{near} {far} {}", meter.name());
    }
}

#[test]
fn realism_is_the_difference_of_two_cosines() {
    let clip = open_clip(&miniature().join("clip"), Device::Cpu).unwrap();
    let (_, picture) = &rendered()[0];
    let texts = TextPair::new("a man on a beach", "a cup in a room");
    let measured = Quantity::Contrast(texts)
        .measure(picture, Some(&clip))
        .unwrap();
    let features = clip
        .picture_features(&picture_tensor(&[picture]).unwrap())
        .unwrap();
    let cosine = |text: &str| f64::try_from(clip.cosines(&features, &[text]).unwrap()).unwrap();
    let want = cosine("a man on a beach") - cosine("a cup in a room");
    assert!((measured - want).abs() < 1e-6 && measured > 0.0);
}
