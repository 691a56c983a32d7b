//! `vernier measure` and `vernier calibrate` on a tiny model whose pictures CLIP reads.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::Path;

use serde_json::json;

use crate::place::{Place, assert_success, stderr, stdout};

/// The embedded model's towers: any CLIP will do.
fn clip() -> String {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/miniature/clip");
    assets.to_string_lossy().into_owned()
}

/// A control file: its description in the metadata, and one vector.
fn write_direction(place: &Place, name: &str) {
    let info = json!({
        "version": 1, "name": name, "kind": "direction", "attributes": [name],
        "subjects": ["cat", "dog"],
    });
    let header = json!({
        "__metadata__": {"vernier.control": info.to_string()},
        "text_encoder.delta": {"dtype": "F32", "shape": [32], "data_offsets": [0, 128]},
    });
    let mut header = header.to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    for i in 0..32_u8 {
        file.extend((f32::from(i % 3) - 1.0).to_le_bytes());
    }
    let folder = place.path("assets/controls");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.safetensors")), file).unwrap();
}

/// Options of every measurement here.
fn on(clip: &str) -> Vec<&str> {
    let on = ["--steps", "2", "--prompt-count", "2", "--seeds", "1"];
    let texts = ["--texts", "cheer=a cat on a beach|a man in a room"];
    let clip = ["--device", "cpu", "--clip", clip];
    [on.as_slice(), &texts, &clip].concat()
}

#[test]
fn words_are_swept_without_any_control() {
    let place = Place::new();
    let clip = clip();
    let words = ["measure", "words", "--attribute", "cheer", "--out", "o"];
    let wordings = [
        "--wording",
        "a cat and a {subject}",
        "--wording",
        "a {subject}",
    ];
    let subjects = ["--subjects", "dog"];
    let all = [words.as_slice(), &wordings, &subjects, &on(&clip)].concat();
    let output = place.run(&all);
    assert_success(&output);
    assert_eq!(place.names("o"), ["sweep.csv", "sweep.json", "sweep.png"]);
    let table = std::fs::read_to_string(place.path("o/sweep.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 2 * 3);
    assert!(
        table.lines().nth(1).unwrap().starts_with("words,"),
        "{table}"
    );

    let output = place.run(&[words.as_slice(), &wordings[..2], &subjects, &on(&clip)].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("two or more"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_sweep_leaves_a_table_figures_and_a_page() {
    let place = Place::new();
    write_direction(&place, "cheer");
    let clip = clip();
    let sweep = [
        "measure",
        "sweep",
        "--control",
        "cheer@cat",
        "--scale",
        "raw",
    ];
    let values = ["--values", "-4..4x3", "--out", "o"];
    let all = [sweep.as_slice(), &values, &on(&clip)].concat();
    let output = place.run(&all);
    assert_success(&output);
    assert_eq!(place.names("o"), ["sweep.csv", "sweep.json", "sweep.png"]);
    assert_eq!(stdout(&output).lines().count(), 3);
    assert!(stderr(&output).contains("Spearman"), "{}", stderr(&output));
    let table = std::fs::read_to_string(place.path("o/sweep.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 2 * 4);
    assert!(
        table.starts_with("control,prompt,subject,seed,setting,cheer"),
        "{table}"
    );

    let with_json = [all.as_slice(), &["--json"]].concat();
    let output = place.run(&with_json);
    assert_success(&output);
    let said = stdout(&output);
    let events: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let measured = events.iter().find(|e| e["event"] == "measured").unwrap();
    let response = &measured["statistics"]["response"];
    assert_eq!(response.as_array().unwrap().len(), 3, "{measured}");
}

#[test]
fn controls_at_work_together_are_compared() {
    let place = Place::new();
    write_direction(&place, "cheer");
    let clip = clip();
    std::fs::write(place.path("prompts.txt"), "a cat and a dog\n").unwrap();
    let controls = ["--control", "cheer@cat~2", "--control", "cheer@dog~2"];
    let prompts = ["--prompts", "prompts.txt", "--out", "found.json"];
    let measure = ["measure", "interference"];
    let output = place.run(&[measure.as_slice(), &controls, &prompts, &on(&clip)].concat());
    assert_success(&output);
    let said = stderr(&output);
    assert!(
        said.contains("cheer@cat~2") && said.contains("among the others"),
        "{said}"
    );
    let found = std::fs::read_to_string(place.path("found.json")).unwrap();
    let found: serde_json::Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["controls"].as_array().unwrap().len(), 2);
}

#[test]
fn what_cannot_be_measured_gets_one_sentence() {
    let place = Place::new();
    write_direction(&place, "cheer");
    let clip = clip();
    let refused = |args: &[&str], expected: &str| {
        let output = place.run(args);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(expected) && !said.contains("panicked"),
            "{said}"
        );
    };
    let sweep = |control: &'static str, more: &[&str]| {
        let head = [
            "measure",
            "sweep",
            "--control",
            control,
            "--values",
            "0,1",
            "--out",
            "o",
        ];
        let owned = [head.as_slice(), more].concat();
        owned
            .iter()
            .map(|s| (*s).to_owned())
            .collect::<Vec<String>>()
    };
    let run = |args: Vec<String>, expected: &str| {
        refused(
            &args.iter().map(String::as_str).collect::<Vec<&str>>(),
            expected,
        );
    };
    run(sweep("cheer", &["--device", "cpu"]), "--clip");
    run(sweep("frown", &on(&clip)), "there are cheer");
    run(
        sweep("cheer", &["--scale", "loud"]),
        "calibrated, raw or measured",
    );
    run(sweep("cheer=1", &[]), "without a setting");
    let off_scale = ["--scale", "measured", "--device", "cpu"];
    let mut beyond = sweep("cheer@cat", &off_scale);
    beyond[5] = "0,2".to_owned();
    run(beyond, "a meter reads 0 to 1");
    run(sweep("cheer", &["--texts", "cheer=a|b"]), "--clip");
    refused(&["calibrate", "cheer", "--seeds", "0"], "0 is not in 1..");
    assert!(place.names("o").is_empty());
}
