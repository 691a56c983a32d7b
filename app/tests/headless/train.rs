//! Controls that are made, listed and handed on by the real binary.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::place::{Place, assert_success, stderr, stdout};

/// Prompts of a control.
const PROMPTS: [&str; 6] = [
    "--positive",
    "an old {subject}",
    "--negative",
    "a new {subject}",
    "--subjects",
    "cat,dog",
];

/// The program with the user's folders within `place`.
fn vernier(place: &Place) -> Command {
    let mut command = place.vernier();
    command
        .env("XDG_DATA_HOME", place.path("data"))
        .env("XDG_CACHE_HOME", place.path("cache"));
    command
}

fn run(place: &Place, args: &[&str], more: &[&str]) -> Output {
    vernier(place).args(args).args(more).output().unwrap()
}

#[test]
fn a_direction_is_made_listed_used_and_handed_on() {
    let place = Place::new();
    let train = ["train", "direction", "age", "--method", "difference"];
    let made = run(&place, &train, &PROMPTS);
    assert_success(&made);
    let path = place.path("data/vernier/controls/age.safetensors");
    assert_eq!(stdout(&made).trim(), path.display().to_string());

    let listed = run(&place, &["control", "list"], &[]);
    assert_eq!(
        stdout(&listed).trim(),
        "age  token direction  cat, dog  for miniature  not calibrated"
    );
    let shown = stdout(&run(&place, &["control", "show", "age"], &[]));
    assert!(shown.contains("method       clip_difference"), "{shown}");
    let command = "vernier train direction age --method difference --positive 'an old {subject}'";
    assert!(shown.contains(command), "{shown}");

    let render = |control: &str, out: &str| {
        let args = ["render", "--prompt", "a cat", "--steps", "3", "--seed", "1"];
        let output = run(&place, &args, &["--control", control, "--out", out]);
        assert_success(&output);
        let picture = place.path(out).join("0001-1.png");
        vernier_engine::picture::read_pixels(&picture).unwrap()
    };
    assert!(render("age~0", "a") != render("age~3", "b"));

    // The same command has nothing to do; another one has.
    let again = run(&place, &train, &[&PROMPTS[..], &["--unless-done"]].concat());
    assert!(
        stderr(&again).contains("made already"),
        "{}",
        stderr(&again)
    );
    let about = ["--unless-done", "--about", "x"];
    let other = run(&place, &train, &[&PROMPTS[..], &about].concat());
    assert!(!stderr(&other).contains("made already"));

    let out = ["control", "export", "age", "--out", "copy.safetensors"];
    assert_success(&run(&place, &out, &[]));
    assert_eq!(run(&place, &out, &[]).status.code(), Some(2));
    let import = ["control", "import", "copy.safetensors", "--name", "years"];
    assert_success(&run(&place, &import, &[]));
    let listed = stdout(&run(&place, &["control", "list"], &[]));
    assert_eq!(listed.lines().count(), 2, "{listed}");
}

#[test]
fn a_learned_direction_tells_events_and_an_interrupt_keeps_its_state() {
    let place = Place::new();
    let train = |steps| {
        [
            "train",
            "direction",
            "age",
            "--steps",
            steps,
            "--workers",
            "1",
        ]
    };
    let more = [&PROMPTS[..], &["--json", "--strips-every", "0"]].concat();
    let output = run(&place, &train("3"), &more);
    assert_success(&output);
    let events: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = events.last().unwrap();
    assert_eq!(last["event"], "control");
    assert!(place.path(last["path"].as_str().unwrap()).is_file());

    // Fewer steps than are done cannot be asked for, other prompts neither.
    let fewer = run(&place, &train("2"), &more);
    assert_eq!(fewer.status.code(), Some(2));
    let other = run(
        &place,
        &train("9"),
        &[&more[..], &["--prefix", "x"]].concat(),
    );
    assert!(
        stdout(&other).contains("another prompts"),
        "{}",
        stdout(&other)
    );

    let state = place.path("cache/vernier/training/controls/age/state.safetensors");
    let before = std::fs::read(&state).unwrap();
    let mut child = vernier(&place)
        .args(train("1000000"))
        .args(PROMPTS)
        .args(["--json", "--strips-every", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It is interrupted in the middle of its steps, however long it took to come there.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let is_progress = |line: &str| line.contains("\"progress\"");
    assert!(lines.any(|line| is_progress(&line.unwrap())));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let asked = Instant::now();
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_mins(1));
    assert!(std::fs::read(&state).unwrap() != before);
}
