//! ControlNets on the command line.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::path::PathBuf;

use vernier_engine::checkpoint::tiny;
use vernier_engine::picture::{self, Picture};

use crate::formats::pixels;
use crate::place::{Place, assert_success, stderr, stdout};

/// A place with the ControlNet `edges` in the user's data folder and a picture to follow.
fn place() -> (Place, PathBuf) {
    let place = Place::new();
    let data = place.path("data/vernier");
    tiny::write_controlnet(&place.model(), &data.join("controlnets/edges"), 3).unwrap();
    let inside = |i: usize| (10..40).contains(&(i % 64)) && (20..50).contains(&(i / 64));
    let drawing = Picture {
        width_px: 64,
        height_px: 64,
        rgb: (0..64 * 64)
            .flat_map(|i| [if inside(i) { 220 } else { 30 }; 3])
            .collect(),
    };
    let png = picture::to_plain_png(&drawing).unwrap();
    std::fs::write(place.path("drawing.png"), png).unwrap();
    (place, data)
}

fn run(place: &Place, args: &[&str]) -> std::process::Output {
    let mut command = place.vernier();
    command.env("XDG_DATA_HOME", place.path("data"));
    command.env("XDG_CONFIG_HOME", place.path("config"));
    command.args(args).output().unwrap()
}

#[test]
fn a_controlnet_is_followed_kept_in_the_recipe_and_replayed() {
    let (place, _) = place();
    let render = |out: &str, more: &[&str]| {
        let all = [
            "render", "--prompt", "a cat", "--seed", "5", "--size", "64x64",
        ];
        let all = [&all[..], &["--steps", "4", "--out", out], more].concat();
        assert_success(&run(&place, &all));
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    let plain = render("plain", &[]);
    let as_it_is = render("map", &["--controlnet", "edges=drawing.png"]);
    let canny = render(
        "canny",
        &["--controlnet", "edges=drawing.png,preprocessor=canny"],
    );
    let weak = render("weak", &["--controlnet", "EDGES=drawing.png,weight=0.4"]);
    let late = render("late", &["--controlnet", "edges=drawing.png,start=0.5"]);
    let two = [
        "--controlnet",
        "edges=drawing.png",
        "--controlnet",
        "edges=drawing.png,weight=0.5",
    ];
    let two = render("two", &two);
    let all = [&plain, &as_it_is, &canny, &weak, &late, &two];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
    }
    let idle = render("idle", &["--controlnet", "edges=drawing.png,weight=0"]);
    assert!(idle == plain);
    let recipe = picture::read_recipe(&place.path("canny/0001-5.png")).unwrap();
    let [used] = recipe.controlnets.as_slice() else {
        panic!("{:?}", recipe.controlnets);
    };
    assert_eq!((used.name.as_str(), used.hash.len()), ("edges", 64));
    assert_eq!(used.picture.hash.len(), 64);
    assert_success(&run(&place, &["replay", "--verify", "canny/0001-5.png"]));
    let told = stdout(&run(&place, &["info", "canny/0001-5.png"]));
    assert!(
        told.contains("ControlNet edges follows") && told.contains("(by canny)"),
        "{told}"
    );
}

#[test]
fn controlnets_are_listed_and_told() {
    let (place, data) = place();
    let told = run(&place, &["models", "list"]);
    assert_success(&told);
    let told = stdout(&told);
    assert!(
        told.contains("edges  ControlNet for a model that reads text of width 32"),
        "{told}"
    );
    let folder = data.join("controlnets/edges");
    for path in [
        folder.clone(),
        folder.join("diffusion_pytorch_model.safetensors"),
    ] {
        let told = run(&place, &["info", path.to_str().unwrap()]);
        assert_success(&told);
        let told = stdout(&told);
        assert!(
            told.contains("ControlNet for a model that reads text of width 32"),
            "{told}"
        );
        assert!(told.contains("hash            "), "{told}");
    }
}

#[test]
fn what_cannot_be_followed_is_told() {
    let (place, data) = place();
    for (used, status, expected) in [
        ("edges", 2, "write it as NAME=PICTURE"),
        ("pose=drawing.png", 2, "there are edges"),
        ("edges=nowhere.png", 2, "nowhere.png"),
        (
            "edges=drawing.png,preprocessor=pose",
            2,
            "is not one of none, canny",
        ),
        (
            "edges=drawing.png,preprocessor=inpaint",
            2,
            "there is no mask",
        ),
        ("edges=drawing.png,start=1", 2, "from 1 to 1"),
    ] {
        let refused = run(
            &place,
            &["render", "--prompt", "a cat", "--controlnet", used],
        );
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(status), "{used}: {said}");
        assert!(said.contains(expected), "{used}: {said}");
    }
    let own = data.join("controlnets/edges/config.json");
    let config = std::fs::read_to_string(&own).unwrap();
    std::fs::write(
        &own,
        config.replace(
            "\"cross_attention_dim\": 32",
            "\"cross_attention_dim\": 768",
        ),
    )
    .unwrap();
    let args = [
        "render",
        "--prompt",
        "a cat",
        "--controlnet",
        "edges=drawing.png",
    ];
    let refused = run(&place, &args);
    let said = stderr(&refused);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(
        said.contains("is a ControlNet for Stable Diffusion 1.x, not for"),
        "{said}"
    );
    // Vernier brings none along, and says so where one is looked for.
    std::fs::remove_dir_all(data.join("controlnets")).unwrap();
    let said = stderr(&run(&place, &args));
    assert!(said.contains("Vernier comes with no ControlNet"), "{said}");
}
