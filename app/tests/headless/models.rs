//! Models in folders of other programs.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::process::Output;

use crate::formats::write_lora;
use crate::place::{Place, assert_success, stderr, stdout};

/// Runs the program with folders of its own for what the user has.
fn run(place: &Place, args: &[&str]) -> Output {
    let mut vernier = place.vernier();
    vernier
        .env("XDG_CONFIG_HOME", place.path("config"))
        .env("XDG_DATA_HOME", place.path("data"))
        .args(args)
        .output()
        .unwrap()
}

#[test]
fn folders_of_other_programs_are_used_where_they_lie() {
    let place = Place::new();
    for folder in ["comfy/models/checkpoints", "comfy/models/loras"] {
        std::fs::create_dir_all(place.path(folder)).unwrap();
    }
    let folder = place.model().to_string_lossy().into_owned();
    let single = "comfy/models/checkpoints/Small v1.safetensors";
    assert_success(&place.run(&["convert", &folder, single]));
    write_lora(&place, "comfy/models/loras/ink.safetensors");

    let added = run(&place, &["models", "add", "comfy"]);
    assert_success(&added);
    let told = stdout(&added);
    assert!(
        told.contains("ComfyUI's") && told.contains("models      1"),
        "{told}"
    );
    let listed = stdout(&run(&place, &["models", "list"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines.len() == 2 && lines[0].starts_with("miniature"),
        "{listed}"
    );
    assert!(lines[1].starts_with("Small v1.safetensors"), "{listed}");

    // By name, with a LoRA by a tag.
    let render = |more: &[&str]| {
        let args = ["render", "--steps", "2", "--size", "64x64", "--seed", "1"];
        run(&place, &[&args[..], more].concat())
    };
    let prompt = "a cat <lora:ink:0.5>";
    assert_success(&render(&["--model", "small V1", "--prompt", prompt]));

    let verified = run(&place, &["models", "verify"]);
    assert_success(&verified);
    let told = stdout(&verified);
    assert!(
        told.contains("AutoV2 ") && told.contains("whole and finite"),
        "{told}"
    );
    // A file that was cut off is told, and the others are checked all the same.
    let bytes = std::fs::read(place.path(single)).unwrap();
    std::fs::write(place.path(single), &bytes[..bytes.len() / 2]).unwrap();
    let verified = run(&place, &["models", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(
        stderr(&verified).contains("1 of 2 models"),
        "{}",
        stderr(&verified)
    );
    assert!(
        stdout(&verified).contains("miniature: ") && stdout(&verified).contains("Small v1"),
        "{}",
        stdout(&verified)
    );

    assert_success(&run(&place, &["models", "remove", "comfy"]));
    assert!(place.path(single).is_file());
    assert_eq!(stdout(&run(&place, &["models", "list"])).lines().count(), 1);
    let again = run(&place, &["models", "remove", "comfy"]);
    assert_eq!(again.status.code(), Some(2));
    let none = run(&place, &["models", "add", "nowhere"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        stderr(&none).contains("nowhere is no folder"),
        "{}",
        stderr(&none)
    );
}
