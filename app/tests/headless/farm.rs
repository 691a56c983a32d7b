//! The job templates in `docs/farm`, run as a farm runs them.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::path::Path;
use std::process::{Command, Output};

use crate::batch::{project, rows};
use crate::place::{Place, assert_success, stderr};

fn template(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/farm");
    folder.join(name).to_string_lossy().into_owned()
}

/// `program` where a farm would run it: in the folder, with `vernier` on the path.
fn on_a_node(place: &Place, program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let vernier = Path::new(env!("CARGO_BIN_EXE_vernier"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", vernier.parent().unwrap().display());
    Command::new(program)
        .args(args)
        .current_dir(place.folder.path())
        .env("VERNIER_ASSETS", place.path("assets"))
        .env("OMP_NUM_THREADS", "1")
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

#[test]
fn slurm_renders_every_part() {
    let place = Place::new();
    project(&place, 3);
    let script = template("slurm-array.sh");
    let run = |index: &str| {
        let variables = [("SLURM_ARRAY_TASK_ID", index), ("SHARDS", "2")];
        on_a_node(&place, "bash", &[&script, "p.vernier", "o"], &variables)
    };
    let mut files = Vec::new();
    for (index, seeds) in [("1", &[0, 2][..]), ("2", &[1])] {
        assert_success(&run(index));
        let part = rows(&place.path(&format!("o/manifest-{index}-of-2.json")));
        let found: Vec<u64> = part
            .iter()
            .map(|row| row["seed"].as_u64().unwrap())
            .collect();
        assert_eq!(found, seeds);
        files.extend(part);
    }
    assert_eq!(place.names("o").len(), files.len() + 2);
    for index in ["0", "3"] {
        let refused = run(index);
        assert_eq!(refused.status.code(), Some(2));
        assert!(
            stderr(&refused).contains("is not in 1 to 2"),
            "{}",
            stderr(&refused)
        );
    }
    let usage = on_a_node(&place, "bash", &[&script], &[]);
    assert_eq!(usage.status.code(), Some(2));
}

#[test]
fn kubernetes_counts_from_zero() {
    let place = Place::new();
    project(&place, 3);
    let job = std::fs::read_to_string(template("kubernetes-job.yaml")).unwrap();
    let command = job
        .lines()
        .find_map(|l| l.trim().strip_prefix("- exec vernier"));
    let command = format!("exec vernier{}", command.unwrap());
    for (index, seeds) in [("0", &[0, 2][..]), ("1", &[1])] {
        let variables = [
            ("JOB_COMPLETION_INDEX", index),
            ("SHARDS", "2"),
            ("PROJECT", "p.vernier"),
            ("OUT", "o"),
        ];
        assert_success(&on_a_node(&place, "sh", &["-c", &command], &variables));
        let number = index.parse::<u32>().unwrap() + 1;
        let part = rows(&place.path(&format!("o/manifest-{number}-of-2.json")));
        let found: Vec<u64> = part
            .iter()
            .map(|row| row["seed"].as_u64().unwrap())
            .collect();
        assert_eq!(found, seeds);
    }
}
