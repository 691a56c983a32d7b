//! `vernier measure edit` on a tiny model whose pictures CLIP reads.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;

use serde_json::{Value, json};
use vernier_engine::picture::{self, Picture};

use crate::place::{Place, assert_success, stderr};

/// The embedded model's towers: any CLIP will do.
fn clip() -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature/clip");
    assets.to_string_lossy().into_owned()
}

/// Two cases of one picture: one thing changes, and two.
fn with_cases() -> Place {
    let place = Place::new();
    let write = |name: &str, value: &dyn Fn(usize) -> u8| {
        let picture = Picture {
            width_px: 64,
            height_px: 64,
            rgb: (0..64 * 64 * 3).map(value).collect(),
        };
        std::fs::write(place.path(name), picture::to_plain_png(&picture).unwrap()).unwrap();
    };
    write("pets.png", &|i| (i * 13 % 256) as u8);
    write("left.png", &|i| 255 * u8::from(i / 3 % 64 < 24));
    write("right.png", &|i| 255 * u8::from(i / 3 % 64 >= 40));
    let edit = |from: &str, to: &str, mask: &str| json!({"from": from, "to": to, "mask": mask});
    let one = edit("cat", "dog", "left.png");
    let list = json!({"version": 1, "cases": [
        {"image": "pets.png", "prompt": "a cat on the beach", "kind": "object", "edits": [one]},
        {"image": "pets.png", "prompt": "a cat and a dog", "kind": "object", "truth": "pets.png",
         "edits": [one, edit("dog", "man", "right.png")]},
    ]});
    std::fs::write(place.path("cases.json"), list.to_string()).unwrap();
    place
}

fn measure(place: &Place, more: &[&str]) -> std::process::Output {
    let clip = clip();
    let options = ["--steps", "2", "--size", "64x64", "--device", "cpu"];
    let head = ["measure", "edit", "cases.json", "--out", "o"];
    place.run(&[head.as_slice(), &options, &["--clip", &clip], more].concat())
}

#[test]
fn every_way_of_editing_is_in_the_table() {
    let place = with_cases();
    let output = measure(&place, &[]);
    assert_success(&output);
    assert_eq!(
        place.names("o"),
        ["edits.csv", "edits.json", "edits.md", "edits.png"]
    );
    let read = |name: &str| std::fs::read_to_string(place.path("o").join(name)).unwrap();
    let bench: Value = serde_json::from_str(&read("edits.json")).unwrap();
    let results = bench["results"].as_array().unwrap();
    // The truth is known of one case.
    assert_eq!(results.len(), 2 * 11 + 1);
    let of = |case: u64, trial: &str| {
        let found = results
            .iter()
            .find(|r| r["case"] == case && r["trial"] == trial);
        found.unwrap().clone()
    };
    assert!(of(0, "ours").get("tils").is_none());
    assert!(of(1, "ours")["tils"].is_f64());
    assert_eq!(of(1, "truth")["background_mse"], 0.0);
    assert!(of(1, "no_edit")["background_mse"].as_f64().unwrap() < 1e-4);
    let leaks = |trial: &str| of(1, trial)["background_mse"].as_f64().unwrap();
    assert!(leaks("ours") < leaks("virtual_inversion"));
    assert!(bench["secs"].is_array());
    assert!(read("edits.md").contains("| DDIM inversion, masked |"));
    assert_eq!(read("edits.csv").lines().count(), 24);
}

#[test]
fn parts_of_a_list_and_some_trials_can_be_measured_and_bad_lists_are_named() {
    let place = with_cases();
    let some = ["--skip", "1", "--first", "1", "--trials", "ours,no-edit"];
    let output = measure(&place, &some);
    assert_success(&output);
    let csv = std::fs::read_to_string(place.path("o/edits.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("1,object,2,ours,"), "{}", lines[0]);
    let refused = |more: &[&str], code: i32, expected: &str| {
        let output = measure(&place, more);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains(expected) && !said.contains("panicked"),
            "{said}"
        );
    };
    refused(&["--skip", "2"], 2, "leaves none of the 2 cases");
    refused(&["--trials", "theirs"], 2, "it is one of ours");
    let list = std::fs::read_to_string(place.path("cases.json")).unwrap();
    std::fs::write(
        place.path("cases.json"),
        list.replace("left.png", "none.png"),
    )
    .unwrap();
    refused(&["--first", "1"], 1, "none.png");
}
