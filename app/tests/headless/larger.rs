//! Larger pictures: a second pass, and upscalers.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use vernier_engine::picture;

use crate::formats::pixels;
use crate::place::{Place, assert_success, stderr, stdout};

const UPSCALER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/upscalers/compact_x4.pth"
);

#[test]
fn a_second_pass_is_larger_and_made_again() {
    let place = Place::new();
    let render = |more: &[&str], out: &str| {
        let all = ["--seed", "5", "--size", "64x64", "--steps", "4"];
        let all = [&all[..], &["--highres", "1.5", "--out", out], more].concat();
        let args = [&["render", "--prompt", "a cat"], &all[..]].concat();
        assert_success(&place.run(&args));
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    let plain = render(&[], "plain");
    assert_eq!(plain.len(), 96 * 96 * 3);
    let network = render(&["--highres-upscaler", UPSCALER], "network");
    let far = render(&["--highres-strength", "1"], "far");
    let more = render(&["--highres-steps", "8"], "more");
    let all = [&plain, &network, &far, &more];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
    }
    let made = picture::read_recipe(&place.path("network/0001-5.png")).unwrap();
    assert_eq!((made.width_px, made.height_px), (64, 64));
    assert!(!made.highres.unwrap().upscaler.unwrap().hash.is_empty());
    assert_success(&place.run(&["replay", "--verify", "network/0001-5.png"]));
}

#[test]
fn what_is_beyond_a_model_is_told() {
    let place = Place::new();
    let recommended = place.model().join("vernier.json");
    std::fs::write(recommended, r#"{"most_px": 64}"#).unwrap();
    for (factor, is_told) in [("1", false), ("1.5", true)] {
        let made = place.render(&["--size", "64x64", "--highres", factor]);
        assert_success(&made);
        let told = stderr(&made);
        assert_eq!(told.contains("up to 64 pixels a side"), is_told, "{told}");
    }
}

#[test]
fn pictures_are_enlarged_and_nothing_is_overwritten() {
    let place = Place::new();
    let made = place.render(&["--seed", "5", "--size", "64x64", "--out", "small"]);
    assert_success(&made);
    let upscale = |more: &[&str]| {
        let args = ["upscale", "small/0001-5.png", "--out", "large"];
        let made = place.run(&[&args[..], more].concat());
        assert_success(&made);
        stdout(&made).trim().to_owned()
    };
    assert_eq!(
        upscale(&["--upscaler", UPSCALER]),
        "large/0001-5-256x256.png"
    );
    assert_eq!(upscale(&["--factor", "4"]), "large/0001-5-256x256-2.png");
    assert_eq!(upscale(&[]), "large/0001-5-128x128.png");
    assert_eq!(
        pixels(&place, "large/0001-5-256x256.png").len(),
        256 * 256 * 3
    );
}

#[test]
fn what_cannot_be_enlarged_is_told() {
    let place = Place::new();
    for (args, told) in [
        (vec!["--highres-strength", "0.5"], "--highres FACTOR"),
        (
            vec!["--highres", "100"],
            "highres: the factor 100 is outside 1 to 8",
        ),
        (
            vec!["--highres", "2", "--highres-upscaler", "nowhere"],
            "upscaler \"nowhere\": there is no such file",
        ),
    ] {
        let refused = place.render(&args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
    }
    std::fs::write(place.path("odd.pth"), "nothing").unwrap();
    let made = place.render(&["--seed", "5", "--size", "64x64", "--out", "small"]);
    assert_success(&made);
    let refused = place.run(&["upscale", "small/0001-5.png", "--upscaler", "odd.pth"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("odd.pth"), "{}", stderr(&refused));
}
