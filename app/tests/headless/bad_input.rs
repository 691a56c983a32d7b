//! Every bad input gives one sentence, the right exit code, and no picture.

use std::fs;

use crate::place::{Place, assert_success, stderr};

/// Runs, and checks exit code, the sentence, and that nothing is left in `o`.
#[track_caller]
fn refused(place: &Place, args: &[&str], code: i32, said: &[&str]) {
    let output = place.run(args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in said {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    let sentence: Vec<&str> = text
        .lines()
        .filter(|l| l.starts_with("vernier: "))
        .collect();
    assert_eq!(sentence.len(), 1, "{text}");
    assert!(place.names("o").is_empty(), "{:?}", place.names("o"));
}

const RENDER: [&str; 7] = ["render", "--prompt", "a cat", "--steps", "3", "--out", "o"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RENDER.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn options_that_cannot_be() {
    let place = Place::new();
    for (option, value, said) in [
        ("--size", "100x64", "width_px: 100 is not a multiple of 8"),
        ("--size", "64x32", "height_px: 32 is outside"),
        ("--steps", "0", "steps: 0"),
        ("--sampler", "warp", "sampler: "),
        ("--guidance", "nan", "guidance_scale: "),
        ("--dtype", "f8", "dtype: \"f8\""),
        ("--device", "gpu", "device: \"gpu\""),
    ] {
        let mut args = vec!["render", "--prompt", "a cat", "--out", "o"];
        args.extend([option, value]);
        refused(&place, &args, 2, &[said]);
    }
    refused(
        &place,
        &with(&["--device", "cpu", "--dtype", "f16"]),
        2,
        &["dtype: f16"],
    );
    let output = place.run(&["render"]);
    assert_eq!(output.status.code(), Some(2), "no prompt");
}

#[test]
fn damaged_models() {
    let place = Place::new();
    let weights = place
        .model()
        .join("unet/diffusion_pytorch_model.safetensors");
    let whole = fs::read(&weights).unwrap();

    fs::write(&weights, &whole[..whole.len() / 2]).unwrap();
    refused(
        &place,
        &with(&[]),
        1,
        &["diffusion_pytorch_model.safetensors", "complete"],
    );

    // The last four bytes are one fp32 weight; all ones is a NaN.
    let mut spoilt = whole.clone();
    let end = spoilt.len() - 4;
    spoilt[end..].fill(0xff);
    fs::write(&weights, &spoilt).unwrap();
    refused(
        &place,
        &with(&[]),
        1,
        &["diffusion_pytorch_model.safetensors", "NaN"],
    );

    fs::remove_file(&weights).unwrap();
    refused(&place, &with(&[]), 1, &["unet"]);
    fs::write(&weights, &whole).unwrap();

    let config = place.model().join("unet/config.json");
    let text = fs::read_to_string(&config).unwrap();
    let other = text.replace("\"cross_attention_dim\": 32", "\"cross_attention_dim\": 48");
    assert_ne!(other, text);
    fs::write(&config, other).unwrap();
    refused(&place, &with(&[]), 1, &["unet", "attn2.to_k.weight"]);
    fs::write(&config, "{").unwrap();
    refused(&place, &with(&[]), 1, &["config.json"]);
    fs::write(&config, text).unwrap();

    // Whole again, it renders.
    assert_success(&place.run(&with(&[])));
}

#[test]
fn places_that_are_not_there() {
    let place = Place::new();
    refused(&place, &with(&["--model", "nowhere"]), 1, &["nowhere"]);
    fs::write(place.path("file"), "mine").unwrap();
    let args = ["render", "--prompt", "a cat", "--out", "file/pictures"];
    refused(&place, &args, 1, &["file/pictures"]);
    let args = ["render", "--prompt", "a cat", "--out", "file"];
    refused(&place, &args, 1, &["file: is a file"]);
    for option in ["--latents-out", "--save-recipe"] {
        refused(
            &place,
            &with(&[option, "assets"]),
            1,
            &["assets: is a folder"],
        );
        refused(&place, &with(&[option, "file/x"]), 1, &["file: is a file"]);
    }
    refused(
        &place,
        &["info", "nowhere"],
        1,
        &["nowhere: there is no such"],
    );
    fs::write(place.path("code.pt"), b"\x80\x02cos\nsystem\n.").unwrap();
    refused(
        &place,
        &["info", "code.pt"],
        1,
        &["code.pt: is a bare pickle"],
    );
    refused(
        &place,
        &["info", "file"],
        2,
        &["file: is neither a model folder nor"],
    );
    let output = place
        .vernier()
        .env("VERNIER_ASSETS", place.path("empty"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the embedded model is not there"));
}

#[test]
fn recipes_that_cannot_be() {
    let place = Place::new();
    let recipe = |path: &str| {
        vec![
            "render".into(),
            "--recipe".into(),
            path.to_owned(),
            "--out".into(),
            "o".into(),
        ]
    };
    let refuse = |path: &str, code: i32, said: &[&str]| {
        let args = recipe(path);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        refused(&place, &args, code, said);
    };
    fs::write(place.path("new.json"), r#"{"version": 9}"#).unwrap();
    refuse("new.json", 1, &["new.json", "\"version\"", "update"]);
    fs::write(place.path("broken.json"), "{").unwrap();
    refuse("broken.json", 1, &["broken.json", "not JSON"]);
    refuse("absent.json", 1, &["absent.json"]);
    fs::write(place.path("text.png"), "not a picture").unwrap();
    refuse("text.png", 1, &["text.png", "not a PNG"]);

    // The model has moved.
    let gone = r#"{"version": 1, "model": {"name": "dreams", "path": "/nowhere/dreams"},
        "prompt": "a cat", "seed": 1, "width_px": 64, "height_px": 64, "steps": 2,
        "guidance_scale": 1.0, "sampler": "ddim", "dtype": "f32"}"#;
    fs::write(place.path("gone.json"), gone).unwrap();
    refuse("gone.json", 2, &["/nowhere/dreams", "--model"]);
}
