//! `vernier batch` of the real binary.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::place::{Place, assert_success, stderr, stdout};
use vernier_engine::checkpoint::tiny;

/// Recipes of small pictures with these seeds, as JSON.
pub(crate) fn recipes(seeds: std::ops::Range<u64>) -> Value {
    seeds
        .map(|seed| {
            json!({
                "version": 1, "model": {"name": "miniature"}, "prompt": "a cat", "seed": seed,
                "width_px": 64, "height_px": 64, "steps": 2, "guidance_scale": 1.0,
                "sampler": "ddim", "dtype": "f32",
            })
        })
        .collect()
}

/// Makes the project `p.vernier` with so many recipes.
pub(crate) fn project(place: &Place, count: u64) {
    fs::write(place.path("cats.json"), recipes(0..count).to_string()).unwrap();
    let new = ["project", "new", "p.vernier", "--from", "cats.json"];
    assert_success(&place.run(&new));
}

pub(crate) fn rows(path: &Path) -> Vec<Value> {
    let list: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    list["pictures"].as_array().unwrap().clone()
}

#[test]
fn the_parts_together_are_the_whole() {
    let place = Place::new();
    project(&place, 5);
    let whole = place.run(&["batch", "p.vernier", "--out", "whole"]);
    assert_success(&whole);
    assert_eq!(stdout(&whole).lines().count(), 6, "pictures and the list");
    let whole = rows(&place.path("whole/manifest.json"));
    assert_eq!(whole.len(), 5);
    assert_eq!(whole[0]["recipe"], "cats 1");
    assert_eq!(whole[4]["seed"], 4);
    assert_eq!(whole[0]["model"]["hash"].as_str().unwrap().len(), 64);

    let mut parts = Vec::new();
    for (shard, count) in [("1", 2), ("2", 2), ("3", 1)] {
        let of = format!("{shard}/3");
        let args = ["batch", "p.vernier", "--shard", &of, "--out", "parts"];
        assert_success(&place.run(&args));
        let part = rows(&place.path(&format!("parts/manifest-{shard}-of-3.json")));
        assert_eq!(part.len(), count);
        parts.extend(part);
    }
    // Every third of the whole is a part, with the same sums of files and pixels.
    parts.sort_by_key(|row| row["seed"].as_u64());
    assert_eq!(parts, whole);
    let mut sums: Vec<&Value> = whole.iter().map(|row| &row["pixels_sha256"]).collect();
    sums.dedup();
    assert_eq!(sums.len(), 5, "five different pictures");
    // More parts than recipes: nothing to do is done.
    let empty = ["batch", "p.vernier", "--shard", "9/9", "--out", "parts"];
    assert_success(&place.run(&empty));
    assert!(rows(&place.path("parts/manifest-9-of-9.json")).is_empty());
}

#[test]
fn a_batch_goes_on_where_it_was() {
    let place = Place::new();
    project(&place, 3);
    let batch = ["batch", "p.vernier", "--out", "o"];
    assert_success(&place.run(&batch));
    let list = place.path("o/manifest.json");
    let before = fs::read(&list).unwrap();
    let files: Vec<String> = rows(&list)
        .iter()
        .map(|row| row["file"].as_str().unwrap().to_owned())
        .collect();
    let bytes = |name: &str| fs::read(place.path("o").join(name)).unwrap();
    let first = bytes(&files[0]);
    // One is gone, one is cut: two are rendered, and come out as they were.
    fs::remove_file(place.path("o").join(&files[0])).unwrap();
    let cut = bytes(&files[1]);
    fs::write(place.path("o").join(&files[1]), &cut[..cut.len() / 2]).unwrap();
    let again = place.run(&batch);
    assert_success(&again);
    assert_eq!(stdout(&again).lines().count(), 3, "{}", stdout(&again));
    assert_eq!(stderr(&again).matches("is there already").count(), 1);
    assert!(bytes(&files[0]) == first && bytes(&files[1]) == cut);
    assert_eq!(fs::read(&list).unwrap(), before);

    // Nothing is left to do, and the model is not even loaded.
    let done = place.run(&[&batch[..], &["--json"]].concat());
    assert_success(&done);
    let events: Vec<Value> = stdout(&done)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["there", "there", "there", "manifest"]);
    // A changed recipe is another picture.
    fs::write(place.path("changed.json"), recipes(7..8).to_string()).unwrap();
    let add = [
        "project",
        "add",
        "p.vernier",
        "--recipe-name",
        "seven",
        "--from",
        "changed.json",
    ];
    assert_success(&place.run(&add));
    let only = place.run(&[&batch[..], &["--only", "seven"]].concat());
    assert_success(&only);
    assert!(stdout(&only).contains("seven-"), "{}", stdout(&only));
    assert_eq!(place.names("o").len(), 5);
}

#[test]
fn a_model_that_moved_is_named_and_found_again() {
    let place = Place::new();
    let mut list = recipes(0..2);
    list[1]["model"] =
        json!({"name": "dreams", "path": "/nowhere/dreams", "hash": "0123456789abcdef"});
    fs::write(place.path("two.json"), list.to_string()).unwrap();
    let batch = ["batch", "two.json", "--out", "o"];
    let absent = place.run(&batch);
    assert_eq!(absent.status.code(), Some(2));
    let said = stderr(&absent);
    for part in [
        "\"dreams\"",
        "0123456789",
        "/nowhere/dreams",
        "--model NAME=DIR",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(place.names("o").is_empty());
    // The part without it needs it not.
    assert_success(&place.run(&[&batch[..], &["--shard", "1/2"]].concat()));
    tiny::write_model(&place.path("models/dreams"), 2).unwrap();
    let found = place.run(&[&batch[..], &["--model", "dreams=models/dreams"]].concat());
    assert_success(&found);
    // It is another model than the recipe was made with, which is told as render tells it.
    assert!(
        stderr(&found).contains("the picture will differ"),
        "{}",
        stderr(&found)
    );
    assert_eq!(
        rows(&place.path("o/manifest.json"))[1]["model"]["name"],
        "dreams"
    );
}

#[test]
fn what_cannot_be_rendered_is_told_in_one_sentence() {
    let place = Place::new();
    project(&place, 2);
    let refused = |more: &[&str], code: i32, said: &str| {
        let output = place.run(&[&["batch"], more, &["--out", "o"]].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said), "{text}");
        assert!(place.names("o").is_empty());
    };
    refused(
        &["p.vernier", "--only", "dogs"],
        2,
        "there is no \"dogs\"; there is cats 1, cats 2",
    );
    refused(
        &["p.vernier", "--model", "x=y"],
        2,
        "there is no \"x\"; there is miniature",
    );
    refused(&["p.vernier", "--model", "x"], 2, "NAME=DIR");
    for shard in ["0/2", "3/2", "1"] {
        refused(&["p.vernier", "--shard", shard], 2, "I/N");
    }
    refused(&["absent.vernier"], 1, "absent.vernier: there is no such");
    refused(&["assets"], 1, "assets: is a folder");
    let mut list = recipes(0..2);
    list[1]["steps"] = json!(0);
    fs::write(place.path("bad.json"), list.to_string()).unwrap();
    refused(&["bad.json"], 2, "recipe \"0002\": steps: 0");
}
