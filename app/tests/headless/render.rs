//! Headless runs of the real binary that succeed.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::ffi::OsStr;
use std::path::Path;

use crate::place::{Place, assert_success, stderr, stdout};
use serde_json::Value;
use vernier_engine::picture;
use vernier_engine::sampling::SamplerName;

#[test]
fn the_same_seed_gives_the_same_bytes_and_batches_equal_singles() {
    let place = Place::new();
    let batch = place.render(&["--seed", "7", "--count", "3", "--out", "batch"]);
    assert_success(&batch);
    let expected = ["0001-7.png", "0002-8.png", "0003-9.png"];
    assert_eq!(place.names("batch"), expected);
    assert_eq!(stdout(&batch).lines().count(), 3, "one path a picture");
    for (seed, name) in ["7", "8", "9"].into_iter().zip(expected) {
        assert_success(&place.render(&["--seed", seed, "--out", seed]));
        let single = std::fs::read(place.path(&format!("{seed}/0001-{seed}.png"))).unwrap();
        let in_batch = std::fs::read(place.path(&format!("batch/{name}"))).unwrap();
        assert!(single == in_batch, "seed {seed}");
    }
    // Again into a folder that has pictures: none is overwritten.
    assert_success(&place.render(&["--seed", "7", "--out", "7"]));
    assert_eq!(place.names("7"), ["0001-7.png", "0002-7.png"]);
    let (first, second) = ("7/0001-7.png", "7/0002-7.png");
    assert_eq!(
        std::fs::read(place.path(first)).unwrap(),
        std::fs::read(place.path(second)).unwrap()
    );
}

/// A PNG without the chunk that is ours.
fn without_recipe(png: &[u8]) -> Vec<u8> {
    let at = png.windows(8).position(|w| w == b"vernier\0").unwrap();
    let start = at - 8;
    let length = u32::from_be_bytes(png[start..start + 4].try_into().unwrap()) as usize;
    [&png[..start], &png[start + length + 12..]].concat()
}

#[test]
fn another_program_s_picture_is_taken_over_as_far_as_it_goes() {
    let place = Place::new();
    let made = place.render(&["--seed", "5", "--sampler", "euler_a", "--out", "made"]);
    assert_success(&made);
    let made = place.path("made/0001-5.png");
    let foreign = without_recipe(&std::fs::read(&made).unwrap());
    std::fs::write(place.path("foreign.png"), foreign).unwrap();
    let again = place.run(&["render", "--recipe", "foreign.png", "--out", "again"]);
    assert_success(&again);
    let again = place.path("again/0001-5.png");
    let pixels = |path: &Path| picture::read_pixels(path).unwrap();
    assert!(pixels(&again) == pixels(&made));

    let info = place.run(&["info", "foreign.png"]);
    assert!(
        stdout(&info).contains("Sampler: Euler a"),
        "{}",
        stdout(&info)
    );
    let replayed = place.run(&["replay", "foreign.png"]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(stdout(&replayed).contains("carries no Vernier recipe"));
}

#[test]
fn what_a_prompt_leaves_open_is_chosen_by_the_seed_and_told() {
    let place = Place::new();
    std::fs::create_dir(place.path("cards")).unwrap();
    std::fs::write(place.path("cards/hue.txt"), "red\nblue\ngreen\n").unwrap();
    let prompt = "a __hue__ {cat|dog}";
    let run = |out: &str, prompt: &str| {
        place.run(&[
            "render",
            "--prompt",
            prompt,
            "--wildcards",
            "cards",
            "--steps",
            "1",
            "--seed",
            "1",
            "--count",
            "6",
            "--out",
            out,
        ])
    };
    assert_success(&run("a", prompt));
    assert_success(&run("b", prompt));
    let prompts = |out: &str| -> Vec<String> {
        let names = place.names(out).into_iter();
        let read = |name| {
            picture::read_recipe(&place.path(out).join(name))
                .unwrap()
                .prompt
        };
        names.map(read).collect()
    };
    let chosen = prompts("a");
    assert_eq!(chosen, prompts("b"));
    for prompt in &chosen {
        let words: Vec<&str> = prompt.split(' ').collect();
        assert!(["red", "blue", "green"].contains(&words[1]), "{prompt}");
        assert!(["cat", "dog"].contains(&words[2]), "{prompt}");
    }
    assert!(
        chosen.iter().any(|prompt| *prompt != chosen[0]),
        "{chosen:?}"
    );
    let missing = run("c", "a __shape__");
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        stderr(&missing).contains("no file shape.txt in cards"),
        "{}",
        stderr(&missing)
    );
}

#[test]
fn a_recipe_travels_through_json_and_png() {
    let place = Place::new();
    let first = place.render(&[
        "--negative",
        "a dog",
        "--seed",
        "18446744073709551615",
        "--size",
        "72x64",
        "--guidance",
        "2.5",
        "--sampler",
        "euler_a",
        "--out",
        "a",
        "--save-recipe",
        "saved/recipe.json",
    ]);
    assert_success(&first);
    let made = "a/0001-18446744073709551615.png";
    let original = std::fs::read(place.path(made)).unwrap();
    for (folder, recipe) in [("b", made), ("c", "saved/recipe.json")] {
        assert_success(&place.run(&["render", "--recipe", recipe, "--out", folder]));
        let again = place.path(folder).join("0001-18446744073709551615.png");
        assert!(std::fs::read(again).unwrap() == original, "{recipe}");
    }
    let info = stdout(&place.run(&["info", made]));
    for said in ["72x64", "a cat", "a dog", "guidance 2.5", "euler_a"] {
        assert!(info.contains(said), "{said}: {info}");
    }
    // An option on top of a recipe changes just that.
    let changed = place.run(&["render", "--recipe", made, "--seed", "4", "--out", "d"]);
    assert_success(&changed);
    assert_eq!(place.names("d"), ["0001-4.png"]);
}

