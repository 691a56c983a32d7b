//! Our side of `cargo xtask bench`.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::place::{Place, assert_success, stderr, stdout};
use serde_json::Value;

/// Runs the program with `turns` lines on its stdin.
fn with_turns(place: &Place, args: &[&str], turns: usize) -> Output {
    let mut child = place
        .vernier()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = "go\n".repeat(turns);
    // A program that has refused its options listens no longer.
    child.stdin.take().unwrap().write_all(lines.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

#[test]
fn every_line_is_answered_with_the_seconds_of_one_run() {
    let place = Place::new();
    let unet = place.model().join("unet");
    let (model, unet) = (place.model(), unet.to_str().unwrap());
    let picture = [
        &["bench", "picture", "--model", model.to_str().unwrap()][..],
        &["--prompt", "a cat", "--steps", "2", "--guidance", "7.5"],
        &["--size", "64x64", "--dtype", "f32"],
    ]
    .concat();
    let step = ["bench", "step", "--unet", unet, "--dtype", "bf16"];
    for args in [&picture[..], &step] {
        let output = with_turns(&place, args, 2);
        assert_success(&output);
        let said: Vec<Value> = stdout(&output)
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0], serde_json::json!({"ready": true}));
        for turn in &said[1..] {
            assert!(turn["seconds"].as_f64().unwrap() > 0.0, "{turn}");
        }
    }
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let place = Place::new();
    let unet = place.model().join("unet");
    let unet = unet.to_str().unwrap();
    for (option, value, said) in [
        ("--layout", "sideways", "layout: \"sideways\""),
        ("--dtype", "f16", "dtype: f16"),
    ] {
        let output = with_turns(&place, &["bench", "step", "--unet", unet, option, value], 1);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}
