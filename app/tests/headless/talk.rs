//! `vernier talk` on the embedded model.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

#[cfg(unix)]
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};
#[cfg(unix)]
use std::time::Duration;

use serde_json::Value;

fn talk(folder: &Path, file: &Path, sentences: &[&str]) -> Output {
    command(folder, file, sentences)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn command(folder: &Path, file: &Path, sentences: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vernier"));
    command
        .arg("talk")
        .arg(file)
        .args(sentences)
        .args(["--json", "--out"])
        .arg(folder.join("talks"))
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("XDG_CACHE_HOME", folder.join("cache"));
    command
}

/// A recipe of a woman and a car.
fn recipe(folder: &Path) -> std::path::PathBuf {
    let recipe = serde_json::json!([{
        "version": 1, "model": {"name": "miniature"},
        "prompt": "a woman on a beach and a car", "seed": 2,
        "width_px": 128, "height_px": 128, "steps": 20, "guidance_scale": 3.0,
        "sampler": "ddim", "dtype": "f32"
    }]);
    let path = folder.join("street.json");
    std::fs::write(&path, recipe.to_string()).unwrap();
    path
}

fn events(output: &Output, name: &str) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    let all = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|event| event["event"] == name).collect()
}

/// The reading of `attribute` at `subject`, before and after, in an event of readings.
fn reading(event: &Value, subject: &str, attribute: &str) -> Option<(f64, f64)> {
    let all = ["asked", "others"].map(|list| event[list].as_array().unwrap().clone());
    let own = all
        .into_iter()
        .flatten()
        .find(|change| change["subject"] == subject && change["attribute"] == attribute)?;
    Some((
        own["before"].as_f64().unwrap(),
        own["after"].as_f64().unwrap(),
    ))
}

#[test]
fn what_is_asked_for_is_read_afterwards_and_the_other_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = recipe(folder.path());
    let output = talk(folder.path(), &file, &["make the car wider", "undo that"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let pictures = events(&output, "picture");
    assert_eq!(
        pictures.len(),
        2,
        "the first one, and the one that was asked for"
    );
    for picture in &pictures {
        assert!(Path::new(picture["path"].as_str().unwrap()).is_file());
    }
    let controls = pictures[1]["recipe"]["controls"].as_array().unwrap();
    assert_eq!(controls.len(), 1);
    assert_eq!(
        (&controls[0]["name"], &controls[0]["subject"]),
        (&"car_width".into(), &"car".into())
    );
    assert!(controls[0]["resolved"].is_f64());
    let read = events(&output, "readings").remove(0);
    let (before, after) = reading(&read, "car", "car_width").unwrap();
    assert!(after > before + 0.1, "{before} {after}");
    // What changes by less than a tenth is not told.
    for attribute in ["smile", "face_width"] {
        assert_eq!(reading(&read, "woman", attribute), None, "{read}");
    }
    let notes = events(&output, "note");
    let last = notes.last().unwrap()["message"].as_str().unwrap();
    assert!(last.starts_with("Back at"), "{last}");
}

#[test]
fn a_question_that_nobody_answers_is_exit_code_2_and_an_answer_settles_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = recipe(folder.path());
    let output = talk(folder.path(), &file, &["older"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("Whose age: the woman's or the car's?"),
        "{said}"
    );
    let first = events(&output, "picture").remove(0)["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let answered = talk(folder.path(), Path::new(&first), &["older", "the car"]);
    let said = String::from_utf8_lossy(&answered.stderr);
    assert!(answered.status.success(), "{said}");
    let picture = events(&answered, "picture").remove(0);
    let controls = picture["recipe"]["controls"].as_array().unwrap().len();
    assert_eq!(controls, 1);
    let unknown = talk(folder.path(), Path::new(&first), &["less moustache"]);
    assert_eq!(unknown.status.code(), Some(2));
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("no control for “moustache”"), "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_talk_that_waits_for_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command(folder.path(), &recipe(folder.path()), &[])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = child.stdin.take().unwrap();
    said.write_all(b"older\n").unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.any(|line| line.unwrap().contains("Whose age")));
    // It waits for the answer then, which never comes.
    std::thread::sleep(Duration::from_millis(500));
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(said);
}
