//! Subjects and styles learnt from a few pictures, on a tiny model: what is saved, stopped, resumed
//! and refused.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

mod personal_common;

use std::time::Duration;

use personal_common::{Place, bytes};
use vernier_engine::adapters::{Adapter, AdapterFile, LayerDelta, LoraFormat, Summary};
use vernier_engine::checkpoint::Networks;
use vernier_engine::control_training::Schedule;
use vernier_engine::personalization::{ClassPlan, PersonalEnd, PersonalOutput, PersonalRequest};

#[test]
fn a_run_that_was_stopped_comes_to_the_same_file() {
    let mut place = Place::new();
    let whole = place.request("zorb");
    let schedule = place.schedule("one", 8);
    let end = place.train(&whole, &schedule).unwrap();
    assert_eq!(end, PersonalEnd::Done(place.path("zorb.safetensors")));
    let straight = bytes(&whole.out);
    let estimate = place.news.iter().find(|n| n.contains("8 steps take about"));
    assert!(estimate.is_some(), "{:?}", place.news);

    std::fs::remove_file(&whole.out).unwrap();
    let schedule = place.schedule("two", 8);
    let end = place.train_until(&whole, &schedule, 3).unwrap();
    let stopped = PersonalEnd::Stopped {
        step: 3,
        total_steps: 8,
    };
    assert_eq!(end, stopped);
    assert!(!whole.out.exists());
    let resumed = PersonalRequest {
        must_resume: true,
        ..whole
    };
    place.train(&resumed, &schedule).unwrap();
    assert_eq!(bytes(&resumed.out), straight);
    // Another training is not gone on from, nor is one that was never begun.
    let other = PersonalRequest {
        seed: 4,
        ..resumed.clone()
    };
    let said = place.train(&other, &schedule).unwrap_err().to_string();
    assert!(said.contains("another seed"), "{said}");
    let nowhere = place.schedule("three", 8);
    let said = place.train(&resumed, &nowhere).unwrap_err().to_string();
    assert!(said.starts_with("resume: "), "{said}");
}

#[test]
fn both_layouts_hold_the_same_and_say_what_they_are() {
    let mut place = Place::new();
    let kohya = place.request("zorb");
    let peft = PersonalRequest {
        output: PersonalOutput::Lora(LoraFormat::Peft, 2),
        out: place.path("peft.safetensors"),
        ..kohya.clone()
    };
    let schedule = Schedule {
        strip_every: Some(Duration::ZERO),
        ..place.schedule("work", 2)
    };
    place.train(&kohya, &schedule).unwrap();
    place.train(&peft, &schedule).unwrap();
    // Samples: two captions, two noises each, without and with.
    let sheet = image::open(place.samples.last().unwrap()).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (4 * 64, 2 * 64));

    let files = [&kohya.out, &peft.out].map(|path| AdapterFile::open(path).unwrap());
    let summary = Summary::of(&files[0]).unwrap();
    assert_eq!(summary.trigger_words, ["a zorb cat"]);
    assert_eq!(summary.scales, Some((0.5, 0.5)));
    assert!(summary.touches.keys().any(|k| k.contains("ext encoder")));
    let noted = |key: &str| files[0].metadata.get(key).map(String::as_str);
    assert_eq!(noted("ss_network_dim"), Some("2"));
    assert_eq!(noted("ss_num_train_images"), Some("3"));
    let frequency = r#"{"data":{"a zorb cat":2,"a zorb cat on a wall":1}}"#;
    assert_eq!(noted("ss_tag_frequency"), Some(frequency));

    let modules = Networks::open(&kohya.model_folder).unwrap().modules();
    let [a, b] = files.map(|file| Adapter::read(&file, &modules).unwrap());
    assert!(a.notes.is_empty() && b.notes.is_empty());
    assert_eq!(a.layers.len(), b.layers.len());
    for (place, layer) in &a.layers {
        let shape = modules
            .all()
            .iter()
            .find(|m| (m.component, &m.path) == (place.0, &place.1))
            .unwrap();
        let dense =
            |delta: &LayerDelta| delta.weight.as_ref().unwrap().dense(&shape.shape).unwrap();
        let (a, b) = (dense(layer), dense(&b.layers[place]));
        assert!(a.norm().double_value(&[]) > 0.0, "{place:?}");
        assert_eq!(a, b, "{place:?}");
    }
}

#[test]
fn pictures_of_the_class_are_made_once_and_made_anew_for_another() {
    let mut place = Place::new();
    let class = ClassPlan {
        prompt: "a cat".to_owned(),
        count: 2,
        weight: 1.0,
    };
    let request = PersonalRequest {
        class: Some(class.clone()),
        ..place.request("zorb")
    };
    place.train(&request, &place.schedule("work", 1)).unwrap();
    let picture = place.path("work/class/0001.png");
    let made = bytes(&picture);
    assert!(place.news.iter().any(|n| n.contains("2 pictures of")));
    let noted = AdapterFile::open(&request.out).unwrap().metadata;
    assert_eq!(noted["modelspec.trigger_phrase"], "zorb");
    assert_eq!(noted["ss_num_reg_images"], "2");
    place.news.clear();
    place.train(&request, &place.schedule("work", 2)).unwrap();
    assert!(!place.news.iter().any(|n| n.contains("pictures of")));
    let other = PersonalRequest {
        class: Some(ClassPlan {
            prompt: "a dog".to_owned(),
            ..class
        }),
        ..request
    };
    let said = place.train(&other, &place.schedule("work", 2));
    assert!(said.unwrap_err().to_string().contains("another class"));
    assert_ne!(bytes(&picture), made);
}

#[test]
fn what_cannot_be_learnt_from_is_told() {
    let mut place = Place::new();
    let schedule = place.schedule("work", 1);
    let uncaptioned = PersonalRequest {
        instance: None,
        ..place.request("zorb")
    };
    let said = place.train(&uncaptioned, &schedule).unwrap_err();
    assert!(said.to_string().contains("0.png: has no caption"), "{said}");
    // A caption in another encoding.
    std::fs::write(place.path("data/0.txt"), b"ein K\xe4fer").unwrap();
    let said = place.train(&uncaptioned, &schedule).unwrap_err();
    assert!(said.to_string().contains("not UTF-8"), "{said}");
    std::fs::remove_file(place.path("data/0.txt")).unwrap();
    // A hundred equal pictures, and some that are none.
    for at in 0..2 {
        std::fs::copy(
            place.path("data/2.png"),
            place.path(&format!("data/{at}.png")),
        )
        .ok();
    }
    std::fs::write(place.path("data/9.png"), "no picture").unwrap();
    place.train(&place.request("zorb"), &schedule).unwrap();
    let told = |part: &str| place.news.iter().any(|n| n.contains(part));
    assert!(told("all 3 pictures are the same"), "{:?}", place.news);
    assert!(told("9.png"), "{:?}", place.news);
}
