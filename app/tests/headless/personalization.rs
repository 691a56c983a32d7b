//! `vernier train lora` and the like: from a folder of pictures to a file that renders.

#![allow(
    clippy::unwrap_used,
    reason = "test support: clippy only knows test functions"
)]

use std::fs;

use image::{Rgb, RgbImage};

use crate::place::{Place, assert_success, stderr, stdout};

/// Three pictures of one subject, one of them with its caption.
fn place() -> Place {
    let place = Place::new();
    fs::create_dir(place.path("data")).unwrap();
    for at in 0..3_u8 {
        let image = RgbImage::from_fn(64, 64, |x, _| Rgb([at * 80, (x * 4) as u8, 40]));
        image.save(place.path(&format!("data/{at}.png"))).unwrap();
    }
    fs::write(place.path("data/2.txt"), "a zorb cat on a wall").unwrap();
    place
}

const COMMON: [&str; 10] = [
    "--data",
    "data",
    "--steps",
    "2",
    "--workers",
    "1",
    "--work",
    "work",
    "--instance",
    "a zorb cat",
];

fn train(place: &Place, kind: &str, more: &[&str]) -> std::process::Output {
    let words = ["train", kind].into_iter().chain(COMMON);
    place.run(&words.chain(more.iter().copied()).collect::<Vec<_>>())
}

#[test]
fn a_lora_is_trained_and_renders_and_can_be_steered() {
    let place = place();
    let output = train(
        &place,
        "lora",
        &["--out", "zorb.safetensors", "--layers", "all"],
    );
    assert_success(&output);
    assert_eq!(stdout(&output).trim(), "zorb.safetensors");
    let said = stderr(&output);
    assert!(said.contains("2 steps take about"), "{said}");

    let show = place.run(&["adapter", "show", "zorb.safetensors"]);
    assert!(stdout(&show).contains("a zorb cat"), "{}", stdout(&show));
    let lora = [
        "--lora",
        "zorb.safetensors",
        "--seed",
        "1",
        "--steering",
        "0.5",
    ];
    assert_success(&place.render(&[&lora[..], &["--out", "o"]].concat()));
    let picture = place.path("o").join(&place.names("o")[0]);
    let replay = place.run(&["replay", "--verify", picture.to_str().unwrap()]);
    assert_success(&replay);
    // More steps go on from the state; another learning rate is another training.
    let more = ["--out", "zorb.safetensors", "--layers", "all", "--resume"];
    let output = train(&place, "lora", &[&more[..], &["--lr", "0.5"]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("another learning_rate"),
        "{}",
        stderr(&output)
    );
    assert_success(&train(
        &place,
        "lora",
        &[&more[..], &["--seed", "0"]].concat(),
    ));
}

#[test]
fn dreambooth_a_word_and_keys_and_values_are_trained_too() {
    let place = place();
    let class = ["--class", "a cat", "--class-pictures", "1", "--work", "db"];
    let out = [
        "--out",
        "db.safetensors",
        "--text-encoder",
        "--semantic-preservation",
        "1",
    ];
    let words: Vec<&str> = ["train", "dreambooth"]
        .into_iter()
        .chain(
            COMMON
                .into_iter()
                .filter(|w| !["--work", "work"].contains(w)),
        )
        .chain(class)
        .chain(out)
        .collect();
    assert_success(&place.run(&words));
    assert_eq!(place.names("db/class"), ["0000.png", "class.json"]);

    let word = [
        "--out",
        "word.safetensors",
        "--word",
        "zorb",
        "--init",
        "cat",
        "--fresh",
    ];
    assert_success(&train(&place, "textual-inversion", &word));
    let render = [
        "--prompt",
        "a zorb",
        "--embedding",
        "zorb=word.safetensors",
        "--out",
        "w",
    ];
    assert_success(&place.run(&[&["render", "--steps", "2"][..], &render].concat()));

    let custom = [
        "--out",
        "custom.safetensors",
        "--word",
        "zorb",
        "--init",
        "cat",
        "--fresh",
    ];
    assert_success(&train(&place, "custom", &custom));
    let show = place.run(&["adapter", "show", "custom.safetensors"]);
    assert!(
        stdout(&show).contains("brings along   zorb"),
        "{}",
        stdout(&show)
    );
}

#[test]
fn what_cannot_be_trained_is_refused_in_one_sentence() {
    let place = place();
    let refused = |kind: &str, more: &[&str], code: i32, said: &str| {
        let output = train(&place, kind, more);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said), "{text}");
    };
    refused(
        "lora",
        &["--out", "zorb.ckpt"],
        2,
        "must end in .safetensors",
    );
    refused(
        "lora",
        &["--out", "z.safetensors", "--layers", "most"],
        2,
        "is not one of cross",
    );
    refused(
        "lora",
        &["--out", "z.safetensors", "--resume"],
        2,
        "no training to go on from",
    );
    let semantic = [
        "--out",
        "z.safetensors",
        "--semantic-preservation",
        "1",
        "--class",
        "a cat",
    ];
    refused("lora", &semantic, 2, "add --text-encoder");
    let init = ["--out", "z.safetensors", "--word", "blork", "--init", "cat"];
    refused(
        "textual-inversion",
        &init,
        1,
        "does not have the word blork",
    );
}

#[test]
fn loras_are_merged_and_taken_out_of_checkpoints() {
    let place = place();
    for (name, seed) in [("a", "1"), ("b", "2")] {
        let out = format!("{name}.safetensors");
        let output = train(&place, "lora", &["--out", &out, "--seed", seed, "--fresh"]);
        assert_success(&output);
    }
    let loras = ["merge", "loras", "a.safetensors=0.5", "b.safetensors"];
    let output = place.run(&[&loras[..], &["--out", "sum.safetensors"]].concat());
    assert_success(&output);
    assert_eq!(stdout(&output).trim(), "sum.safetensors");
    let stock = [
        "--rule",
        "stock",
        "--rank",
        "2",
        "--first-blocks",
        "0.5",
        "--layout",
        "peft",
    ];
    let out = ["--out", "stock.safetensors"];
    assert_success(&place.run(&[&loras[..], &stock, &out].concat()));
    // The sum renders as the two side by side.
    let render = |more: &[&str], out: &str| {
        let seed = ["--seed", "1", "--out", out, "--latents-out"];
        let latents = format!("{out}.safetensors");
        assert_success(&place.render(&[&seed[..], &[latents.as_str()], more].concat()));
        image::open(place.path(out).join(&place.names(out)[0]))
            .unwrap()
            .to_rgb8()
    };
    let both = render(
        &["--lora", "a.safetensors=0.5", "--lora", "b.safetensors"],
        "both",
    );
    let sum = render(&["--lora", "sum.safetensors"], "sum");
    let apart = both
        .as_raw()
        .iter()
        .zip(sum.as_raw())
        .map(|(a, b)| a.abs_diff(*b));
    assert!(apart.max().unwrap() <= 2);
    let again = place.run(&[&loras[..], &out].concat());
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("is there already"),
        "{}",
        stderr(&again)
    );

    vernier_engine::checkpoint::tiny::write_model(&place.path("tuned"), 9).unwrap();
    let extract = ["merge", "extract", "tuned", "--rank", "4", "--text-encoder"];
    let output = place.run(&[&extract[..], &["--out", "tuned.safetensors"]].concat());
    assert_success(&output);
    assert!(
        stderr(&output).contains("the rank holds"),
        "{}",
        stderr(&output)
    );
    assert_success(&place.render(&["--lora", "tuned.safetensors", "--out", "t"]));
}
