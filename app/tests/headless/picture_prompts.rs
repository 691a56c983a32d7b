//! Pictures in the place of words.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use vernier_engine::picture::{self, Picture};
use vernier_engine::picture_prompts::tiny::write_picture_prompt;
use vernier_engine::recipe::PictureTakes;

use crate::formats::pixels;
use crate::place::{Place, assert_success, stderr, stdout};

const SOURCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/picture_prompts/a.png"
);
const OTHER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/picture_prompts/b.png"
);

#[test]
fn a_picture_is_a_prompt_and_the_recipe_says_so() {
    let place = Place::new();
    let adapter = "data/vernier/picture-prompts/look.safetensors";
    std::fs::create_dir_all(place.path(adapter).parent().unwrap()).unwrap();
    write_picture_prompt(&place.path(adapter), &place.model(), 3).unwrap();
    let run = |args: &[&str]| {
        let mut vernier = place.vernier();
        vernier
            .env("XDG_CONFIG_HOME", place.path("config"))
            .env("XDG_DATA_HOME", place.path("data"))
            .args(args)
            .output()
            .unwrap()
    };
    let render = |prompt: Option<&str>, out: &str| {
        let size = [
            "render", "--prompt", "a cat", "--seed", "5", "--size", "64x64",
        ];
        let size = [&size[..], &["--steps", "4", "--out", out]].concat();
        let prompt = prompt.map(|prompt| ["--picture-prompt", prompt]);
        let made = run(&[&size[..], prompt.as_ref().map_or(&[][..], |p| &p[..])].concat());
        assert_success(&made);
        pixels(&place, &format!("{out}/0001-5.png"))
    };
    let plain = render(None, "plain");
    let whole = render(Some(&format!("look={SOURCE}")), "whole");
    let half = render(Some(&format!("look={SOURCE},weight=0.5")), "half");
    let two = render(Some(&format!("look={SOURCE},{OTHER}")), "two");
    let late = render(Some(&format!("look={SOURCE},start=0.5")), "late");
    let style = render(Some(&format!("look={SOURCE},takes=style")), "style");
    let all = [&plain, &whole, &half, &two, &late, &style];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
    }
    assert_eq!(
        render(Some(&format!("look={SOURCE},weight=0")), "idle"),
        plain
    );

    // Where a mask is black the picture may change by what lies beside alone: it is another one.
    let black = Picture {
        width_px: 64,
        height_px: 64,
        rgb: vec![0; 64 * 64 * 3],
    };
    let black = picture::to_plain_png(&black).unwrap();
    std::fs::write(place.path("black.png"), black).unwrap();
    let mask = place.path("black.png").display().to_string();
    let masked = format!("look={SOURCE},mask={mask}");
    assert_eq!(render(Some(&masked), "masked"), plain);

    let recipe = picture::read_recipe(&place.path("style/0001-5.png")).unwrap();
    let own = &recipe.picture_prompts[0];
    assert_eq!(
        (own.name.as_str(), own.takes),
        ("look", PictureTakes::Style)
    );
    assert!(own.hash.len() == 64 && own.pictures[0].hash.len() == 64);
    assert_success(&run(&["replay", "--verify", "two/0001-5.png"]));
    let told = stdout(&run(&["info", "two/0001-5.png"]));
    assert!(told.contains("picture prompt: look="), "{told}");

    let listed = stdout(&run(&["models", "list"]));
    assert!(
        listed.contains("look  IP-Adapter, 4 tokens, for a model"),
        "{listed}"
    );
    let told = stdout(&run(&["info", adapter]));
    assert!(told.contains("IP-Adapter, 4 tokens"), "{told}");
    let tower = "data/vernier/picture-prompts/image_encoder";
    let told = stdout(&run(&["info", tower]));
    assert!(
        told.contains("2 layers of width 32, projects to 24"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_used_is_told_in_a_sentence() {
    let place = Place::new();
    let refused = |prompt: &str, code: i32| {
        let made = place.render(&["--picture-prompt", prompt]);
        assert_eq!(made.status.code(), Some(code), "{}", stderr(&made));
        stderr(&made)
    };
    assert!(refused("look", 2).contains("ADAPTER=PICTURE"));
    assert!(refused(&format!("look={SOURCE}"), 2).contains("picture prompt \"look\""));
    write_picture_prompt(&place.path("look.safetensors"), &place.model(), 3).unwrap();
    let file = place.path("look.safetensors").display().to_string();
    assert!(refused(&format!("{file}={SOURCE},takes=mood"), 2).contains("style-and-layout"));
    assert!(refused(&format!("{file}=none.png"), 2).contains("none.png"));
    std::fs::remove_dir_all(place.path("image_encoder")).unwrap();
    let said = refused(&format!("{file}={SOURCE}"), 1);
    assert!(
        said.contains("projects to 24") && said.contains("image_encoder"),
        "{said}"
    );
}
