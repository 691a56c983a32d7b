//! `vernier edit` with the real binary.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use vernier_engine::picture::{self, Mask, Picture};

use crate::place::{Place, assert_success, stderr, stdout};

/// Files `pets.png`, and `left.png` that is white on its side.
fn with_pictures() -> Place {
    let place = Place::new();
    let write = |name: &str, value: &dyn Fn(usize) -> u8| {
        let picture = Picture {
            width_px: 64,
            height_px: 64,
            rgb: (0..64 * 64 * 3).map(value).collect(),
        };
        std::fs::write(place.path(name), picture::to_plain_png(&picture).unwrap()).unwrap();
    };
    write("pets.png", &|i| (i * 13 % 256) as u8);
    write("left.png", &|i| 255 * u8::from(i / 3 % 64 < 32));
    place
}

const EDIT: [&str; 8] = [
    "edit",
    "pets.png",
    "--source-prompt",
    "a cat on the beach",
    "--edit",
    "cat -> dog",
    "--steps",
    "3",
];

#[test]
fn an_edit_changes_nothing_outside_of_its_mask_and_is_made_again() {
    let place = with_pictures();
    let options = ["--mask", "cat=left.png", "--size", "64x64", "--seed", "7"];
    let out = ["--out", "o", "--masks-out", "m", "--json"];
    let made = place.run(&[EDIT.as_slice(), &options, &out].concat());
    assert_success(&made);
    assert_eq!(place.names("m"), ["0001-7-drawn.png", "0001-7-mask1.png"]);
    let said = stdout(&made);
    let event: serde_json::Value = said
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|event| event["event"] == "picture")
        .unwrap();
    assert_eq!(event["leakage"]["after"]["max"], 0);
    assert!(event["leakage"]["before"]["max"].as_u64().unwrap() > 0);
    let path = place.path("o/0001-7.png");
    let pixels = |path| picture::read_pixels(path).unwrap();
    let (new, old) = (pixels(&path), pixels(&place.path("pets.png")));
    let mask = Mask::from_picture(&picture::read_image(&place.path("left.png")).unwrap());
    let mut changed = 0;
    for (i, &free) in mask.coverage().iter().enumerate() {
        let at = 3 * i..3 * i + 3;
        if free == 0 {
            assert_eq!(new.rgb[at.clone()], old.rgb[at]);
        } else {
            changed += usize::from(new.rgb[at.clone()] != old.rgb[at]);
        }
    }
    assert!(changed > 1000, "{changed}");
    let again = place.run(&["replay", "--verify", path.to_str().unwrap()]);
    assert_success(&again);
}

#[test]
fn the_model_finds_words_and_a_table_has_many_edits() {
    let place = with_pictures();
    let table = "image,source_prompt,edits\n\
                 pets.png,a cat and a dog,cat -> dog; dog -> cat\n\
                 pets.png,a cat on the beach,cat -> dog\n";
    std::fs::write(place.path("edits.csv"), table).unwrap();
    let made = place.run(&[
        "edit",
        "--csv",
        "edits.csv",
        "--steps",
        "2",
        "--seed",
        "3",
        "--out",
        "o",
    ]);
    assert_success(&made);
    assert_eq!(place.names("o"), ["0001-3.png", "0002-4.png"]);
    assert!(
        stderr(&made).contains("outside the masks"),
        "{}",
        stderr(&made)
    );
    std::fs::write(place.path("bad.csv"), "image,edits\npets.png,a -> b\n").unwrap();
    let made = place.run(&["edit", "--csv", "bad.csv"]);
    assert!(
        stderr(&made).contains("no column source_prompt"),
        "{}",
        stderr(&made)
    );
}

#[test]
fn what_cannot_be_edited_gets_one_sentence() {
    let place = with_pictures();
    for (more, expected) in [
        (
            &["--edit", "car -> house"][..],
            "edit \"car\": is not in the prompt",
        ),
        (&["--mask", "car=left.png"], "no change is of \"car\""),
        (&["--edit", "cat"], "is not written as"),
        (&["--without", "magic"], "words, regions, background"),
        (&["--edit", "cat on -> cup"], "speak of the same words"),
        (&["--structure", "2"], "structure: 2 is not from 0 to 1"),
    ] {
        let made = place.run(&[&EDIT[..], more].concat());
        assert_eq!(made.status.code(), Some(2), "{}", stderr(&made));
        assert!(stderr(&made).contains(expected), "{}", stderr(&made));
        assert!(place.names("edits").is_empty());
    }
}
