//! Signs in prompts: weights, tags of LoRAs, and whose rules hold.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use vernier_engine::picture;
use vernier_engine::prompt::PromptSyntax;

use crate::formats::{pixels, write_lora};
use crate::place::{Place, assert_success, stderr};

fn render(place: &Place, prompt: &str, more: &[&str], out: &str) -> Vec<u8> {
    let args = ["render", "--prompt", prompt, "--steps", "3", "--seed", "5"];
    let made = place.run(&[&args[..], &["--size", "64x64", "--out", out], more].concat());
    assert_success(&made);
    pixels(place, &format!("{out}/0001-5.png"))
}

#[test]
fn weights_count_and_each_program_has_its_own() {
    let place = Place::new();
    let plain = render(&place, "a cat and a dog", &[], "plain");
    let weighted = "a (cat:1.6) and a dog";
    let a1111 = render(&place, weighted, &[], "a1111");
    assert_eq!(
        render(&place, "a (cat:1.0) and a dog", &[], "one"),
        plain,
        "a weight of 1 is none"
    );
    let comfyui = render(&place, weighted, &["--prompt-syntax", "comfyui"], "comfyui");
    let literal = render(&place, weighted, &["--prompt-syntax", "plain"], "literal");
    let skipped = render(&place, "a cat and a dog", &["--clip-skip", "2"], "skip");
    let all = [&plain, &a1111, &comfyui, &literal, &skipped];
    for (at, one) in all.iter().enumerate() {
        assert!(all[at + 1..].iter().all(|other| one != other), "{at}");
    }
    let made = picture::read_recipe(&place.path("comfyui/0001-5.png")).unwrap();
    assert_eq!(made.text.prompt_syntax, PromptSyntax::ComfyUi);
    assert_success(&place.run(&["replay", "--verify", "comfyui/0001-5.png"]));
    assert_success(&place.run(&["replay", "--verify", "skip/0001-5.png"]));
}

#[test]
fn a_tag_is_a_lora_of_its_weight() {
    let place = Place::new();
    write_lora(&place, "ink.safetensors");
    let listed = render(
        &place,
        "a cat",
        &["--lora", "ink.safetensors=0.5"],
        "listed",
    );
    let prompt = "a cat <lora:ink.safetensors:0.5>";
    assert_eq!(render(&place, prompt, &[], "tagged"), listed);
    let made = picture::read_recipe(&place.path("tagged/0001-5.png")).unwrap();
    assert_eq!((made.prompt.as_str(), made.adapters.len()), ("a cat", 1));
    assert!(!made.adapters[0].hash.is_empty());
    assert_success(&place.run(&["replay", "--verify", "tagged/0001-5.png"]));
}

#[test]
fn what_cannot_be_read_is_told() {
    let place = Place::new();
    for (args, told) in [
        (["--prompt-syntax", "compel"], "prompt_syntax: \"compel\""),
        (["--clip-skip", "0"], "clip_skip: 0 is outside 1 to 32"),
        (["--clip-skip", "30"], "clip_skip: skips 29 layers"),
        (
            ["--negative", "<lora:x:strong>"],
            "<lora:x:strong> has something else than a number",
        ),
        (["--negative", "<lora:nowhere>"], "adapter \"nowhere\""),
    ] {
        let refused = place.render(&args);
        assert_eq!(refused.status.code(), Some(2), "{args:?}");
        assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
    }
}
