//! Other programs' files: LoRAs at work and in another naming, single-file checkpoints.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;

use serde_json::{Value, json};
use vernier_engine::picture;

use crate::place::{Place, assert_success, stderr, stdout};

/// A LoRA of the first convolution in kohya's naming.
pub(crate) fn write_lora(place: &Place, name: &str) {
    let text = std::fs::read(place.model().join("unet/config.json")).unwrap();
    let config: Value = serde_json::from_slice(&text).unwrap();
    let channels = config["block_out_channels"][0].as_u64().unwrap();
    let (down, up) = (2 * 4 * 9 * 4, channels * 2 * 4);
    let at = |from: u64, length: u64| json!([from, from + length]);
    let header = json!({
        "lora_unet_conv_in.lora_down.weight":
            {"dtype": "F32", "shape": [2, 4, 3, 3], "data_offsets": at(0, down)},
        "lora_unet_conv_in.lora_up.weight":
            {"dtype": "F32", "shape": [channels, 2, 1, 1], "data_offsets": at(down, up)},
        "lora_unet_conv_in.alpha":
            {"dtype": "F32", "shape": [], "data_offsets": at(down + up, 4)},
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    for i in 0..(down + up) / 4 {
        file.extend(((i % 7) as f32 / 10.0 - 0.3).to_le_bytes());
    }
    file.extend(2_f32.to_le_bytes());
    std::fs::write(place.path(name), file).unwrap();
}

pub(crate) fn pixels(place: &Place, name: &str) -> Vec<u8> {
    picture::read_pixels(&place.path(name)).unwrap().rgb
}

#[test]
fn a_lora_works_by_its_weight_and_is_made_again() {
    let place = Place::new();
    write_lora(&place, "ink.safetensors");
    let render = |more: &[&str], out: &str| {
        let all = [&["--seed", "5", "--size", "64x64", "--out", out], more].concat();
        let made = place.render(&all);
        assert_success(&made);
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    let plain = render(&[], "plain");
    let whole = render(&["--lora", "ink.safetensors"], "whole");
    let half = render(&["--lora", "ink.safetensors=0.5"], "half");
    assert!(plain != whole && plain != half && whole != half);
    assert_eq!(render(&["--lora", "ink.safetensors=0"], "none"), plain);
    let again = place.run(&["replay", "--verify", "half/0001-5.png"]);
    assert_success(&again);

    let shown = place.run(&["adapter", "show", "ink.safetensors"]);
    assert_success(&shown);
    assert!(stdout(&shown).contains("rank"), "{}", stdout(&shown));
    let converted = place.run(&[
        "adapter",
        "convert",
        "ink.safetensors",
        "peft.safetensors",
        "--format",
        "peft",
    ]);
    assert_success(&converted);
    assert_eq!(render(&["--lora", "peft.safetensors"], "peft"), whole);

    // The file travels in the project: without it the picture is the same.
    let project = ["--lora", "ink.safetensors", "--project", "p.vernier"];
    assert_eq!(render(&project, "kept"), whole);
    std::fs::remove_file(place.path("ink.safetensors")).unwrap();
    let mut batch = place.vernier();
    batch.args(["batch", "p.vernier", "--out", "batch"]);
    // Nothing of the user's own may help, and nothing may be left there.
    let batch = batch
        .env("XDG_CACHE_HOME", place.path("cache"))
        .output()
        .unwrap();
    assert_success(&batch);
    let made = place.names("batch");
    let is_picture = |name: &&String| Path::new(name).extension().is_some_and(|e| e == "png");
    let made = made.iter().find(is_picture).unwrap();
    assert_eq!(pixels(&place, &format!("batch/{made}")), whole);

    let missing = place.render(&["--lora", "missing.safetensors"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("missing.safetensors"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn a_model_in_one_file_makes_the_same_picture() {
    let place = Place::new();
    let folder = place.model().to_string_lossy().into_owned();
    assert_success(&place.run(&["convert", &folder, "tiny.safetensors"]));
    let render = |model: &str, out: &str| {
        let seed = ["--seed", "5", "--size", "64x64", "--guidance", "3"];
        let made = place.render(&[&seed[..], &["--model", model, "--out", out]].concat());
        assert_success(&made);
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    assert_eq!(render(&folder, "a"), render("tiny.safetensors", "b"));
    let told = place.run(&["info", "tiny.safetensors"]);
    assert_success(&told);
    assert!(stdout(&told).contains("epsilon"), "{}", stdout(&told));
    let velocity = [
        "--prediction",
        "v_prediction",
        "--seed",
        "5",
        "--size",
        "64x64",
    ];
    let made = place.render(&[&velocity[..], &["--guidance", "3", "--out", "v"]].concat());
    assert_success(&made);
    assert_ne!(
        pixels(&place, "v/0001-5.png"),
        pixels(&place, "a/0001-5.png")
    );
    let wrong = place.render(&["--prediction", "noise"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_schedule_by_name_makes_another_picture() {
    let place = Place::new();
    let render = |more: &[&str], out: &str| {
        let seed = [
            "--seed",
            "5",
            "--size",
            "64x64",
            "--sampler",
            "heun",
            "--out",
            out,
        ];
        let made = place.render(&[&seed[..], more].concat());
        assert_success(&made);
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    let plain = render(&[], "plain");
    assert_ne!(render(&["--schedule", "karras"], "karras"), plain);
    assert_ne!(render(&["--guidance-rescale", "0.7"], "rescaled"), plain);
    let again = place.run(&["replay", "--verify", "karras/0001-5.png"]);
    assert_success(&again);
    let wrong = place.render(&["--schedule", "fast"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("karras"), "{}", stderr(&wrong));
}