#[test]
fn without_arguments_it_renders_the_sample_prompts() {
    let place = Place::new();
    let mut recipes = Vec::new();
    for seed in [3, 4] {
        recipes.push(serde_json::json!({
            "version": 1, "model": {"name": "miniature"}, "prompt": "a cat", "seed": seed,
            "width_px": 64, "height_px": 64, "steps": 2, "guidance_scale": 1.0,
            "sampler": "ddim", "dtype": "f32",
        }));
    }
    std::fs::write(
        place.path("assets/samples.json"),
        Value::from(recipes).to_string(),
    )
    .unwrap();
    let output = place.vernier().output().unwrap();
    assert_success(&output);
    assert_eq!(place.names("renders"), ["0001-3.png", "0002-4.png"]);
    let said = stderr(&output);
    assert!(
        said.contains("2 pictures are in") && said.contains("renders"),
        "{said}"
    );
}

#[test]
fn the_shipped_sample_prompts_are_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/samples.json");
    let recipes = vernier_engine::recipe::read(path.as_ref()).unwrap();
    assert_eq!(recipes.len(), 12);
    for recipe in recipes {
        recipe.validate().unwrap();
        assert_eq!(recipe.model.path, None);
    }
}

#[test]
fn json_events_tell_the_whole_story() {
    let place = Place::new();
    let output = place.render(&["--seed", "1", "--json", "--out", "o"]);
    assert_success(&output);
    let events: Vec<Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    let expected = [
        "queued",
        "started",
        "model_loading",
        "model_loaded",
        "progress",
        "progress",
        "progress",
        "picture",
        "finished",
    ];
    assert_eq!(names, expected);
    assert_eq!(events[3]["device"], "cpu");
    assert_eq!(events[6]["step"], 3);
    let hash = &events[3]["hash"];
    assert_eq!(&events[7]["recipe"]["model"]["hash"], hash);
    assert!(place.path(events[7]["path"].as_str().unwrap()).is_file());
}

#[test]
fn latents_and_long_prompts() {
    let place = Place::new();
    let long = "a cat, ".repeat(60);
    let output = place.run(&[
        "render",
        "--prompt",
        &long,
        "--steps",
        "2",
        "--count",
        "2",
        "--out",
        "o",
        "--latents-out",
        "l.safetensors",
    ]);
    assert_success(&output);
    let info = stdout(&place.run(&["info", "l.safetensors"]));
    for said in ["1 tensor ", "0.00 M", "latents [2, 4, 8, 8] F32"] {
        assert!(info.contains(said), "{info}");
    }
    let file =
        vernier_engine::weights::SafetensorsFile::open(&place.path("l.safetensors")).unwrap();
    assert_eq!(file.entries()["latents"].shape, [2, 4, 8, 8]);
}

#[test]
fn bf16_comes_close_to_f32() {
    let place = Place::new();
    let pixels = |dtype: &str| {
        assert_success(&place.render(&["--seed", "1", "--dtype", dtype, "--out", dtype]));
        picture::read_pixels(&place.path(&format!("{dtype}/0001-1.png"))).unwrap()
    };
    let (exact, rounded) = (pixels("f32"), pixels("bf16"));
    let apart = |(a, b): (&u8, &u8)| f64::from(a.abs_diff(*b));
    let sum: f64 = exact.rgb.iter().zip(&rounded.rgb).map(apart).sum();
    let mean = sum / exact.rgb.len() as f64;
    println!("mean difference {mean}");
    assert!(mean > 0.0 && mean < 4.0, "{mean}");
}

#[test]
fn the_help_names_every_sampler() {
    let help = stdout(&Place::new().run(&["render", "--help"]));
    for sampler in SamplerName::ALL {
        assert!(help.contains(sampler.name()), "{sampler}: {help}");
    }
}

#[test]
fn a_model_folder_is_described() {
    let place = Place::new();
    let output = place.run(&["info", "assets/miniature"]);
    assert_success(&output);
    let said = stdout(&output);
    assert!(said.contains("hash  ") && said.contains("64x64"), "{said}");
    assert!(said.contains("sampler ddim"), "{said}");
}

#[test]
fn a_pytorch_file_is_described() {
    let place = Place::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures");
    let path = fixtures.join("tensors_protocol2.pt");
    let output = place.run(&[OsStr::new("info"), path.as_os_str()]);
    assert_success(&output);
    let said = stdout(&output);
    for line in [
        "PyTorch file, 20 tensors with 0.00 M values",
        "list.2.0: 3",
        "rate: 0.0002",
        "done: False",
        "views.transposed [6, 4] F32",
        "dtypes.bf16 [3] BF16",
    ] {
        assert!(said.lines().any(|l| l == line), "{line}: {said}");
    }
}
