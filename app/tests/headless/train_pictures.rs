//! `vernier train value` and `att-adapter`: from a folder of pictures to a control that renders.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::fmt::Write as _;
use std::fs;

use image::{Rgb, RgbImage};

use crate::place::{Place, assert_success, stderr, stdout};

/// Ten pictures, the lighter the older, and their table.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    let mut table = "file,caption,age,kind\n".to_owned();
    for at in 0..10_u8 {
        let image = RgbImage::from_pixel(64, 64, Rgb([at * 25, at * 20, 40]));
        image.save(place.path(&format!("data/{at}.png"))).unwrap();
        writeln!(table, "{at}.png,a cat,{},cat", f64::from(at) / 9.0).unwrap();
    }
    fs::write(place.path("t.csv"), table).unwrap();
    place
}

const ADAPTER: [&str; 16] = [
    "train",
    "att-adapter",
    "look",
    "--data",
    "data",
    "--csv",
    "t.csv",
    "--steps",
    "2",
    "--batch",
    "2",
    "--workers",
    "1",
    "--work",
    "work",
    "--out",
];

fn adapter<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    ADAPTER
        .into_iter()
        .chain([out])
        .chain(more.iter().copied())
        .collect()
}

#[test]
fn an_adapter_is_trained_and_a_value_out_of_its_range_is_told() {
    let place = place();
    let more = ["--columns", "age", "--architecture", "mlp"];
    let output = place.run(&adapter("c/look.safetensors", &more));
    assert_success(&output);
    assert_eq!(stdout(&output).trim(), "c/look.safetensors");
    // Done already, as asked.
    let again = place.run(&adapter(
        "c/look.safetensors",
        &[&more[..], &["--unless-done"]].concat(),
    ));
    assert_success(&again);
    assert!(
        stderr(&again).contains("made already"),
        "{}",
        stderr(&again)
    );

    let control = "c/look.safetensors~1.5";
    let output = place.render(&["--control", control, "--out", "o"]);
    assert_success(&output);
    assert!(
        stderr(&output).contains("outside what it learnt"),
        "{}",
        stderr(&output)
    );
    assert_eq!(place.names("o").len(), 1);
}

#[test]
fn a_value_encoder_is_trained_and_programs_hear_of_it() {
    let place = place();
    let output = place.run(&[
        "train",
        "value",
        "light",
        "--data",
        "data",
        "--quantity",
        "brightness",
        "--steps",
        "2",
        "--batch",
        "2",
        "--workers",
        "1",
        "--work",
        "work",
        "--out",
        "light.safetensors",
        "--json",
    ]);
    assert_success(&output);
    let text = stdout(&output);
    let events: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["path"]),
        (&"control".into(), &"light.safetensors".into())
    );
    let notes: Vec<&str> = events
        .iter()
        .filter_map(|e| e["message"].as_str())
        .collect();
    assert!(
        notes.iter().any(|n| n.contains("pictures have no caption")),
        "{notes:?}"
    );
}

#[test]
fn what_cannot_be_learnt_from_is_refused_in_one_sentence() {
    let place = place();
    let refused = |more: &[&str], code: i32, said: &str| {
        let output = place.run(&adapter("look.safetensors", more));
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let sentences = text.lines().filter(|l| l.starts_with("vernier: ")).count();
        assert!(sentences == 1 && text.contains(said), "{text}");
        assert!(!place.path("look.safetensors").exists());
    };
    refused(
        &["--columns", "kind"],
        1,
        "column \"kind\" holds \"cat\" in line 2",
    );
    refused(
        &["--columns", "height"],
        1,
        "has no column \"height\"; it has file, caption",
    );
    refused(
        &["--columns", "age,age"],
        2,
        "column \"age\": is asked for twice",
    );
    let gan = ["--columns", "age", "--architecture", "gan"];
    let output = place.run(&adapter("look.safetensors", &gan));
    assert_eq!(output.status.code(), Some(2));
    // The tiny model brings no CLIP, which the paper's architecture learns through.
    refused(
        &["--columns", "age"],
        2,
        "name a folder with both of its towers with --clip",
    );
}
