//! `kill -9` in the middle of a render that saves into a project.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;
use std::time::Duration;

use vernier_engine::project::{ProjectFile, result_png_name};

use crate::place::Place;

/// How often the program is killed.
const ROUNDS: u64 = 50;

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Starts a long render, kills it after `lines` lines and `wait` more, and gives what it told.
fn killed(place: &Place, seed: u64, lines: u64, wait: Duration) -> Vec<String> {
    let mut child = place
        .vernier()
        .args([
            "render",
            "--prompt",
            "a cat",
            "--steps",
            "1",
            "--guidance",
            "1",
        ])
        .args(["--count", "50", "--out", "o", "--project", "p.vernier"])
        .args(["--seed", &seed.to_string()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..lines {
        output.read_line(&mut told).unwrap();
    }
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    output.read_to_string(&mut told).unwrap();
    // A line without its end was not told yet.
    let whole = told.rfind('\n').map_or(0, |end| end + 1);
    told[..whole].lines().map(str::to_owned).collect()
}

#[test]
fn nothing_that_was_told_is_lost() {
    let place = Place::new();
    let path = place.path("p.vernier");
    let mut random = Random(0x0005_eed0_fca7_5001);
    let mut told: HashSet<Vec<u8>> = HashSet::new();
    let mut torn = 0;
    for round in 0..ROUNDS {
        let lines = random.below(6);
        let wait = if lines == 0 {
            // While it loads and makes the file.
            Duration::from_millis(random.below(400))
        } else {
            Duration::from_micros(random.below(25_000))
        };
        for line in killed(&place, round * 100, lines, wait) {
            told.insert(std::fs::read(place.path(&line)).unwrap());
        }
        if !path.exists() {
            assert!(told.is_empty());
            continue;
        }
        let opened = ProjectFile::open(&path).unwrap();
        torn += opened.notes.len();
        let pictures: HashSet<Vec<u8>> = opened
            .project
            .results
            .iter()
            .map(|result| {
                opened
                    .file
                    .attachment(&result_png_name(&result.id))
                    .unwrap()
            })
            .collect();
        assert!(pictures.is_superset(&told), "round {round}");
        assert_eq!(pictures.len(), opened.project.results.len());
    }
    println!(
        "{} pictures told in {ROUNDS} killed runs, {torn} notes",
        told.len()
    );
    assert!(told.len() > 50, "{}", told.len());
}
