//! The program itself: stages out of order and bad input give one sentence, Ctrl-C keeps the state.

// clippy's exception for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use vernier_engine::device::{self, DeviceRequest};

/// The program with its folders under `root`, on the CPU.
fn program(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_train-miniature"));
    command
        .args(words)
        .arg("--work")
        .arg(root.join("work"))
        .arg("--out")
        .arg(root.join("out"))
        .args(["--pairs", "2"])
        .env("OMP_NUM_THREADS", "1");
    if !words.contains(&"--device") {
        command.args(["--device", "cpu"]);
    }
    command
}

fn run(root: &Path, words: &[&str]) -> Output {
    program(root, words).output().unwrap()
}

/// The one line that the program fails with.
fn sentence(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1, "{text}");
    lines[0].to_owned()
}

#[test]
fn a_stage_out_of_order_says_which_one_comes_first() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let first = |words: &[&str]| {
        let text = sentence(&run(root, words), 1);
        let (file, stage) = text.split_once(" is missing; run the stage ").unwrap();
        let file = file.rsplit('/').next().unwrap().to_owned();
        (file, stage.to_owned())
    };
    let missing = |file: &str, stage: &str| (file.to_owned(), format!("\"{stage}\" first"));
    for stage in ["clip", "vae", "unet", "meter"] {
        let found = first(&[stage, "--steps", "5"]);
        assert_eq!(found, missing("pool.rgb:", "pool"), "{stage}");
    }
    assert_eq!(first(&["encode"]), missing("pool.rgb:", "pool"));
    assert_eq!(first(&["gate"]), missing("tokenizer:", "pool"));
    let meter = "meter.safetensors:";
    assert_eq!(first(&["evaluate"]), missing(meter, "meter"));

    assert!(run(root, &["pool"]).status.success());
    let weights = "diffusion_pytorch_model.safetensors:";
    assert_eq!(first(&["gate"]), missing("model.safetensors:", "clip"));
    assert_eq!(first(&["encode"]), missing(weights, "vae"));
    let unet = first(&["unet", "--steps", "5"]);
    assert_eq!(unet, missing("latents.safetensors:", "encode"));
    std::fs::remove_dir_all(root.join("out/tokenizer")).unwrap();
    let clip = first(&["clip", "--steps", "5"]);
    assert_eq!(clip, missing("tokenizer:", "pool"));
}

#[test]
fn folders_that_cannot_be_written_are_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("work");
    std::fs::write(&file, "a file, not a folder").unwrap();
    let text = sentence(&run(root.path(), &["pool"]), 1);
    assert!(text.contains(&file.display().to_string()), "{text}");

    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("out"), "a file, not a folder").unwrap();
    let text = sentence(&run(root.path(), &["pool"]), 1);
    assert!(text.contains("out/tokenizer: "), "{text}");
}

#[test]
fn a_pool_of_another_size_is_refused_with_its_own() {
    let root = tempfile::tempdir().unwrap();
    assert!(run(root.path(), &["pool"]).status.success());
    let pool = root.path().join("work/pool.rgb");
    let mut bytes = std::fs::read(&pool).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&pool, bytes).unwrap();
    let text = sentence(&run(root.path(), &["vae", "--steps", "5"]), 1);
    assert!(text.contains("holds 1 pairs, not 2"), "{text}");
}

#[test]
fn cuda_where_there_is_none_is_refused() {
    if device::choose(DeviceRequest::Cuda(0)).is_ok() {
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let text = sentence(&run(root.path(), &["pool", "--device", "cuda"]), 2);
    assert!(text.contains("CUDA cannot be used"), "{text}");
    assert!(text.ends_with("use --device cpu"), "{text}");
}

#[test]
fn states_lie_in_the_users_cache_unless_told_otherwise() {
    let root = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_train-miniature"))
        .args(["pool", "--pairs", "1", "--device", "cpu", "--out"])
        .arg(root.path().join("out"))
        .env("XDG_CACHE_HOME", root.path().join("cache"))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let pool = root.path().join("cache/vernier/training/pool.rgb");
    assert!(pool.exists());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_step_keeps_the_state_and_exports_it() {
    use std::io::{BufRead, BufReader};

    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    assert!(run(root, &["pool"]).status.success());
    let words = [
        "clip",
        "--steps",
        "100000",
        "--workers",
        "2",
        "--batch",
        "1",
    ];
    let mut child = program(root, &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = lines.next().unwrap().unwrap();
    assert!(started.starts_with("clip: to step 100000"), "{started}");
    let state = root.join("work/clip.safetensors");
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !state.exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let signalled = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(signalled.success());
    let stopped = lines.next().unwrap().unwrap();
    assert!(stopped.contains("the same command goes on"), "{stopped}");
    drop(lines);
    let output = child.wait_with_output().unwrap();
    assert_eq!(sentence(&output, 130), "train-miniature: cancelled");
    assert!(state.exists());
    assert!(root.join("out/clip/model.safetensors").exists());
}
