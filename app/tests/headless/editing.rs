//! Pictures from pictures, masks and regions with the real binary.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use crate::place::{Place, assert_success, stderr, stdout};
use vernier_engine::picture::{self, Mask, Picture};

/// Files `cat.png`, and `left.png` and `right.png` that are white on their side.
fn with_pictures() -> Place {
    let place = Place::new();
    let source = Picture {
        width_px: 64,
        height_px: 64,
        rgb: (0..64 * 64 * 3).map(|i| (i * 13 % 256) as u8).collect(),
    };
    let png = picture::to_plain_png(&source).unwrap();
    std::fs::write(place.path("cat.png"), png).unwrap();
    for (name, white) in [("left.png", 0..32), ("right.png", 32..64)] {
        let image = image::GrayImage::from_fn(64, 64, |x, _| {
            image::Luma([255 * u8::from(white.contains(&x))])
        });
        image.save(place.path(name)).unwrap();
    }
    place
}

#[test]
fn outside_of_the_mask_the_source_stays_and_its_picture_is_made_again() {
    let place = with_pictures();
    let made = place.render(&[
        "--seed",
        "7",
        "--size",
        "64x64",
        "--source",
        "cat.png",
        "--strength",
        "0.7",
        "--mask",
        "left.png",
        "--feather",
        "4",
        "--out",
        "o",
        "--json",
    ]);
    assert_success(&made);
    // Three steps at 0.7 are two.
    assert!(stdout(&made).contains("\"steps\":2"), "{}", stdout(&made));
    let path = place.path("o/0001-7.png");
    let (new, old) = (
        picture::read_pixels(&path).unwrap(),
        picture::read_pixels(&place.path("cat.png")).unwrap(),
    );
    let mask = Mask::from_picture(&picture::read_image(&place.path("left.png")).unwrap());
    let mask = mask.feathered(4.0);
    let mut changed = 0;
    for (i, &free) in mask.coverage().iter().enumerate() {
        let at = 3 * i..3 * i + 3;
        if free == 0 {
            assert_eq!(new.rgb[at.clone()], old.rgb[at], "pixel {i}");
        } else {
            changed += usize::from(new.rgb[at.clone()] != old.rgb[at]);
        }
    }
    assert!(changed > 1000, "{changed}");
    let notes = picture::read_notes(&path).unwrap().parameters.unwrap();
    assert_eq!(notes.field("Denoising strength"), Some("0.7"));
    assert_eq!(notes.field("Mask blur"), Some("2"));

    assert_success(&place.run(&["replay", "--verify", "o/0001-7.png"]));
    let told = place.run(&["info", "o/0001-7.png"]);
    assert!(stdout(&told).contains("cat.png, strength 0.7, inside the mask"));
    // Where it has moved, it is named, and can be given.
    std::fs::rename(place.path("cat.png"), place.path("moved.png")).unwrap();
    let lost = place.run(&["replay", "--verify", "o/0001-7.png"]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(stdout(&lost).contains("cat.png"), "{}", stdout(&lost));
    let found = place.run(&[
        "replay",
        "--verify",
        "--source",
        "moved.png",
        "o/0001-7.png",
    ]);
    assert_success(&found);
}

#[test]
fn a_project_holds_what_its_recipes_start_from() {
    let place = with_pictures();
    let made = place.render(&[
        "--seed",
        "3",
        "--size",
        "64x64",
        "--source",
        "cat.png",
        "--region",
        "a cat=left.png",
        "--region",
        "cat a=right.png",
        "--out",
        "o",
        "--project",
        "p.vernier",
        "--save-recipe",
        "saved/r.json",
    ]);
    assert_success(&made);
    // A recipe file beside its pictures, by hand.
    std::fs::create_dir(place.path("own")).unwrap();
    let text = std::fs::read_to_string(place.path("saved/r.json")).unwrap();
    let mut recipe: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["cat.png", "left.png", "right.png"] {
        std::fs::copy(place.path(name), place.path("own").join(name)).unwrap();
    }
    recipe["source"]["picture"] = serde_json::json!({ "path": "cat.png" });
    for (region, name) in ["left.png", "right.png"].into_iter().enumerate() {
        recipe["regions"][region]["mask"]["picture"] = serde_json::json!({ "path": name });
    }
    std::fs::write(place.path("own/r.json"), recipe.to_string()).unwrap();
    assert_success(&place.run(&["render", "--recipe", "own/r.json", "--out", "again"]));
    let pixels = |name: &str| picture::read_pixels(&place.path(name)).unwrap();
    assert_eq!(pixels("again/0001-3.png"), pixels("o/0001-3.png"));

    for name in ["cat.png", "left.png", "right.png"] {
        std::fs::remove_file(place.path(name)).unwrap();
    }
    std::fs::remove_dir_all(place.path("own")).unwrap();
    let batch = place.run(&["batch", "p.vernier", "--out", "batch"]);
    assert_success(&batch);
    // Behind it is the list of them.
    let png = place.names("batch").swap_remove(0);
    assert_eq!(pixels(&format!("batch/{png}")), pixels("o/0001-3.png"));
    // Again: it is there.
    assert_success(&place.run(&["batch", "p.vernier", "--out", "batch"]));
    assert_eq!(place.names("batch").len(), 2);
}

#[test]
fn what_cannot_be_done_is_said_in_a_sentence() {
    let place = with_pictures();
    let size = ["--size", "64x64"];
    for (args, expected) in [
        (vec!["--strength", "0.5"], "--strength: there is no picture"),
        (vec!["--mask", "left.png"], "--mask: there is no picture"),
        (
            vec!["--source", "cat.png", "--invert-mask"],
            "--invert-mask: there is no mask",
        ),
        (
            vec!["--source", "cat.png", "--strength", "1.5"],
            "strength: 1.5",
        ),
        (
            vec!["--source", "cat.png", "--strength", "0.1"],
            "less than one",
        ),
        (vec!["--source", "absent.png"], "absent.png"),
        (
            vec!["--source", "cat.png", "--mask", "gone.png"],
            "gone.png",
        ),
        (vec!["--region", "a cat"], "PROMPT=FILE"),
        (vec!["--feather", "3"], "--feather: there is no mask"),
        (
            vec![
                "--source",
                "cat.png",
                "--mask",
                "left.png",
                "--feather",
                "-3",
            ],
            "softened by -3 pixels",
        ),
    ] {
        let refused = place.render(&[args.as_slice(), &size].concat());
        let said = stderr(&refused);
        assert_eq!(refused.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    std::fs::write(place.path("text.png"), "no picture").unwrap();
    let refused = place.render(&["--source", "text.png"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("text.png: is not a PNG or JPEG"));
}
