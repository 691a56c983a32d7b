//! What the shipped controls are made from: prompts that the world's captions could say, and that
//! the embedded model's text tower tells apart.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tch::{Device, Kind};
use vernier_engine::checkpoint::Checkpoint;
use vernier_engine::controls::ControlFile;
use vernier_engine::train::direction::{PairTemplates, clip_difference};
use vernier_world::{Continuous, Discrete, Kind as Subject, lexicon, words};

#[derive(Deserialize)]
struct Recipes {
    controls: Vec<Recipe>,
}

#[derive(Deserialize)]
struct Recipe {
    name: String,
    attribute: Option<String>,
    subjects: Vec<String>,
    /// None where it learns from pictures.
    #[serde(default)]
    pairs: Vec<[String; 2]>,
    /// What it moves, where that is several.
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    prefixes: Vec<String>,
    #[serde(default)]
    unread: bool,
}

impl Recipe {
    fn templates(&self) -> PairTemplates {
        PairTemplates {
            target: Vec::new(),
            positive: self.pairs.iter().map(|pair| pair[0].clone()).collect(),
            negative: self.pairs.iter().map(|pair| pair[1].clone()).collect(),
            subjects: self.subjects.clone(),
            prefixes: self.prefixes.clone(),
        }
    }
}

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets")
}

fn recipes() -> Vec<Recipe> {
    let text = std::fs::read(assets().join("controls/recipes.json")).unwrap();
    let recipes: Recipes = serde_json::from_slice(&text).unwrap();
    recipes.controls
}

/// Those that learn from prompts.
fn of_prompts() -> impl Iterator<Item = Recipe> {
    recipes()
        .into_iter()
        .filter(|recipe| !recipe.pairs.is_empty())
}

#[test]
fn every_word_is_the_worlds() {
    let known: BTreeSet<&str> = lexicon().into_iter().collect();
    for recipe in of_prompts() {
        for pair in recipe.templates().pairs().unwrap() {
            pair.check().unwrap();
            for index in 0..pair.wordings() {
                let wording = pair.wording(index);
                for prompt in [wording.target, wording.positive, wording.negative] {
                    for word in words(&prompt) {
                        assert!(
                            known.contains(word),
                            "{}: {word} in \"{prompt}\"",
                            recipe.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_subject_has_the_attribute() {
    for recipe in recipes() {
        let attribute = recipe.attribute.as_ref().unwrap_or(&recipe.name);
        for noun in &recipe.subjects {
            let subject = Subject::ALL.into_iter().find(|kind| kind.noun() == noun);
            let subject = subject.unwrap();
            let continuous = Continuous::ALL.iter().find(|a| a.name() == attribute);
            let discrete = Discrete::ALL.iter().find(|a| a.name() == attribute);
            let applies = match (continuous, discrete) {
                (Some(attribute), _) => attribute.applies_to(subject),
                (_, Some(attribute)) => attribute.applies_to(subject),
                _ => panic!("the world knows no {attribute}"),
            };
            assert!(applies, "{}: {noun}", recipe.name);
        }
    }
}

#[test]
fn the_text_tower_tells_both_ends_apart_the_same_way_for_every_subject() {
    let model = Checkpoint::open(&assets().join("miniature")).unwrap();
    let text = model.load_text(Kind::Float, Device::Cpu).unwrap();
    for recipe in of_prompts() {
        let mut templates = recipe.templates();
        templates.prefixes.clear();
        let pairs = templates.pairs().unwrap();
        let direction = |pairs: &[_]| {
            let found = clip_difference(&text, pairs, &mut |_, _| true).unwrap();
            found.deltas()[0].shallow_clone()
        };
        let all = direction(&pairs);
        let all = &all / all.norm();
        for subject in &recipe.subjects {
            let own: Vec<_> = pairs
                .iter()
                .filter(|p| p.subject == *subject)
                .cloned()
                .collect();
            let own = direction(&own);
            let cosine = (&own / own.norm()).dot(&all).double_value(&[]);
            assert!(cosine > 0.6, "{}: {subject} {cosine:.2}", recipe.name);
        }
    }
}

#[test]
fn the_shipped_controls_are_those_of_the_shipped_model() {
    let hash = Checkpoint::open(&assets().join("miniature"))
        .unwrap()
        .hash()
        .unwrap();
    for recipe in recipes() {
        let path = assets().join(format!("controls/{}.safetensors", recipe.name));
        let info = ControlFile::open(&path).unwrap().info;
        assert_eq!(info.model.hash, hash, "{}: train it again", recipe.name);
        assert_eq!(info.subjects, recipe.subjects, "{}", recipe.name);
        let one = recipe.attribute.as_ref().unwrap_or(&recipe.name);
        let attributes = match recipe.attributes.as_slice() {
            [] => std::slice::from_ref(one),
            several => several,
        };
        for attribute in attributes {
            let name = format!("{}/{attribute}", recipe.name);
            let calibration = info.calibrations.get(attribute);
            assert_eq!(calibration.is_none(), recipe.unread, "{name}");
            if let Some(calibration) = calibration {
                assert_eq!(calibration.model_hash, hash, "{name}: calibrate it again");
                assert!(calibration.spearman > 0.5, "{name}: {calibration:?}");
            }
        }
    }
}
