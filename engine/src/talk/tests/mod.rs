//! Sentences and what they must mean.

mod properties;

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    Dialogue, Level, Lexicon, Move, Outcome, PictureReadings, Scene, SubjectReadings, WordsBy,
    apply,
};
use crate::controls::{Calibration, ControlInfo, ControlKind, ResponsePoint};
use crate::measure::Place;
use crate::recipe::tests::sample;
use crate::recipe::{Change, Edit, PictureRef, Recipe, Source};

#[derive(Debug, Deserialize)]
struct Table {
    scenes: BTreeMap<String, SceneSpec>,
    talks: Vec<Talk>,
}

#[derive(Debug, Deserialize)]
struct SceneSpec {
    prompt: String,
    /// By noun and place from the left.
    #[serde(default)]
    readings: Vec<(String, usize, BTreeMap<String, f64>)>,
    #[serde(default)]
    picture: BTreeMap<String, f64>,
    #[serde(default)]
    set: Vec<String>,
    #[serde(default)]
    edit: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Talk {
    scene: String,
    /// Sentences and what they mean, one after the other.
    say: Vec<(String, String)>,
}

fn table() -> Table {
    serde_json::from_str(include_str!("sentences.json")).unwrap()
}

/// The shipped controls, one for the whole picture, and one of the artist's own.
fn controls() -> Vec<ControlInfo> {
    let people: &[&str] = &["man", "woman", "boy", "girl"];
    let faces: &[&str] = &["man", "woman", "boy", "girl", "cat", "dog"];
    let direction = |name: &str, subjects: &[&str]| {
        let mut info = ControlInfo::new(name, ControlKind::Direction, vec![name.to_owned()]);
        info.subjects = subjects.iter().map(|&s| s.to_owned()).collect();
        let point = |raw: f64, mean: f64| ResponsePoint {
            raw,
            mean,
            std: 0.1,
        };
        if !matches!(name, "beard" | "glasses" | "elf_ears") {
            let calibration = Calibration {
                model_hash: String::new(),
                meter: "attribute meter".to_owned(),
                raw_low: -1.0,
                raw_high: 1.0,
                neutral_raw: 0.0,
                response: vec![point(-1.0, 0.1), point(0.0, 0.5), point(1.0, 0.9)],
                spearman: 1.0,
                r_squared: 1.0,
                spread: 0.1,
                side_effects: BTreeMap::new(),
                other_subject: None,
                prompts: 4,
                seeds: 2,
            };
            info.calibrations.insert(name.to_owned(), calibration);
        }
        info
    };
    vec![
        direction("age", people),
        direction("beard", &["man"]),
        direction("car_age", &["car"]),
        direction("car_width", &["car"]),
        direction("eye_openness", faces),
        direction("face_width", people),
        direction("glasses", faces),
        direction("hair_length", people),
        direction("size", &["car", "house", "cup", "apple"]),
        direction("smile", faces),
        direction("elf_ears", &["man", "woman"]),
        ControlInfo::new(
            "brightness",
            ControlKind::Value,
            vec!["brightness".to_owned()],
        ),
    ]
}

fn recipe(spec: &SceneSpec) -> Recipe {
    let mut recipe = sample();
    recipe.prompt.clone_from(&spec.prompt);
    recipe.controls = spec.set.iter().map(|text| text.parse().unwrap()).collect();
    if let Some(change) = &spec.edit {
        recipe.edit = Some(Edit::new(vec![change.parse::<Change>().unwrap()]));
        let picture = PictureRef {
            hash: "a".repeat(64),
            ..PictureRef::default()
        };
        recipe.source = Some(Source::new(picture, 1.0));
    }
    recipe
}

fn readings(spec: &SceneSpec) -> PictureReadings {
    let mut from = 0;
    let count = spec.readings.len();
    let subject = |(noun, index, readings): &(String, usize, BTreeMap<String, f64>)| {
        let words = crate::conditioning::split_words(&spec.prompt);
        let own = words
            .into_iter()
            .find(|w| w.start >= from && spec.prompt[w.clone()] == *noun);
        let bytes = own.unwrap();
        from = bytes.end;
        SubjectReadings {
            noun: noun.clone(),
            bytes,
            place: Place {
                index: *index,
                count,
            },
            readings: readings.clone(),
        }
    };
    PictureReadings {
        subjects: spec.readings.iter().map(subject).collect(),
        picture: spec.picture.clone(),
        nouns: Vec::new(),
    }
}

fn scene_of(spec: &SceneSpec, lexicon: &Lexicon) -> Scene {
    Scene::new(lexicon, &recipe(spec), &controls(), &readings(spec))
}

/// The scene after a picture in which every move has got where it should.
fn reach(scene: &mut Scene, moves: &[Move]) {
    for own in moves {
        let Move::Control(own) = own else { continue };
        let words = own.subject.as_deref();
        let subject = scene
            .subjects
            .iter_mut()
            .find(|s| s.words.as_deref() == words);
        match (own.to, subject) {
            (Level::Reading(to), Some(subject)) => {
                subject.readings.insert(own.attribute.clone(), to);
            }
            (Level::Reading(to), None) => {
                scene.picture.insert(own.attribute.clone(), to);
            }
            (Level::Units(to), _) => {
                let (name, whom) = (own.control.clone(), own.subject.clone());
                scene.settings.retain(|(n, w, _)| (n, w) != (&name, &whom));
                scene.settings.push((name, whom, to));
            }
        }
    }
}

/// An outcome as the table writes it.
fn written(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Undo { count } => format!("undo {count}"),
        Outcome::Redo => "redo".to_owned(),
        Outcome::Ask(question) => format!("? {}", question.text),
        Outcome::Nothing { say } => format!("= {say}"),
        Outcome::Change(understood) => {
            let moves = understood.moves.iter().map(|own| match own {
                Move::Control(own) => {
                    let whom = own
                        .subject
                        .as_ref()
                        .map_or(String::new(), |s| format!("@{s}"));
                    let unit = match own.to {
                        Level::Reading(_) => "",
                        Level::Units(_) => "u",
                    };
                    if own.is_neutral {
                        return format!("{}{whom} neutral", own.control);
                    }
                    let (from, to) = (own.from.value(), own.to.value());
                    format!("{}{whom} {from:.2}->{to:.2}{unit}", own.control)
                }
                Move::Words(own) => {
                    let by = match own.by {
                        WordsBy::Prompt => "prompt",
                        WordsBy::Edit => "edit",
                    };
                    format!("{} => {} ({by})", own.from, own.to)
                }
            });
            moves.collect::<Vec<_>>().join("; ")
        }
    }
}

