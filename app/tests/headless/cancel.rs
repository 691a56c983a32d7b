//! Ctrl-C on the real binary.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::place::Place;
use vernier_engine::picture;

#[test]
fn an_interrupt_keeps_finished_pictures_and_exits_130() {
    let place = Place::new();
    let mut child = place
        .vernier()
        .args(["render", "--prompt", "a cat", "--steps", "300"])
        .args(["--seed", "1", "--count", "1000", "--out", "o"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    let asked = Instant::now();
    let status = child.wait().unwrap();
    assert!(asked.elapsed() < Duration::from_mins(2));
    assert_eq!(status.code(), Some(130));
    assert!(first.ends_with("0001-1.png"), "{first}");
    let names = place.names("o");
    assert!(names.len() < 1000);
    for name in names {
        // Whole pictures, and no temporary file among them.
        assert!(name.starts_with("00"), "{name}");
        picture::read_pixels(&place.path("o").join(name)).unwrap();
    }
}
