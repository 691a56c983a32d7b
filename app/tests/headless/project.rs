//! `vernier project` and `vernier render --project` of the real binary.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::fs;
use std::process::Output;

use serde_json::Value;
use vernier_engine::project::ProjectFile;

use crate::batch::{project, recipes};
use crate::place::{Place, assert_success, stderr, stdout};

fn shown(place: &Place, file: &str) -> Value {
    let output = place.run(&["project", "show", file, "--json"]);
    assert_success(&output);
    serde_json::from_str(&stdout(&output)).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32, said: &str) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let sentences = text.lines().filter(|l| l.starts_with("vernier: ")).count();
    assert!(sentences == 1 && text.contains(said), "{text}");
}

#[test]
fn pictures_go_in_and_come_out_as_they_were() {
    let place = Place::new();
    let render = [
        "--count",
        "2",
        "--seed",
        "5",
        "--out",
        "o",
        "--project",
        "new/p.vernier",
    ];
    assert_success(&place.render(&render));
    // Into the one that is there now.
    assert_success(&place.render(&render));
    let all = shown(&place, "new/p.vernier");
    let results = all["project"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    assert_eq!(all["project"]["name"], "p");
    assert_eq!(all["project"]["bench"]["recipe"]["seed"], 5);
    assert_eq!(all["attachments"].as_array().unwrap().len(), 4);
    let hash = all["project"]["models"][0]["hash"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert!(results[0]["secs"].as_f64().unwrap() > 0.0);

    let export = ["project", "export", "new/p.vernier", "--out", "e"];
    let output = place.run(&export);
    assert_success(&output);
    let id = results[0]["id"].as_str().unwrap();
    let exported = fs::read(place.path(&format!("e/5-{id}.png"))).unwrap();
    assert!(exported == fs::read(place.path("o/0001-5.png")).unwrap());
    assert_eq!(place.names("e").len(), 4);
    // Again: they are there.
    assert_success(&place.run(&export));
    fs::write(place.path(&format!("e/5-{id}.png")), "mine").unwrap();
    let output = place.run(&export);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("other content"),
        "{}",
        stderr(&output)
    );

    let info = stdout(&place.run(&["info", "new/p.vernier"]));
    assert_eq!(
        info.lines().filter(|l| l.starts_with("result ")).count(),
        4,
        "{info}"
    );
}

#[test]
fn projects_are_made_of_recipes_and_pictures() {
    let place = Place::new();
    fs::write(place.path("cats.json"), recipes(0..2).to_string()).unwrap();
    assert_success(&place.render(&["--seed", "9", "--out", "o"]));
    let picture = "o/0001-9.png";
    let from = [
        "--from",
        "cats.json",
        picture,
        picture,
        "--name",
        "All cats",
    ];
    let new = [&["project", "new", "p.vernier"], &from[..]].concat();
    assert_success(&place.run(&new));
    refused(&place.run(&new), 1, "p.vernier: is there already");
    let add = [
        "project",
        "add",
        "p.vernier",
        "--from",
        picture,
        "--recipe-name",
    ];
    assert_success(&place.run(&[&add[..], &["nine"]].concat()));
    refused(
        &place.run(&[&add[..], &["nine"]].concat()),
        2,
        "has a recipe \"nine\" already",
    );
    let two = [
        "project",
        "add",
        "p.vernier",
        "--from",
        "cats.json",
        "--recipe-name",
        "two",
    ];
    refused(&place.run(&two), 2, "holds 2 recipes");
    let all = shown(&place, "p.vernier");
    let names: Vec<&str> = all["project"]["recipes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|named| named["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cats 1", "cats 2", "0001-9", "0001-9 (2)", "nine"]);
    assert_eq!(all["project"]["name"], "All cats");
    assert_eq!(all["project"]["results"].as_array().unwrap().len(), 2);
}

#[test]
fn a_damaged_project_is_recovered_and_a_large_one_made_smaller() {
    let place = Place::new();
    let render = [
        "--count",
        "3",
        "--seed",
        "1",
        "--out",
        "o",
        "--project",
        "p.vernier",
    ];
    assert_success(&place.render(&render));
    let whole = fs::read(place.path("p.vernier")).unwrap();
    let compact = place.run(&["project", "compact", "p.vernier"]);
    assert_success(&compact);
    let smaller = fs::read(place.path("p.vernier")).unwrap();
    assert!(smaller.len() < whole.len());
    assert_eq!(shown(&place, "p.vernier")["dead_bytes"], 0);

    // The first picture is spoilt, and the end is cut off.
    let png = fs::read(place.path("o/0001-1.png")).unwrap();
    let at = smaller.windows(png.len()).position(|w| w == png).unwrap();
    let mut spoilt = smaller.clone();
    spoilt[at + 70] ^= 1;
    spoilt.truncate(smaller.len() - 10);
    fs::write(place.path("bad.vernier"), &spoilt).unwrap();
    let recover = ["project", "recover", "bad.vernier", "--out", "good.vernier"];
    let output = place.run(&recover);
    assert_success(&output);
    let said = stdout(&output);
    assert_eq!(said.matches("saved results/").count(), 2, "{said}");
    assert_eq!(fs::read(place.path("bad.vernier")).unwrap(), spoilt);
    refused(&place.run(&recover), 1, "good.vernier: is there already");
    let all = shown(&place, "good.vernier");
    assert_eq!(all["project"]["results"].as_array().unwrap().len(), 3);

    fs::write(place.path("noise.vernier"), "noise").unwrap();
    let noise = ["project", "recover", "noise.vernier", "--out", "n.vernier"];
    refused(
        &place.run(&noise),
        1,
        "noise.vernier: is no Vernier project",
    );
    refused(
        &place.run(&["project", "show", "noise.vernier"]),
        1,
        "is no Vernier project",
    );
}

#[test]
fn a_project_that_is_open_elsewhere_is_left_alone() {
    let place = Place::new();
    project(&place, 1);
    let open = ProjectFile::open(place.path("p.vernier")).unwrap();
    let render = place.render(&["--out", "o", "--project", "p.vernier"]);
    refused(&render, 1, "is open in another Vernier");
    assert!(place.names("o").is_empty(), "told before the work");
    // To look and to render from, it need not be free.
    assert_eq!(
        shown(&place, "p.vernier")["project"]["recipes"][0]["name"],
        "cats"
    );
    assert_success(&place.run(&["batch", "p.vernier", "--out", "b"]));
    drop(open);
    assert_success(&place.render(&["--out", "o", "--project", "p.vernier"]));
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_project_as_it_was() {
    let place = Place::new();
    project(&place, 1);
    // Letters that cannot be packed.
    let mut state = 1_u64;
    let mut letter = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'!' + (state >> 58) as u8)
    };
    let mut recipe = recipes(1..2)[0].clone();
    recipe["prompt"] = (0..20_000).map(|_| letter()).collect::<String>().into();
    fs::write(place.path("long.json"), recipe.to_string()).unwrap();
    let before = fs::read(place.path("p.vernier")).unwrap();
    let program = env!("CARGO_BIN_EXE_vernier");
    let add = "project add p.vernier --recipe-name long --from long.json";
    // Files may grow to 8 kB here, and no signal is sent where they would grow further.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec '{program}' {add}");
    let output = std::process::Command::new("bash")
        .args(["-c", &script])
        .current_dir(place.folder.path())
        .env("VERNIER_ASSETS", place.path("assets"))
        .output()
        .unwrap();
    refused(&output, 1, "p.vernier: ");
    assert!(fs::read(place.path("p.vernier")).unwrap() == before);
    assert_success(&place.run(&["project", "show", "p.vernier"]));
}

#[test]
fn pictures_are_starred_adopted_and_removed_and_a_model_is_found_again() {
    let place = Place::new();
    let moved = place.path("moved");
    vernier_engine::checkpoint::tiny::write_model(&moved, 2).unwrap();
    let was = place.path("was");
    fs::rename(&moved, &was).unwrap();
    let render = [
        "--model",
        "was",
        "--seed",
        "5",
        "--count",
        "2",
        "--out",
        "o",
        "--project",
        "p.vernier",
    ];
    assert_success(&place.render(&render));
    fs::rename(&was, &moved).unwrap();
    let all = shown(&place, "p.vernier");
    let id = |at: usize| {
        all["project"]["results"][at]["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let project = |args: &[&str]| {
        let mut all = vec!["project"];
        all.extend(args);
        place.run(&all)
    };
    assert_success(&project(&["star", "p.vernier", &id(1)]));
    assert_success(&project(&["adopt", "p.vernier", &id(1)]));
    assert_success(&project(&["remove", "p.vernier", &id(0)]));
    assert_success(&project(&["rename", "p.vernier", "harbour"]));
    let kept = shown(&place, "p.vernier");
    let results = kept["project"]["results"].as_array().unwrap();
    assert_eq!(
        (results.len(), &results[0]["starred"]),
        (1, &Value::Bool(true))
    );
    assert_eq!(kept["project"]["name"], "harbour");
    assert_eq!(kept["project"]["bench"]["recipe"]["seed"], 6);
    refused(&project(&["star", "p.vernier", &id(0)]), 2, &id(1));

    let batch = ["batch", "p.vernier", "--out", "b"];
    assert_ne!(place.run(&batch).status.code(), Some(0));
    refused(
        &project(&["relink", "p.vernier", "was", "nowhere"]),
        1,
        "nowhere",
    );
    assert_success(&project(&["relink", "p.vernier", "was", "moved"]));
    assert_success(&place.run(&batch));
}