#[test]
fn sentences_mean_what_the_table_says() {
    let (table, lexicon) = (table(), Lexicon::usual().unwrap());
    let mut wrong = Vec::new();
    let mut count = 0;
    for talk in &table.talks {
        let mut scene = scene_of(&table.scenes[&talk.scene], &lexicon);
        let mut dialogue = Dialogue::new();
        for (sentence, meaning) in &talk.say {
            count += 1;
            let outcome = dialogue.understand(&lexicon, &scene, sentence);
            let got = written(&outcome);
            if let Outcome::Change(understood) = &outcome {
                reach(&mut scene, &understood.moves);
            }
            let fits = match meaning.strip_suffix('…') {
                Some(start) => got.starts_with(start),
                None => got == *meaning,
            };
            if !fits {
                wrong.push(format!(
                    "{} | {sentence}\n   got      {got}\n   expected {meaning}",
                    talk.scene
                ));
            }
        }
    }
    assert!(count >= 80, "only {count} sentences");
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_understood_sentence_makes_a_sound_recipe() {
    let (table, lexicon) = (table(), Lexicon::usual().unwrap());
    for talk in &table.talks {
        let spec = &table.scenes[&talk.scene];
        let (recipe, scene) = (recipe(spec), scene_of(spec, &lexicon));
        let mut dialogue = Dialogue::new();
        for (sentence, _) in &talk.say {
            if let Outcome::Change(understood) = dialogue.understand(&lexicon, &scene, sentence) {
                let changed = apply(&recipe, &understood.moves);
                let changed = changed.unwrap_or_else(|e| panic!("{sentence}: {e}"));
                assert_ne!(changed, recipe, "{sentence}");
                assert!(understood.summary.ends_with('.'), "{}", understood.summary);
            }
        }
    }
}

#[test]
fn moves_become_controls_that_close_the_loop_or_move_the_slider() {
    let (table, lexicon) = (table(), Lexicon::usual().unwrap());
    let spec = &table.scenes["couple"];
    let scene = scene_of(spec, &lexicon);
    let mut dialogue = Dialogue::new();
    let outcome = dialogue.understand(&lexicon, &scene, "her smile to 0.8 and no beard on him");
    let Outcome::Change(understood) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(
        understood.summary,
        "The smile of the woman goes from 0.40 to 0.80 as the meter reads it. The beard of the man \
         moves from 0.00 to -1.00 on its slider, as no meter reads it."
    );
    let changed = apply(&recipe(spec), &understood.moves).unwrap();
    let shown: Vec<String> = changed.controls.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["smile@woman:=0.8", "beard@man=-1"]);
}

#[test]
fn questions_offer_their_answers() {
    let (table, lexicon) = (table(), Lexicon::usual().unwrap());
    let scene = scene_of(&table.scenes["couple"], &lexicon);
    for (at, expected) in [
        "smile@man 0.30->0.50",
        "smile@woman 0.40->0.60",
        "smile@man 0.30->0.50; smile@woman 0.40->0.60",
    ]
    .into_iter()
    .enumerate()
    {
        let mut dialogue = Dialogue::new();
        let outcome = dialogue.understand(&lexicon, &scene, "smile more");
        let Outcome::Ask(question) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(question.choices, ["the man's", "the woman's", "both"]);
        assert!(dialogue.is_open());
        let answered = dialogue.understand(&lexicon, &scene, &question.choices[at]);
        assert_eq!(written(&answered), expected);
        assert!(!dialogue.is_open());
    }
}
