//! The program in a real window on a virtual display, with a real keyboard and mouse.

use std::cell::RefCell;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vernier_engine::project::ProjectFile;

use super::desk::projects_in;

/// A child process that ends with its test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn is_there(program: &str) -> bool {
    let asked = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    asked.is_ok_and(|status| status.success())
}

/// A virtual display of its own, such as `:7`.
fn display(folder: &Path) -> Option<(Ends, String)> {
    let numbers = folder.join("display");
    let server = Command::new("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1366x768x24",
            "-nolisten",
            "tcp",
            // Else it starts anew whenever its last client leaves, on the feet of the next one.
            "-noreset",
        ])
        .stdout(std::fs::File::create(&numbers).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let server = Ends(server);
    for _ in 0..100 {
        let number = std::fs::read_to_string(&numbers).unwrap();
        if number.ends_with('\n') {
            return Some((server, format!(":{}", number.trim())));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    None
}

#[test]
fn typed_keys_and_clicks_render_a_picture_in_a_real_window() {
    let missing: Vec<&str> = ["Xvfb", "xdotool"]
        .into_iter()
        .filter(|p| !is_there(p))
        .collect();
    if !missing.is_empty() {
        println!("skipped: {} not installed", missing.join(" and "));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let Some((_server, display)) = display(folder.path()) else {
        println!("skipped: Xvfb does not start");
        return;
    };
    let started = Instant::now();
    let said = folder.path().join("stderr");
    let program = Command::new(env!("CARGO_BIN_EXE_vernier"))
        .env("DISPLAY", &display)
        .env_remove("WAYLAND_DISPLAY")
        .env("XDG_RUNTIME_DIR", folder.path())
        .env("XDG_CONFIG_HOME", folder.path().join("config"))
        .env("XDG_DATA_HOME", folder.path().join("data"))
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let program = RefCell::new(Ends(program));
    let tool = |args: &[&str]| {
        let mut tool = Command::new("xdotool");
        let output = tool.args(args).env("DISPLAY", &display).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let wait = |what: &str, is_so: &dyn Fn() -> bool| {
        let since = Instant::now();
        while !is_so() {
            let ended = program.borrow_mut().0.try_wait().unwrap();
            assert!(
                since.elapsed() < Duration::from_secs(90) && ended.is_none(),
                "never {what}; the program ended with {ended:?} and said: {}",
                std::fs::read_to_string(&said).unwrap()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let search = ["search", "--onlyvisible", "--name", "Vernier"];
    wait("a window", &|| !tool(&search).is_empty());
    println!("window after {:?}", started.elapsed());
    let unsaved = folder.path().join("data/vernier/unsaved");
    wait("a project", &|| projects_in(&unsaved).len() == 1);

    let path = projects_in(&unsaved).remove(0);
    let saved = || ProjectFile::open_to_read(&path).unwrap().project;
    let is_written = || saved().bench.recipe.prompt == "a dog in a forest";
    // Nobody manages windows here, so nobody gives them the keyboard either; and a window that is
    // just being made may miss it.
    for attempt in 0..8 {
        // There may be others of that name beside the one that is seen.
        let ids = tool(&search);
        let ids: Vec<&str> = ids.lines().collect();
        tool(&["windowfocus", ids[attempt % ids.len()]]);
        // The prompt, at the top on the left.
        tool(&["mousemove", "400", "60", "click", "1"]);
        std::thread::sleep(Duration::from_millis(500));
        tool(&["key", "ctrl+a"]);
        tool(&["type", "--delay", "20", "a dog in a forest"]);
        for _ in 0..100 {
            if !is_written() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if is_written() {
            break;
        }
        println!(
            "attempt {attempt}: the prompt is {:?}",
            saved().bench.recipe.prompt
        );
    }
    let kept = || {
        let mut results = saved().results.into_iter();
        results.any(|result| result.recipe.prompt == "a dog in a forest")
    };
    for _ in 0..12 {
        tool(&["key", "ctrl+Return"]);
        for _ in 0..100 {
            if !kept() {
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        if kept() {
            break;
        }
        println!("not kept yet");
    }
    assert!(kept(), "never kept");

    tool(&["key", "ctrl+q"]);
    let since = Instant::now();
    let status = loop {
        if let Some(status) = program.borrow_mut().0.try_wait().unwrap() {
            break status;
        }
        assert!(
            since.elapsed() < Duration::from_secs(30),
            "it does not quit"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
}
